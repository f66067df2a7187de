"""Installing among those who trade: nobody is unguarded afterwards, nobody waits long, nobody deadlocks."""

from __future__ import annotations

import threading

import pytest

from slacktide.guard.install import GuardBusy, describe, install
from slacktide.guard.presence import NotGuardable, verify_presence
from slacktide.guard.table import GuardedTable

WRITE = "update hotel.folio set note = 'x' where folio_id = 1"


def test_an_open_writer_is_named(owner, session, tables):
    """While a transaction that was not guarded is open the guard does not come, and says who holds the table."""
    writer = session(autocommit=False)
    writer.execute(WRITE)
    with pytest.raises(GuardBusy) as caught:
        install(owner, tables=tables, lock_timeout_ms=50, tries=2, pause_seconds=0.01)
    assert str(writer.info.backend_pid) in str(caught.value)
    writer.commit()
    install(owner, tables=tables)
    verify_presence(owner, tables=tables)


def test_it_comes_when_the_writer_ends(owner, session, tables):
    """Install tries again until an open writer has ended."""
    writer = session(autocommit=False)
    writer.execute(WRITE)
    timer = threading.Timer(0.5, writer.commit)
    timer.start()
    install(owner, tables=tables, lock_timeout_ms=100, pause_seconds=0.05)
    timer.join()
    verify_presence(owner, tables=tables)


def test_installing_among_traders_deadlocks_nobody(owner, session, tables):
    """Clerks who write folios and postings in both orders meet no deadlock while the guard comes."""
    orders = ([WRITE, "insert into hotel.posting (folio_id) values (1)"], ["delete from hotel.posting", WRITE])
    stop, failures = threading.Event(), []

    def trade(writer, statements):
        while not stop.is_set():
            try:
                for statement in statements:
                    writer.execute(statement.replace("folio_id = 1", f"folio_id = {writer.info.backend_pid % 90}"))
                writer.commit()
            except Exception as error:  # noqa: BLE001 -- whatever it is, the test names it
                failures.append(error)
                writer.rollback()

    threads = [threading.Thread(target=trade, args=(session(autocommit=False), orders[n % 2])) for n in range(4)]
    for thread in threads:
        thread.start()
    try:
        install(owner, tables=tables, lock_timeout_ms=200, pause_seconds=0.05)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
    verify_presence(owner, tables=tables)


def test_a_guard_of_before_the_writers_were_noted(owner, tables):
    """Crossings of an older guard, which knew no writers, count as new ones."""
    install(owner, tables=tables)
    owner.execute("alter table slacktide.guard_crossing drop column writers, add column settled_at timestamptz")
    owner.execute("insert into slacktide.guard_crossing (organizations, settled_at) values ('{CITY,RESORT}', now())")
    install(owner, tables=tables)
    crossings = owner.execute("select organizations, writers from slacktide.guard_crossing")
    assert crossings.fetchall() == [(["CITY", "RESORT"], None)]


def test_what_is_no_table_is_refused(owner):
    """A view or an unknown name is refused, and what would be done is said beforehand."""
    note = GuardedTable(schema="hotel", table="note", organization="r.property_code")
    with pytest.raises(NotGuardable):
        install(owner, tables=[note])
    assert any("hotel.note" in sentence for sentence in describe(tables=[note]))


def test_long_names_are_told_apart(owner):
    """Two tables whose names agree in their first 60 characters have functions of their own."""
    names = ["t" * 60 + end for end in ("a", "b")]
    tables = [GuardedTable(schema="hotel", table=name, organization="r.p") for name in names]
    for name in names:
        owner.execute(f"create table hotel.{name} (p text)")
    install(owner, tables=tables)
    verify_presence(owner, tables=tables)
