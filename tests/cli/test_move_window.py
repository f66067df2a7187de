"""What the monitoring window says beside the panels, and whom a panel waits for; one story, told in order."""

from __future__ import annotations

import pytest

from slacktide.cli import run
from slacktide.postgres.connection import connect
from tests.cutover.house import a_steady_move
from tests.cutover.moving import NAME, until

WRITE = """
update hotel.trace set body = 'held open'
where trace_id = (select min(trace_id) from hotel.trace where property_code = 'RESORT')
"""
LOG = (
    "select pg_logical_emit_message(false, 'test', repeat(md5(random()::text), 32 * 1024)) from generate_series(1, %s)"
)
KEPT = """
select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), restart_lsn)::bigint from pg_replication_slots
where database = current_database()
"""
MEGABYTE = 2**20
ROOM = 128 * MEGABYTE
LIMIT = "SLACKTIDE_SOURCE_LOG_LIMIT"


@pytest.fixture(scope="module")
def moving(server):
    """Give a small move that is steady, and runs."""
    with a_steady_move(server, name="window", bookings=20) as moving:
        yield moving


@pytest.fixture
def text(moving, monkeypatch, capsys):
    """Give a function that says the status to a person."""
    for name, value in moving.environment.items():
        monkeypatch.setenv(name, value)

    def call():
        assert run(["move", "status", NAME]) == 0
        return capsys.readouterr().out

    return call


def oldest(moving, **facts):
    found = moving.status()["uncounted"]["oldest_transaction"] or {}
    return facts.items() <= found.items() and found


def waits_for(moving, process):
    return moving.status()["processes"][process]["waits_for"] or ""


def charted(panels):
    """Give the panels once Generate and Process have beaten, and Process while it had something to do."""
    return panels["generate"]["chart"] and any(panels["process"]["chart"]) and panels


def test_rates_and_since(moving, text):
    """Each panel has a chart of its last minutes, and says since when it is as it is."""
    panels = until(lambda: charted(moving.status()["processes"]), what="the charts")
    said = text()
    assert all(panel["since"][:19] + "Z" in said for name, panel in panels.items() if name != "generate")
    assert "█" in said


def test_the_oldest_writer(moving, text):
    """The oldest open transaction that has written at the source is shown with session, database, age and statement."""
    with connect(moving.source, name="test", autocommit=False) as writer:
        writer.execute(WRITE)
        found = until(lambda: oldest(moving, session=writer.info.backend_pid), what="the transaction")
        assert (found["prepared"], found["database"]) == (None, writer.info.dbname)
        assert found["age_seconds"] >= 0
        assert "held open" in found["query"]
        assert f"session {writer.info.backend_pid} of" in text()


def test_the_oldest_prepared_writer(moving, text):
    """A prepared transaction has its name."""
    with connect(moving.source, name="test") as connection:
        connection.execute("begin")
        connection.execute(WRITE)
        connection.execute("prepare transaction 'forgotten'")
        until(lambda: oldest(moving, prepared="forgotten"), what="the transaction")
        assert "prepared forgotten of" in text()
        connection.execute("rollback prepared 'forgotten'")


def test_who_locks_a_table(moving):
    """Where a table cannot be read, its panel says who holds it."""
    with connect(moving.source, name="test", autocommit=False) as holder:
        holder.execute("lock table hotel.trace in access exclusive mode")
        moving.ask("control", "update slacktide.pass_range set batch = null where ordinal = 1")
        said = until(lambda: "locked" in (found := waits_for(moving, "generate")) and found, what="the lock")
        assert f"hotel.trace by {holder.info.backend_pid} of" in said
    moving.until_steady()


def test_an_earlier_process_is_stopped(moving):
    """A process whose earlier one is stopped waits for it."""
    moving.run("move", "processes", "stop", NAME, "synchronization")
    until(lambda: waits_for(moving, "generate") == "synchronization, which is stopped", seconds=5)
    moving.run("move", "processes", "start", NAME)
    until(lambda: waits_for(moving, "generate") == "")


def test_the_log_that_the_source_keeps(moving, text, monkeypatch):
    """From half of the limit on it is warned about; at the limit the slot is given up, and a start reads all again."""
    moving.end(moving.running[0])
    with connect(moving.source, name="test", autocommit=False) as writer:
        writer.execute(WRITE)
        kept = moving.ask("source", KEPT)[0][0]
        limit = 2 * kept + ROOM  # the log is the server's: others write to it as well
        monkeypatch.setenv(LIMIT, f"{limit}B")
        worker = moving.worker()
        moving.ask("source", LOG, (kept + ROOM // 2) // MEGABYTE + 1)
        found = until(lambda: (seen := moving.status()["uncounted"])["log_warning"] and seen, what="the warning")
        assert found["log_kept_bytes"] < found["log_limit_bytes"] == limit
        assert "WARNING" in text()
        moving.ask("source", LOG, (kept + ROOM // 2) // MEGABYTE + 1)
        until(lambda: moving.status()["processes"]["synchronization"]["state"] == "failed", what="the end")
        error = moving.status()["errors"][0]
        assert f"slacktide move processes start {NAME}" in error
        assert f"session {writer.info.backend_pid} of" in error
        assert error.partition(": ")[2] in moving.move().facts["remembered"][-1]["text"]
        assert moving.ask("source", KEPT) == []
        until(lambda: waits_for(moving, "generate") == "synchronization, which has failed")
        moving.end(worker)
        monkeypatch.delenv(LIMIT)
        moving.worker()
        moving.run("move", "processes", "start", NAME)
        until(lambda: f"{writer.info.backend_pid} of" in waits_for(moving, "synchronization"), what="the slot's wait")
    until(lambda: moving.ask("control", "select incarnation from slacktide.move")[0][0] == 2, what="a new slot")
    until(lambda: moving.status()["pass_ranges"] and moving.status()["steady"], what="steadiness")
    assert moving.run("move", "verify", NAME).json["verified"]["equal"] is True
