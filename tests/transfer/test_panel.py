"""What the panels say of a process that gives no sign of life, or that no worker runs: it is behind, and not steady."""

from __future__ import annotations

import pytest

from slacktide.transfer import panel
from slacktide.transfer.journal import Journal
from tests.transfer.moved import moving as a_small_move

BEAT = """
insert into slacktide.move_process (move_id, process, wanted, state, beat_at, lag_seconds)
select move_id, 'synchronization', 'running', 'running', clock_timestamp() - make_interval(secs => %s), 0.1
from slacktide.move
"""


@pytest.fixture
def moving(server, tmp_path):
    """Give a move, nothing of it prepared."""
    made = a_small_move(server, tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize(("silent_seconds", "behind"), [(0, False), (3600, True)])
def test_silent(moving, silent_seconds, behind):
    """Synchronization that has been silent is so far behind, also where it is stopped then."""
    moving.control.execute(BEAT, [silent_seconds])
    for stop in (False, True):
        if stop:
            Journal(moving.control, move_id=moving.move.move_id).want("synchronization", running=False)
        panels = panel.status(moving.control, move=moving.move).processes
        assert (panels["synchronization"].lag_seconds >= silent_seconds > 0) is behind
        assert panel.is_steady(panels, pass_left=0, pass_ranges=1) is not behind
