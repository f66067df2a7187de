"""Contingency packs by the clock: made by a worker once processes start, by one alone, and shown where they fail."""

from __future__ import annotations

import pytest

from slacktide.cutover import contingency
from slacktide.postgres.connection import connect
from slacktide.transfer.journal import PROCESSES, Journal
from slacktide.worker.contingency import main
from tests.cutover.house import a_move
from tests.cutover.moving import NAME, until
from tests.transfer.moved import moving as a_small_move


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


def test_source_is_away(moving):
    """A source that cannot be reached ends the attempt, which is noted, and is not tried again at once."""
    moving.control.execute("update slacktide.move set source = 'postgresql://nobody@127.0.0.1:1/none'")
    assert (main("resort"), packs(moving)) == (1, 1)
    assert (main("resort"), packs(moving)) == (0, 1)
    assert "127.0.0.1" in contingency.problems(moving.control, move=moving.move)[0]
