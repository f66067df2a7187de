"""The pass pauses by hours of the day and is slowed down, while changes go on arriving; one story, told in order."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from slacktide.transfer.pace import ALWAYS, within
from tests.cutover.house import a_move
from tests.cutover.moving import NAME, until

TOUCH = """
update hotel.telephone_entry set note = 'touched' where telephone_entry_id =
    (select max(telephone_entry_id) from hotel.telephone_entry where property_code = 'RESORT')
"""
TOUCHED = "select count(*) from hotel.telephone_entry where note = 'touched'"
ALL = "select count(*) from hotel.telephone_entry where property_code = 'RESORT'"


@pytest.fixture(scope="module")
def moving(server):
    """Give a small move whose processes run; the pass may read in an hour that is not now."""
    with a_move(server, name="paced", bookings=20) as moving:
        moving.create()
        moving.worker()
        local = datetime.now(UTC).astimezone(ZoneInfo("Europe/Lisbon"))
        hours = "-".join((local + timedelta(hours=n)).strftime("%H:%M") for n in (5, 6))
        moving.run("move", "processes", "pace", NAME, "--hours", hours, "--as", "Ada")
        assert moving.status()["gate"]["next"] == f"slacktide move connections {NAME}"
        moving.run("move", "processes", "start", NAME)
        yield moving


@pytest.mark.parametrize(
    ("hours", "at", "reads"),
    [
        ("22:00-06:00", time(23), True),
        ("22:00-06:00", time(5, 59), True),
        ("22:00-06:00", time(6), False),
        ("09:00-17:00", time(9), True),
        ("09:00-17:00", time(17), False),
        (ALWAYS, time(12), True),
    ],
)
def test_hours(hours, at, reads):
    """Hours go over midnight, and their end is not among them."""
    assert within(hours, now=at) is reads


def test_changes_arrive_while_the_pass_pauses(moving):
    """Nothing of the pass is read outside its hours, which the status says; what changes arrives all the same."""
    until(lambda: moving.status()["pass_ranges"] and moving.status()["source_position"], what="the planned pass")
    moving.ask("source", TOUCH)
    until(lambda: moving.ask("target", TOUCHED)[0][0], what="the change")
    assert moving.ask("target", ALL) == [(1,)]
    seen = moving.status()
    assert seen["pass_left"] == seen["pass_objects"] > 0
    assert "PAUSES" in seen["pace"]
    assert not seen["steady"]
    assert seen["steady_since"] is None
    assert seen["gate"] | {"task": 5, "holds": False, "next": f"slacktide move status {NAME} --watch"} == seen["gate"]


def test_slowed_it_says_when_it_should_end(moving):
    """Slowed down, the pass waits between its ranges, and its expected end is shown."""
    moving.run("move", "processes", "pace", NAME, "--hours", "always", "--rate", "1")
    seen = until(lambda: (now := moving.status())["pass_left"] < now["pass_objects"] and now, what="the first range")
    assert datetime.fromisoformat(seen["expected_end"]) > datetime.now(UTC)
    assert seen["pass_left"] > 0


def test_at_full_speed_it_becomes_steady(moving):
    """At full speed it ends; then it is steady, since when stays the same, and the way on is said."""
    moving.run("move", "processes", "pace", NAME, "--rate", "0")
    moving.until_steady()
    first, second = moving.status(), moving.status()
    assert first["steady_since"] == second["steady_since"]
    assert first["pace"] is None
    assert second["gate"] | {"task": 6, "next": f"slacktide move downtime check {NAME}"} == second["gate"]


def test_what_is_no_pace_is_refused(moving):
    """Hours that are none, and a rate below zero, are refused with a command that is right; who changed it is noted."""
    for wrong in (("--hours", "evening"), ("--hours", "25:00-06:00"), ("--hours", "06:00-06:00"), ("--rate=-1",)):
        assert (
            f"slacktide move processes pace {NAME}"
            in moving.run("move", "processes", "pace", NAME, *wrong, accept=(2,)).err
        )
    noted = [one for one in moving.run("audit").json if one["what"] == "move processes pace"]
    assert noted[0]["who"] == "Ada"
    assert len(noted) == 3
