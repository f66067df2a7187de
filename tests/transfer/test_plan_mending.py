"""The source's schema changes while it is moved: the processes say what, and go on by the mended plan; one story."""

from __future__ import annotations

from pathlib import Path

import pytest

from slacktide.hotel.property_plan import PLAN_FILE
from tests.cutover.house import a_steady_move
from tests.cutover.moving import NAME, until

ADD = "alter table hotel.trace add column urgency text default 'low'"
TOUCH = """
update hotel.trace set body = 'touched'
where trace_id = (select min(trace_id) from hotel.trace where property_code = 'RESORT')
"""
LAST = "      resolved_at: timestamptz?\n      version: bigint\n"
URGENCIES = "select urgency, count(*) from hotel.trace where property_code = 'RESORT' group by 1"


@pytest.fixture(scope="module")
def moving(server):
    """Give a small move that is steady, and runs."""
    with a_steady_move(server, name="mended", bookings=25) as moving:
        yield moving


@pytest.fixture
def plan(tmp_path):
    """Give a file with the hotel's plan in which traces have one more column."""
    text = Path(PLAN_FILE).read_text(encoding="utf-8")
    assert text.count(LAST) == 1
    file = tmp_path / "mended.yaml"
    file.write_text(text.replace(LAST, LAST + "      urgency: text?\n"), encoding="utf-8")
    return str(file)


def test_it_stops_and_names_the_table(moving):
    """A column that comes stops Generate, which names the table; the plan as it is does not fit any more."""
    for side in ("source", "target"):
        moving.ask(side, ADD)
    moving.ask("source", TOUCH)
    until(lambda: moving.status()["processes"]["generate"]["state"] == "failed", what="the failure")
    assert any("hotel.trace" in error for error in moving.status()["errors"])
    assert "urgency" in moving.run("move", "prepare", NAME, "--apply", accept=(1,)).err


def test_a_plan_that_is_not_its_own_is_refused(moving, plan):
    """Another plan, one without what has moved, and the right one while processes run: each is refused by name."""
    other = Path(plan).with_name("other.yaml")
    other.write_text(Path(plan).read_text(encoding="utf-8").replace("version: 1\n", "version: 2\n", 1))
    assert "version 2" in moving.run("move", "prepare", NAME, "--plan", str(other), "--apply", accept=(1,)).err
    refused = moving.run("move", "prepare", NAME, "--plan", plan, "--apply", accept=(1,))
    assert f"slacktide move processes stop {NAME}" in refused.err
    shown = moving.run("move", "prepare", NAME, "--plan", plan)
    assert "trace is read again" in shown.err


def test_it_goes_on_by_the_mended_plan(moving, plan):
    """Stopped, mended and started again it becomes steady, and every trace has the column, untouched ones too."""
    moving.run("move", "processes", "stop", NAME)
    moving.run("move", "prepare", NAME, "--plan", plan, "--apply", "--reason", "a column came")
    moving.run("move", "processes", "start", NAME)
    moving.until_steady()
    assert moving.ask("target", URGENCIES) == moving.ask("source", URGENCIES) != []
    assert moving.run("move", "verify", NAME).json["verified"]
    (noted,) = [one for one in moving.run("audit").json if one["what"] == "move prepare plan"]
    assert noted["after"]["read_again"] == ["trace"]
