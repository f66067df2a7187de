"""Dangerous moments between the source's log, its snapshots and the journal."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import psycopg
import pytest

from slacktide.postgres.connection import connect
from slacktide.transfer import slot
from slacktide.transfer.journal import Journal
from slacktide.transfer.synchronization import Synchronizer
from tests.transfer.conftest import SEED

INSERT = "insert into bare.booking (property, number, person_id, amount) values ('P', %s, 1, 1)"


def until(holds, seconds=30):
    """Wait for something to come true."""
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.01)


@contextmanager
def settings(server, **values):
    """Set the server otherwise, for as long as the block lasts."""
    with psycopg.connect(server.address(), autocommit=True) as connection:
        try:
            for name, value in values.items():
                connection.execute(f"alter system set {name} = '{value}'")
            connection.execute("select pg_reload_conf()")
            yield
        finally:
            for name in values:
                connection.execute(f"alter system reset {name}")
            connection.execute("select pg_reload_conf()")


@contextmanager
def committing(server, line, *statements):
    """Hold commits of the source between log and visibility: they wait for a standby that is not there."""
    with psycopg.connect(server.address(), autocommit=True) as connection:
        for database in (line.control.info.dbname, line.checking.info.dbname):
            connection.execute(f'alter database "{database}" set synchronous_commit = local')
    line.control.execute("set synchronous_commit = local")
    line.checking.execute("set synchronous_commit = local")
    for each in line.open:
        if getattr(each, "connection", each) is getattr(line, "target", None):
            each.execute("set synchronous_commit = local")
    with settings(server, synchronous_standby_names="nobody"):
        yield


class Held(threading.Thread):
    """A transaction whose commit is logged, and invisible until the standby is done without."""

    def __init__(self, address, statement, *values):
        super().__init__(daemon=True)
        self.connection = psycopg.connect(address)
        self.pid = self.connection.info.backend_pid
        self.statement, self.values = statement, values

    def run(self):
        self.connection.execute(self.statement, self.values)
        self.connection.commit()

    def hold(self, watching):
        self.start()
        until(
            lambda: watching.execute(
                "select 1 from pg_stat_activity where pid = %s and wait_event = 'SyncRep'", [self.pid]
            ).fetchone()
        )
        return self

    def end(self):
        self.join(30)
        assert not self.is_alive()
        self.connection.close()


def test_streamed_before_visible(server, line):
    """A commit that is streamed before it is visible is asked again until it is, and then arrives."""
    with committing(server, line):
        held = Held(line.addresses[0], INSERT, "held").hold(line.checking)
        line.catch_up()
        assert len(line.journal().pending()) == 1, "it is not streamed yet"
        assert line.step() is None
        assert len(line.journal().pending()) == 1
    held.end()
    assert line.drain() == 1
    line.check()


def test_commit_before_consistent_point(server, bare_line):
    """A commit logged before the slot's consistent point, and invisible when the pass begins, is not missed by both."""
    line = bare_line
    line.sql(SEED)
    address, watching = line.addresses[0], line.checking

    def waits_for(connection):
        xid = connection.execute("select pg_current_xact_id()::text").fetchone()[0]
        until(
            lambda: watching.execute(
                "select 1 from pg_locks where not granted and locktype = 'transactionid' and transactionid::text = %s",
                [xid],
            ).fetchone()
        )

    with committing(server, line), psycopg.connect(address) as first, psycopg.connect(address) as second:
        first.execute("select pg_current_xact_id()")
        making = threading.Thread(
            target=slot.ensure, args=(line.journal(),), kwargs={"address": address, "move": "m"}, daemon=True
        )
        making.start()
        waits_for(first)  # the slot's making has seen the first one running
        second.execute("select pg_current_xact_id()")
        first.rollback()
        waits_for(second)
        held = Held(address, INSERT, "held").hold(watching)
        second.rollback()
        making.join(30)
        assert not making.is_alive()
        line.start()
        assert line.step() is None, "a snapshot was read that does not see what the slot's own sees"
    held.end()
    assert line.drain() > 0
    line.check()


def test_change_between_read_and_done(line):
    """What changes after a batch's snapshot and before the batch is stored belongs to the next one."""
    line.sql("update bare.booking set amount = 50 where booking_id = 1")
    line.catch_up()

    def once():
        line.source.meanwhile = lambda: None
        line.sql("update bare.booking set amount = 51 where booking_id = 1")
        line.catch_up()

    line.source.meanwhile = once
    assert line.step() is not None
    assert line.checking.execute("select 1 from bare.booking where amount = 50").fetchone()
    until(line.step)
    assert line.checking.execute("select 1 from bare.booking where amount = 51").fetchone()


def test_begin_order(line):
    """Eight transactions that commit in another order than they began all arrive, whatever batches lie between."""
    writers = [psycopg.connect(line.addresses[0]) for _ in range(8)]
    for n, writer in enumerate(writers):
        writer.execute(INSERT, [f"order {n}"])
    for n in (5, 7, 2, 6, 0, 4, 1, 3):
        writers[n].commit()
        writers[n].close()
        until(line.step)
    (count,) = line.checking.execute("select count(*) from bare.booking where number like 'order %'").fetchone()
    assert count == 8


def test_stream_cut(server, line):
    """A stream that is cut again and again gives every transaction once: nothing twice, nothing missing."""
    for n in range(8):
        line.sql(INSERT, f"cut {n}")
        if n % 2:
            line.listen()
        line.checking.execute(
            "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = %s",
            [line.incarnation.slot],
        )
        until(lambda: not line.checking.execute(
            "select 1 from pg_replication_slots where slot_name = %s and active", [line.incarnation.slot]
        ).fetchone())  # fmt: skip
        line.stream.close()
        line.listen_anew()
    line.catch_up()
    (count, distinct) = line.control.execute(
        "select count(*), count(distinct (o.entity, o.key)) from slacktide.journal_object o join slacktide.journal j "
        "using (move_id, sequence) where o.entity = 'booking' and j.batch is null"
    ).fetchone()
    assert (count, distinct) == (8, 8)


def test_killed_before_journalling(line, server):
    """What was received and not journalled was not confirmed, so the stream gives it again."""
    with connect(server.address(line.control.info.dbname), name="cut") as cut:
        synchronizer = Synchronizer(stream=line.stream, journal=Journal(cut, move_id=line.move_id), plan=line.plan)
        line.control.execute("select pg_terminate_backend(%s, 10000)", [cut.info.backend_pid])
        line.sql(INSERT, "received")
        with pytest.raises(psycopg.OperationalError):
            until(lambda: synchronizer.step(wait_seconds=0.1))
    line.stream.close()
    line.listen_anew()
    line.catch_up()
    assert len(line.journal().pending()) == 1


def test_killed_before_confirming(line):
    """What was journalled and not confirmed is streamed again, and dropped by its position."""
    line.sql(INSERT, "unconfirmed")
    line.stream.confirm = lambda *_, **__: None
    until(lambda: line.synchronizer.step(wait_seconds=0.1))
    line.stream.close()
    line.listen_anew(position=0)
    line.catch_up()
    assert len(line.journal().pending()) == 1
