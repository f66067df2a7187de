"""Every kind of message, as a real server sends it."""

from __future__ import annotations

import itertools
import time

import psycopg
import pytest

from slacktide.postgres import pgoutput
from slacktide.postgres.pgoutput import UNCHANGED, decode
from slacktide.postgres.stream import Keepalive, ReplicationStream, StreamEnded

_number = itertools.count(1)
SCHEMA = """
create type mood as enum ('sad', 'glad');
create table plain (id int primary key, name text, feels mood);
create table whole (id int, big text, primary key (id)); alter table whole replica identity full;
create table other (id int primary key);
alter table whole alter column big set storage external;
create publication p for table plain, whole, other;
"""


class Listener:
    """A stream of a database of its own."""

    def __init__(self, address):
        self.address = address
        self.sql = psycopg.connect(address, autocommit=True)
        self.sql.execute(SCHEMA)
        self.slot = f"listener_{next(_number)}_{self.sql.info.backend_pid}"
        self.stream = ReplicationStream(address, name="test")
        self.position = self.stream.create_slot(self.slot).consistent_point
        self.stream.start(self.slot, publication="p", position=self.position)

    def events(self, *, seconds=10.0):
        """Give what is sent up to the end of the log."""
        mark = f"end {next(_number)}"
        self.sql.execute("select pg_logical_emit_message(true, %s, '')", [mark])
        found, ends = [], time.monotonic() + seconds
        while time.monotonic() < ends:
            self.stream.wait(0.1)
            for event in self.stream.received():
                if not isinstance(event, Keepalive):
                    found.append(event)
                if isinstance(event, pgoutput.Commit) and getattr(found[-2], "prefix", None) == mark:
                    return found[:-3]
        pytest.fail(f"no end: {found}")

    def kinds(self, kind):
        return [event for event in self.events() if isinstance(event, kind)]

    def close(self):
        self.stream.close()
        self.sql.close()


@pytest.fixture
def listener(database):
    """Give a listener to a database of this test's own."""
    listener = Listener(database)
    yield listener
    listener.close()
    with psycopg.connect(database, autocommit=True) as connection:
        for _ in range(100):
            try:
                connection.execute("select pg_drop_replication_slot(%s)", [listener.slot])
                break
            except psycopg.errors.ObjectInUse:
                time.sleep(0.05)


def test_transaction(listener):
    """A transaction is a begin with its 32-bit id, its changes, and a commit; one that is rolled back is nothing."""
    with listener.sql.transaction():
        (xid,) = listener.sql.execute("select pg_current_xact_id()::text::bigint").fetchone()
        listener.sql.execute("insert into plain values (1, 'one', 'glad'), (2, null, null)")
        listener.sql.execute("savepoint s; insert into plain values (3, 'gone', null); rollback to s")
    listener.sql.execute("begin; insert into plain values (4, 'gone', null); rollback")
    events = listener.events()
    begin, commit = events[0], events[-1]
    assert isinstance(begin, pgoutput.Begin)
    assert begin.xid == xid & 0xFFFFFFFF
    assert isinstance(commit, pgoutput.Commit)
    assert commit.commit_lsn == begin.final_lsn < commit.end_lsn
    assert commit.committed_at == begin.committed_at
    inserts = [event.new for event in events if isinstance(event, pgoutput.Insert)]
    assert inserts == [[b"1", b"one", b"glad"], [b"2", None, None]]


def test_relation_and_type(listener):
    """A table is described before its first change, and its own types before it."""
    listener.sql.execute("insert into plain values (1, 'one', 'glad')")
    events = listener.events()
    (relation,) = [event for event in events if isinstance(event, pgoutput.Relation)]
    (kind,) = [event for event in events if isinstance(event, pgoutput.Type)]
    assert (relation.schema, relation.table, relation.identity) == ("public", "plain", "d")
    assert [(c.name, c.identity) for c in relation.columns] == [("id", True), ("name", False), ("feels", False)]
    assert (kind.schema, kind.name) == ("public", "mood")
    assert relation.columns[2].type_oid == kind.oid
    assert events.index(kind) < events.index(relation)


def test_update(listener):
    """An update holds the old key where it changed, the whole old row where the identity is full, else nothing."""
    listener.sql.execute("insert into plain values (1, 'one', null); insert into whole values (1, 'x')")
    listener.events()
    listener.sql.execute("update plain set name = 'two'; update plain set id = 2; update whole set big = 'y'")
    same, key, whole = listener.kinds(pgoutput.Update)
    assert (same.old, same.new) == (None, [b"1", b"two", None])
    assert (key.old, key.whole, key.new) == ([b"1", None, None], False, [b"2", b"two", None])
    assert (whole.old, whole.whole, whole.new) == ([b"1", b"x"], True, [b"1", b"y"])


def test_unchanged_toast(listener):
    """A large value that an update leaves alone is not sent, but in a whole old row it is."""
    big = "b" * 9000
    listener.sql.execute("alter table whole replica identity default")
    listener.sql.execute("insert into whole values (1, %s)", [big])
    listener.events()
    listener.sql.execute("update whole set id = 2")
    (update,) = listener.kinds(pgoutput.Update)
    assert update.new == [b"2", UNCHANGED]
    listener.sql.execute("alter table whole replica identity full")
    listener.sql.execute("update whole set id = 3")
    (update,) = listener.kinds(pgoutput.Update)
    assert update.old == [b"2", big.encode()]
    assert update.new[0] == b"3"


def test_delete_and_truncate(listener):
    """A delete holds the old key or the whole old row, a truncate the tables and its options."""
    listener.sql.execute("insert into plain values (1, 'one', null); insert into whole values (1, 'x')")
    listener.sql.execute("delete from plain; delete from whole; truncate plain, other restart identity cascade")
    events = listener.events()
    one, two = [event for event in events if isinstance(event, pgoutput.Delete)]
    assert (one.old, one.whole) == ([b"1", None, None], False)
    assert (two.old, two.whole) == ([b"1", b"x"], True)
    (truncate,) = [event for event in events if isinstance(event, pgoutput.Truncate)]
    names = {event.oid: event.table for event in events if isinstance(event, pgoutput.Relation)}
    assert {names[oid] for oid in truncate.relations} == {"plain", "other"}
    assert (truncate.cascade, truncate.restart_identity) == (True, True)


def test_message(listener):
    """A logical message comes within its transaction, or by itself."""
    listener.sql.execute("select pg_logical_emit_message(true, 'prefix', 'content')")
    listener.sql.execute("select pg_logical_emit_message(false, 'alone', '')")
    one, two = listener.kinds(pgoutput.Message)
    assert (one.transactional, one.prefix, one.content) == (True, "prefix", b"content")
    assert (two.transactional, two.prefix, two.content) == (False, "alone", b"")


def test_origin(listener):
    """A transaction that came here by replication says from where."""
    name = f"origin_{listener.sql.info.backend_pid}"
    listener.sql.execute("select pg_replication_origin_create(%s)", [name])
    try:
        listener.sql.execute("select pg_replication_origin_session_setup(%s)", [name])
        listener.sql.execute("insert into plain values (9, 'far', null)")
        listener.sql.execute("select pg_replication_origin_session_reset()")
        (origin,) = listener.kinds(pgoutput.Origin)
        assert origin.name == name
    finally:
        listener.sql.execute("select pg_replication_origin_drop(%s)", [name])


def test_every_cut_is_refused(listener):
    """A message that is cut short anywhere is refused, or at least never taken for the whole one."""
    listener.sql.execute("insert into plain values (1, 'one', 'glad'); update plain set id = 2; delete from plain")
    listener.sql.execute("truncate plain")
    raw = []
    stream = listener.stream
    whole = stream._message  # noqa: SLF001 -- listens in on the bytes of each message
    stream._message = lambda data: raw.append(data) or whole(data)  # noqa: SLF001 -- the same
    events = listener.events()
    assert len(events) > 8
    for data in raw:
        if data[:1] == b"w":
            message = data[25:]
            for cut in range(1, len(message)):
                try:
                    assert decode(message[:cut]) != decode(message)
                except (pgoutput.UndecodableMessage, pgoutput.CutMessage):
                    continue


def test_unknown():
    """A kind of message that the decoder does not know is named."""
    with pytest.raises(pgoutput.UndecodableMessage, match="'S'"):
        decode(b"S....")


def test_reconnect(listener):
    """A stream that was cut begins again behind what was confirmed: nothing is missing, confirmed things stay away."""
    listener.sql.execute("insert into plain values (1, 'a', null)")
    commit = listener.kinds(pgoutput.Commit)[0]
    listener.stream.confirm(commit.end_lsn)
    listener.sql.execute("insert into plain values (2, 'b', null)")
    listener.sql.execute(
        "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = %s", [listener.slot]
    )
    with pytest.raises(StreamEnded):
        listener.events()
    listener.stream.close()
    for _ in range(100):
        try:
            listener.stream = ReplicationStream(listener.address, name="test")
            listener.stream.start(listener.slot, publication="p", position=commit.end_lsn)
            break
        except StreamEnded:
            listener.stream.close()
            time.sleep(0.05)
    assert [event.new[0] for event in listener.kinds(pgoutput.Insert)] == [b"2"]
