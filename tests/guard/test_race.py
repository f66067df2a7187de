"""Eight writers by every kind of transaction against the closer: after quiet not one row changes."""

from __future__ import annotations

import random
import threading
import time

import psycopg

from slacktide.guard import closing

TRIALS = 30
CONTENT = """
select md5(string_agg(line, ',' order by line)) from (
    select 'f' || f::text from hotel.folio f where property_code = 'RESORT'
    union all
    select 'p' || p::text from hotel.posting p join hotel.folio f using (folio_id) where property_code = 'RESORT'
    union all
    select 'e' || e::text from hotel.event e where property_code = 'RESORT'
) as lines (line)
"""


class Writer(threading.Thread):
    """One clerk that writes until it is told to stop; refusals are part of its day."""

    def __init__(self, connection, *, seed, statements, copy=False, folios=(1, 200), pause_seconds=0.02):
        super().__init__()
        self.chance = random.Random(seed)  # noqa: S311 -- repeatable, not secret
        self.connection, self.statements, self.copy = connection, statements, copy
        self.folios, self.pause_seconds = folios, pause_seconds
        self.stop, self.committed, self.slowest, self.failures = threading.Event(), 0, 0.0, []

    def run(self):
        while not self.stop.is_set():
            start = time.monotonic()
            try:
                self.transact()
                self.committed += 1
            except psycopg.Error as error:
                self.connection.rollback()
                if error.sqlstate not in {"ST001", "40001", "40P01"}:
                    self.failures.append(error)
                time.sleep(0.002)
            self.slowest = max(self.slowest, time.monotonic() - start)

    def transact(self):
        for statement in self.statements:
            self.connection.execute(statement.replace("?", str(self.chance.randint(*self.folios))))
            time.sleep(self.chance.random() * self.pause_seconds)  # so that snapshots and locks outlast a closing
        if self.copy:
            with self.connection.cursor().copy("copy hotel.posting (folio_id, amount) from stdin") as copy:
                copy.write(f"{self.chance.randint(1, 200)}\t5\n" * 20)
        self.connection.commit()


NOTE = "update hotel.folio set note = clock_timestamp()::text where folio_id = ?"
POST = "insert into hotel.posting (folio_id) values (?)"
AWAY = """delete from hotel.posting where posting_id in (
    select posting_id from hotel.posting where folio_id = ? limit 3)"""
MOVE = "update hotel.posting set folio_id = ? where folio_id = ? and amount = 5"
CROSS = """update hotel.folio set property_code = case property_code when 'CITY' then 'RESORT' else 'CITY' end
where folio_id = ?"""
EVENT = "insert into hotel.event_leaf select ? + 2000, 'RESORT'"
LEAVE = "delete from hotel.event where event_id > 2000 and event_id % 7 = ? % 7"
CITY = ["insert into hotel.event values (500, 'CITY')", "delete from hotel.event where event_id = 500"]
SEE = "select count(*) from hotel.folio where folio_id > ?"


def writers(session):
    """Give eight writers: plain, with old snapshots, by COPY, of parts, of leaves, and roots that cross."""
    slow, few = {"pause_seconds": 0.2}, {"folios": (96, 103)}
    kinds = [
        ("read committed", {"statements": [NOTE, POST]}),
        ("read committed", {"statements": [POST], **slow, **few}),
        ("repeatable read", {"statements": [SEE, POST], **slow}),
        ("serializable", {"statements": [SEE, NOTE], **slow}),
        ("read committed", {"statements": [], "copy": True}),
        ("read committed", {"statements": [EVENT, LEAVE]}),
        ("repeatable read", {"statements": [SEE, AWAY, MOVE]}),
        ("read committed", {"statements": [CROSS], **few}),
    ]
    return [
        Writer(session(autocommit=False, isolation=isolation), seed=n, **kind)
        for n, (isolation, kind) in enumerate(kinds)
    ]


def test_after_quiet_not_one_row_changes(guarded, session):
    """Whatever eight writers do, what was there at quiet is there until the organization is opened again."""
    guarded.execute("alter table hotel.posting drop constraint posting_folio_id_fkey")
    guarded.execute("create index on hotel.posting (folio_id)")
    at_work = writers(session)
    of_city = session(autocommit=False)
    of_city.execute("set lock_timeout = '1s'; commit")
    city = Writer(of_city, seed=9, statements=CITY)
    for writer in (*at_work, city):
        writer.start()
    try:
        changed = [trial(guarded, seed) for seed in range(TRIALS)]
    finally:
        for writer in (*at_work, city):
            writer.stop.set()
        for writer in (*at_work, city):
            writer.join()
    assert not any(changed)
    assert [writer.failures for writer in (*at_work, city)] == [[]] * 9
    assert all(writer.committed > TRIALS // 2 for writer in at_work)


def trial(connection, seed):
    """Close, wait for quiet, look twice, open again; tell whether anything changed in between."""
    time.sleep(0.04 + 0.01 * (seed % 5))
    closing.begin_closing(connection, organization="RESORT")
    limit = time.monotonic() + 20
    while not closing.try_quiet(connection, organization="RESORT"):
        assert time.monotonic() < limit
    first = connection.execute(CONTENT).fetchone()
    time.sleep(0.2)  # longer than a writer stays open
    second = connection.execute(CONTENT).fetchone()
    closing.reopen(connection, organization="RESORT")
    return first != second
