"""A night that is paused in a step and while it waits for a go, and goes on. One story, in order."""

from __future__ import annotations

import json

import pytest

from slacktide.guard import closing
from slacktide.guard.state import State
from slacktide.postgres.connection import connect
from slacktide.transfer.journal import DOWN_TIME
from tests.cutover import holding, proof
from tests.cutover.house import a_steady_move
from tests.cutover.moving import NAME, PROPERTY, until

CLERK = "pause_clerk"
LATE = """
update hotel.reservation set room_no = room_no
where reservation_id = (select min(reservation_id) from hotel.reservation where property_code = 'RESORT')
"""

ROLES = (
    "update slacktide.move set plan_text = replace(plan_text, 'roles: [operations]', 'roles: [operations, finance]')"
)


@pytest.fixture(scope="module")
def moving(server):
    """Give a move of a hotel with 50 bookings each that is steady and stopped, and whose downtime is in effect."""
    with a_steady_move(server, name="pause", bookings=50) as moving:
        moving.ask("source", proof.ROLE.format(role=CLERK))
        moving.ask("control", ROLES)
        moving.run("move", "processes", "stop", NAME)
        moving.schedule()
        yield moving


@pytest.fixture(scope="module")
def late(moving):
    """Give a transaction of the source that has written the property and is open."""
    with connect(moving.source, name="late writer", autocommit=False) as writer:
        writer.execute(LATE)
        yield writer


def guards(moving):
    with connect(moving.source, name="look") as source, connect(moving.target, name="look") as target:
        return tuple(closing.state(each, organization=PROPERTY).state for each in (source, target))


def said(moving):
    """Give the last line that the last command said which goes on by itself."""
    log = max(moving.folder.glob("move-*.log"), key=lambda file: file.stat().st_mtime)
    return json.loads(log.read_text().splitlines()[-1])


def start_twice(moving):
    """Have two start it at the same moment; give the one who did, and see that the other one was told."""
    with connect(moving.control, name="row", autocommit=False) as row:
        row.execute("select from slacktide.move for no key update")
        both = [moving.start(*moving.start_arguments("--json", go=False)) for _ in range(2)]
        until(lambda: len(holding.waiting(moving, "slacktide.move", name="move downtime start")) == 2, what="both")
        row.rollback()
    until(lambda: any(one.poll() is not None for one in both), what="the end of one of them")
    (refused,) = [one for one in both if one.poll() is not None]
    assert refused.returncode == 2
    assert moving.ask("control", "select count(*) from slacktide.procedure") == [(1,)]
    return next(one for one in both if one is not refused)


def test_paused_inside_a_step(moving, late):
    """It stops inside a step that waits, both sides closed, says what was done and what comes next; watchers get 75."""
    command = start_twice(moving)
    until(lambda: moving.steps().get("quiet") == "running", what="the step")
    found = moving.run("move", "downtime", "pause", NAME, "--reason", "a call").json
    assert (found["result"], found["next"]) == ("paused", "Wait until nobody writes")
    assert found["done"] == ["Close the source"]
    assert command.wait(30) == 75
    assert said(moving)["result"] == "paused"
    assert guards(moving) == (State.CLOSING, State.PREPARED)
    until(lambda: moving.child(DOWN_TIME) is None, what="the end of the child")
    assert late.info.transaction_status.name == "INTRANS"


def test_it_stays_paused(moving, late):
    """A worker that dies ends no pause, nor does a second pause; the processes cannot be started by somebody else."""
    moving.end(moving.running[0])
    moving.worker()
    assert moving.run("move", "downtime", "pause", NAME).json["result"] == "paused"
    assert "resume" not in moving.run("move", "processes", "start", NAME, accept=(2,)).out
    assert moving.procedure()[0] == "paused"
    late.rollback()


def test_resumed_it_is_ready(moving):
    """Resumed, it goes on where it was, and is ready."""
    command = moving.start("move", "downtime", "resume", NAME, "--json")
    assert command.wait(60) == 75
    assert moving.procedure()[0] == "ready"


def test_a_go_does_not_end_a_pause(moving):
    """Paused while it waits for a go, it keeps a go that is given, and opens nothing until it is told to go on."""
    assert moving.run("move", "downtime", "pause", NAME).json["next"] == "Ready to open"
    moving.run("move", "go", NAME, "--role", "operations", "--name", "Ada Night")
    assert moving.procedure()[0] == "paused"
    assert guards(moving) == (State.QUIET, State.PREPARED)


def test_start_goes_on(moving):
    """Start goes on with what is paused, as resume does; a go that comes as it is about to wait opens it."""
    with holding.at_step(moving, "ready_to_open", state="waiting"):
        command = moving.start(*moving.start_arguments("--json", go=False))
        holding.until_held(moving, step="ready_to_open")
        moving.run("move", "go", NAME, "--role", "finance", "--name", "Finn Ledger")
    assert command.wait(60) == 0
    assert guards(moving) == (State.REFERENCE_ONLY, State.OPEN)
    for word in ("pause", "resume"):
        assert "is open" in moving.run("move", "downtime", word, NAME, accept=(2,)).err
    assert "lives at the target" in moving.run("move", "processes", "start", NAME, accept=(2,)).err
    assert "downtime resume" not in moving.run(*moving.start_arguments(), accept=(2,)).err
    assert [line["what"] for line in moving.run("audit").json].count("move downtime pause") == 3
