"""Contingency packs by the clock: made by a worker once processes start, by one alone, and shown where they fail."""

from __future__ import annotations

import os
import subprocess
import threading

import pytest

from slacktide.cutover import contingency
from slacktide.postgres.connection import connect
from slacktide.transfer.journal import PROCESSES, Journal
from slacktide.worker import contingency as worker
from slacktide.worker.contingency import main
from tests.clock import until_waits
from tests.cutover.house import a_move
from tests.cutover.moving import NAME, until
from tests.transfer.moved import moving as a_small_move

ANOTHER = """
insert into slacktide.move (name, plan, plan_text, property, target_property, source, target, spool)
select 'another', plan, plan_text, property, target_property, source, target, spool from slacktide.move
"""
BEGUN = """
insert into slacktide.contingency_pack (move_id, pack, who)
select move_id, 1, 'worker' from slacktide.move where name = %s
"""


def test_made_by_the_clock(server):
    """A pack that cannot be written is shown in the status and touches no process; afterwards it is made."""
    with a_move(server, name="paper", bookings=100) as moving:
        moving.create()
        spool = contingency.folder_of(moving.move())
        spool.parent.mkdir(parents=True)
        spool.write_text("where the folder should be")
        moving.worker()
        moving.run("move", "processes", "start", NAME)
        said = until(lambda: [one for one in moving.status()["errors"] if one.startswith("contingency pack")])
        assert str(spool) in said[0]
        assert {moving.status()["processes"][name]["state"] for name in PROCESSES} <= {"running", "waiting"}
        spool.unlink()
        moving.ask("control", "update slacktide.contingency_pack set begun_at = begun_at - interval '1 hour'")
        until(lambda: [*spool.glob("RESORT-*/contingency.pdf")])
        until(lambda: moving.status()["errors"] == [])


@pytest.fixture
def moving(server, tmp_path, monkeypatch):
    """Give a move whose pack is due."""
    made = a_small_move(server, tmp_path)
    monkeypatch.setenv("SLACKTIDE_DATABASE_URL", made.control_address)
    Journal(made.control, move_id=made.move.move_id).want("synchronization", running=True)
    yield made
    made.close()


def packs(moving):
    """Count the packs that were begun."""
    return moving.control.execute("select count(*) from slacktide.contingency_pack").fetchone()[0]


def test_one_makes_it(moving):
    """While one worker makes a pack no other does; when it was made none makes it again."""
    with connect(moving.control_address, name="test") as other:
        assert contingency.own(other, move=moving.move)
        assert (main("resort"), packs(moving)) == (0, 0)
        other.execute("select pg_advisory_unlock_all()")  # its session outlives its client by a moment
    assert (main("resort"), packs(moving)) == (0, 1)
    assert (main("resort"), packs(moving)) == (0, 1)


def test_it_gives_way(moving):
    """The process that makes a pack is less urgent than the processes of the move."""
    with connect(moving.control_address, name="test", autocommit=False) as other:
        other.execute("lock table slacktide.contingency_pack")
        process = worker.start("resort")
        try:
            until_waits(moving.control, name="slacktide resort contingency")
            mine, its = (os.getpriority(os.PRIO_PROCESS, pid) for pid in (0, process.pid))
        finally:
            other.rollback()
            assert process.wait(60) == 0
    assert its > mine
    assert packs(moving) == 1


def test_source_is_away(moving):
    """A source that cannot be reached ends the attempt, which is noted, and is not tried again at once."""
    moving.control.execute("update slacktide.move set source = 'postgresql://nobody@127.0.0.1:1/none'")
    assert (main("resort"), packs(moving)) == (1, 1)
    assert (main("resort"), packs(moving)) == (0, 1)
    assert "127.0.0.1" in contingency.problems(moving.control, move=moving.move)[0]


def test_one_takes_too_long(moving, monkeypatch):
    """A pack whose process hangs is ended and noted, and the next move's is made."""
    monkeypatch.setattr(worker, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(worker, "_LARGEST_SECONDS", 0.0)
    moving.control.execute(ANOTHER)
    Journal(moving.control, move_id=moving.move.move_id + 1).want("synchronization", running=True)
    begun, ended = [], threading.Event()

    def begin(name):
        begun.append(name)
        moving.control.execute(BEGUN, [name])
        return subprocess.Popen(["sleep", "600"] if name == "resort" else ["true"])

    monkeypatch.setattr(worker, "start", begin)
    with connect(moving.control_address, name="worker") as connection:
        watching = threading.Thread(target=worker.watch, args=[connection, ended])
        watching.start()
        try:
            until(lambda: begun == ["resort", "another"], what="the next move's pack")
        finally:
            ended.set()
            watching.join()
    assert "it was not made within 300 s" in contingency.problems(moving.control, move=moving.move)[0]
