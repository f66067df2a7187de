"""Dangerous moments of a source that is alone on its server: nobody else writes its log, and its ids turn over."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
import pytest

from slacktide.postgres import binaries
from slacktide.postgres.server import Server
from slacktide.transfer.source import await_stream
from tests.transfer.conftest import SEED
from tests.transfer.line import Databases, Line
from tests.transfer.test_moment_stream import INSERT, Held, settings, until

QUIET = {"fsync": "off", "wal_writer_delay": "10s", "autovacuum": "off", "checkpoint_timeout": "1h"}
BOUND_SECONDS = 5.0  # half of what the source takes to write its log


@pytest.fixture(scope="module")
def lone():
    """Give a server on which nothing happens by itself, and whose log is written late."""
    folder = Path(tempfile.mkdtemp(prefix="slacktide-test-"))
    server = Server(folder, settings=QUIET)
    with server:
        yield server
    shutil.rmtree(server.cluster, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def quiet(databases, lone, tmp_path):
    """Give a line whose source is on the lone server, with a few objects that have arrived."""
    addresses = databases.addresses() | {"source": Databases(lone).addresses()["source"]}
    line = Line(**addresses, folder=tmp_path)
    try:
        line.sql(SEED)
        line.start()
        line.drain()
        yield line
        line.drain()
        line.check()
    finally:
        line.stop()


def timed(line):
    begun = time.monotonic()
    assert line.step(even_if_empty=True) is not None
    assert time.monotonic() - begun < BOUND_SECONDS


def test_asynchronous_commit(quiet):
    """What is visible and not flushed is in the next batch, within the bound, on a source that writes its log late."""
    quiet.sql("set synchronous_commit = off; update bare.booking set amount = 99 where booking_id = 1")
    timed(quiet)
    assert quiet.checking.execute("select 1 from bare.booking where amount = 99").fetchone()


def test_open_writer(quiet):
    """An open writer whose records are not flushed does not hold a batch up, on an otherwise idle source."""
    with psycopg.connect(quiet.addresses[0]) as writer:
        for n in range(3):
            writer.execute("update bare.person set name = %s where person_id = 3", [f"open {n}"])
            timed(quiet)
        writer.rollback()


def to_page_end(connection, *, page=8192):
    """Write records until the last one ends where a page ends: the insert position stands behind the next header."""

    def position():
        (text,) = connection.execute("select pg_current_wal_insert_lsn()").fetchone()
        return int(text.split("/")[0], 16) * 2**32 + int(text.split("/")[1], 16)

    emit = "select pg_logical_emit_message(false, '', repeat('x', %s), flush => true)"
    for _ in range(200):
        before = position()
        connection.execute(emit, [2000])
        crossed = 24 * (position() // page - before // page)
        overhead = position() - before - 2000 - crossed
        left = page - position() % page
        if left - overhead > 300:
            connection.execute(emit, [left - overhead])
        if position() % page == 24:
            return True
    return False


def test_page_border(quiet):
    """An insert position directly behind a page's header is reached although nothing is written behind it."""
    assert to_page_end(quiet.trading)
    quiet.source.watch = False  # it reads every row, and pruning a page is logged
    with quiet.source.at_one_instant() as instant:
        assert instant.position % 8192 in (0, 24), "somebody wrote behind it"
        alone = {"limit_seconds": 30, "flush_after_seconds": 60}  # without more of the log
        assert await_stream(source=quiet.source, position=instant.position, reached=quiet.reached, **alone)
    quiet.source.watch = True


def test_source_crash(databases, lone, tmp_path):
    """What was read survives a crash of the source that comes right after, though it was committed asynchronously."""
    addresses = databases.addresses() | {"source": Databases(lone).addresses()["source"]}
    line = Line(**addresses, folder=tmp_path)
    try:
        line.sql(SEED)
        line.start()
        line.sql("set synchronous_commit = off; update bare.booking set amount = 98 where booking_id = 1")
        while line.step(compare=False):
            pass
        assert line.checking.execute("select 1 from bare.booking where amount = 98").fetchone()
        lone.kill()
        lone.restart()
        line.trading.close()
        line.trading = psycopg.connect(line.addresses[0], autocommit=True)
        line.halt()
        assert line.sql("select amount from bare.booking where booking_id = 1").fetchone() == (98,)
        line.start()
        line.drain()
        line.check()
    finally:
        line.stop()


def test_log_no_longer_kept(quiet, lone):
    """Where the source no longer keeps the log that the slot needs, everything is read again."""
    quiet.halt()
    lost = "select 1 from pg_replication_slots where slot_name = %s and wal_status = 'lost'"
    with settings(lone, max_slot_wal_keep_size="1MB"):
        for _ in range(4):
            quiet.sql("select pg_logical_emit_message(false, '', repeat('x', 1000)), pg_switch_wal()")
        quiet.sql("checkpoint")
        until(lambda: quiet.sql(lost, quiet.incarnation.slot).fetchone())
        quiet.sql("update bare.booking set amount = 97 where booking_id = 1")
    quiet.start()
    assert quiet.incarnation.incarnation == 2


def reset_epoch(server, epoch):
    """Stop a server, let its transaction ids have another epoch, and start it again."""
    folder, nobody = binaries.folder(), {"user": 65534, "group": 65534, "extra_groups": []}
    as_nobody = nobody if os.geteuid() == 0 else {}
    for program in (["pg_ctl", "-w", "-m", "fast", "stop"], ["pg_resetwal", "-e", str(epoch)]):
        subprocess.run([folder / program[0], "-D", server.cluster, *program[1:]], check=True, cwd="/", **as_nobody)
    server.restart()


def test_epoch(databases, lone, tmp_path):
    """Ids above 2^32 are told apart: what is streamed with 32 bits of them is visible, open ones are not."""
    source = Databases(lone).addresses()["source"]
    reset_epoch(lone, 1)
    line = Line(**(databases.addresses() | {"source": source}), folder=tmp_path)
    try:
        line.sql(SEED)
        line.start()
        line.drain()
        (xid,) = line.sql("select pg_current_xact_id()::text::bigint").fetchone()
        assert xid >> 32 == 1
        with settings(lone, synchronous_standby_names="nobody"):
            held = Held(source, INSERT, "held").hold(line.trading)
            until(lambda: line.synchronizer.step(wait_seconds=0.1))
            assert line.step() is None
        held.end()
        assert line.drain() == 1
        line.check()
    finally:
        line.stop()
