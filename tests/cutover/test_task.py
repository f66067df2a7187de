"""What comes next: the command is one that is accepted in the state in which the move is."""

from __future__ import annotations

from datetime import UTC, date, datetime

import msgspec
import pytest

from slacktide.cutover.attempt import State
from slacktide.cutover.record import Attempt
from slacktide.cutover.task import standing
from slacktide.hotel.property_plan import PLAN_FILE
from slacktide.transfer.move import Move
from slacktide.transfer.panel import MoveStatus, Panel

MOVE = Move(
    move_id=1, name="night", plan_file=str(PLAN_FILE), plan_text=PLAN_FILE.read_text(), property_code="RESORT",
    target_property="RESORT", source="env:OLD", target="env:NEW", spool="", task=6, state="down time",
    configured_at=None, facts={}, organization="RESORT",
)  # fmt: skip


def status(*, process="stopped"):
    """Give the panels of a steady move."""
    return MoveStatus(
        name="night", task=6, state="down time", steady=True, steady_since=None, as_of=None,
        processes={"process": Panel(process)}, messages={}, source_position=None, errors=[],
    )  # fmt: skip


def attempt(state):
    now = datetime(2027, 3, 16, tzinfo=UTC)
    return Attempt(
        attempt=1, downtime_id="1", business_date=date(2027, 3, 15), open_by=None, waived={}, gos={}, who="test",
        reason="", started_at=now, state=state, first_batch=0, final_batch=None, verification=None, error=None,
        opened_at=None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("state", "command"),
    [
        ("running", "status night --watch"),
        ("ready", "go night --role operations --name NAME"),
        ("paused", "downtime resume night"),
        ("failed", "downtime resume night"),
        ("abandoning", "status night --watch"),
        ("open", "miscellaneous night"),
    ],
)
def test_in_a_down_time(state, command):
    """In a down time it is what goes on from the state of the attempt; once it is open, the next task."""
    assert standing(MOVE, status(), attempt(State(state)))["next"] == f"slacktide move {command}"


def test_before_a_down_time():
    """Steady in the afternoon nothing is to be stopped: what must hold is looked at."""
    assert standing(MOVE, status(process="running"), None)["next"] == "slacktide move downtime check night"


def test_once_it_is_clean():
    """What is clean is not cleaned again: its report is what is left."""
    clean = msgspec.structs.replace(MOVE, state="clean", task=8, facts={"miscellaneous": {"left": "unused"}})
    assert standing(clean, status(), attempt(State.OPEN))["next"] == "slacktide move report night"
