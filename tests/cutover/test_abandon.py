"""A night that is given up at every step, and by every accident, until one is not. One story, in order."""

from __future__ import annotations

import itertools

import psycopg
import pytest

from slacktide.guard import closing
from slacktide.guard.state import State
from slacktide.hotel.promise_check import check_promises
from slacktide.postgres.connection import connect
from slacktide.transfer.journal import DOWN_TIME
from tests.cutover import holding, proof
from tests.cutover.house import a_steady_move
from tests.cutover.moving import NAME, PROPERTY, Trading, until

CLERK = "abandon_clerk"
WRITE = proof.ROUTES["update"]
OPEN_SECONDS = 5.0
ABANDON = ("move", "downtime", "abandon", NAME, "--yes", PROPERTY, "--reason", "we go back")
ALWAYS = ("closing", "hand_over")  # the others are left to `make acceptance`
STEPS = ["closing", "quiet", "final_synchronization", "counters", "verify", "resync_inventory", "hand_over"]
TABLES = """
select format('%%I.%%I', table_schema, table_name) from information_schema.columns
where table_schema = 'hotel' and column_name = 'property_code'
"""

DECIDE = """
update slacktide.procedure set state = 'abandoning', abandoned_at = clock_timestamp(), abandoned_by = 'Ada',
    abandoned_reason = 'we go back' where state = 'running'
"""


OPENED = """
select extract(epoch from source_opened_at - abandoned_at)::float8 from slacktide.procedure
order by attempt desc limit 1
"""


@pytest.fixture(scope="module")
def moving(server):
    """Give a move of a hotel with 30 bookings each that is steady, and trades."""
    with a_steady_move(server, name="abandon", bookings=30) as moving:
        for side in ("source", "target"):
            moving.ask(side, proof.ROLE.format(role=CLERK))
        yield moving


@pytest.fixture(autouse=True)
def _never_open(moving, request):
    """See that the target was not opened by what happened."""
    yield
    if request.node.name not in ("test_the_second_try_opens", "test_a_user_has_written"):
        assert guards(moving)[1] is State.PREPARED


def guards(moving):
    with connect(moving.source, name="look") as source, connect(moving.target, name="look") as target:
        return tuple(closing.state(each, organization=PROPERTY).state for each in (source, target))


def go_down(moving):
    """Bring it to the evening again: it trades until the processes are steady and stop, and a downtime is in effect."""
    moving.run("move", "processes", "start", NAME)
    with Trading(moving.source, property_code=PROPERTY, promises=moving.folder / "promises", rate=20) as trader:
        moving.until_steady()
        trader.stop()
    moving.until_steady()
    moving.run("move", "processes", "stop", NAME)
    moving.run("hotel", "cashiers", "close", moving.source, "--property", PROPERTY)
    moving.schedule()


def until_writable(moving):
    """Wait until an ordinary clerk can write the property at the source."""
    until(lambda: proof.refusal(moving.source, WRITE, role=CLERK) is None, what="the source")


def until_open(moving):
    """Wait until he can, and see that it came in time after it was decided."""
    until_writable(moving)
    until(lambda: moving.ask("control", OPENED) != [(None,)], what="the note of it")
    assert moving.ask("control", OPENED)[0][0] < OPEN_SECONDS


def until_abandoned(moving):
    until(lambda: moving.procedure()[0] == "abandoned", seconds=60, what="the end of abandoning")
    assert_given_up(moving)


def assert_given_up(moving):
    """See that the source is open, the organization too, that the target is closed and empty, and no slot is left."""
    assert guards(moving) == (State.OPEN, State.PREPARED)
    assert moving.run("status", "--organization", PROPERTY).json["state"] == "open"
    assert rows_left(moving) == []
    assert moving.ask("target", "select 1 from slacktide.key_map limit 1") == []
    assert moving.ask("source", "select 1 from pg_replication_slots where database = current_database()") == []


def rows_left(moving):
    """Name the tables of the target that hold a row of the property."""
    tables = [table for (table,) in moving.ask("target", TABLES)]
    found = [t for t in tables if moving.ask("target", f"select 1 from {t} where property_code = 'RESORT' limit 1")]
    return found + [code for (code,) in moving.ask("target", "select code from hotel.property where code = 'RESORT'")]


# -- from every step -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "killed"),
    [
        pytest.param(step, killed, marks=() if step in ALWAYS else pytest.mark.long)
        for step, killed in zip(STEPS, itertools.cycle([False, True]), strict=False)
    ],
)
def test_from_every_step(moving, step, killed):
    """From every step, done by a living worker or one that was killed, the source is open in time, the target empty."""
    go_down(moving)
    with holding.at_step(moving, step):
        moving.start(*moving.start_arguments("--json"))
        holding.until_held(moving, step=step)
        if killed:
            assert moving.kill_child(DOWN_TIME)
        found = moving.run(*ABANDON).json
        until_open(moving)
    assert found["result"] == "abandoned"
    assert found["source_open_seconds"] < OPEN_SECONDS
    assert found["still_down"] == []
    assert_given_up(moving)
    assert moving.run(*ABANDON).json["result"] == "abandoned"


# -- by every accident -------------------------------------------------------------------------------------------------


def start_ready(moving):
    """Bring it to the moment at which only the go is missing."""
    go_down(moving)
    assert moving.start(*moving.start_arguments("--json", go=False)).wait(60) == 75


def test_it_has_to_be_meant(moving):
    """Without the property's code, or without a reason, nothing is done, and it is shown what would be."""
    start_ready(moving)
    said = moving.run("move", "downtime", "abandon", NAME, accept=(2,))
    assert "RESORT is opened at once" in said.err
    assert "--yes RESORT" in said.err
    moving.run("move", "downtime", "abandon", NAME, "--yes", "CITY", "--reason", "x", accept=(2,))
    moving.run("move", "downtime", "abandon", NAME, "--yes", PROPERTY, accept=(2,))
    assert moving.procedure()[0] == "ready"


def test_whoever_abandons_is_killed(moving):
    """Killed while it clears the target, the source is open, and a worker goes on; killed too, another one does."""
    with connect(moving.target, name="in the way", autocommit=False) as other:
        other.execute("lock table hotel.trace in access exclusive mode")
        command = moving.start(*ABANDON)
        until_open(moving)
        until(lambda: holding.waiting(moving, "hotel", side="target"), what="the clearing")
        command.kill()
        for _ in range(2):
            until(lambda: moving.kill_child(DOWN_TIME), what="the worker's child")
        assert moving.procedure()[0] == "abandoning"
    until_abandoned(moving)


def test_killed_when_it_was_decided(moving):
    """Killed as soon as it was decided, a worker opens the source in time, though a step is still held up elsewhere."""
    go_down(moving)
    with holding.at_step(moving, "verify"):
        moving.start(*moving.start_arguments("--json"))
        holding.until_held(moving, step="verify")
        moving.ask("control", DECIDE)
        until_open(moving)
    until_abandoned(moving)


@pytest.mark.long
def test_two_abandon_at_once(moving):
    """Two who abandon at once both see it abandoned, and it was decided once."""
    start_ready(moving)
    one, other = moving.start(*ABANDON), moving.start(*ABANDON)
    assert (one.wait(60), other.wait(60)) == (0, 0)
    assert_given_up(moving)


def test_the_target_is_gone(moving, server):
    """With the target unreachable the source opens in time; clearing is shown, and done when the target is back."""
    start_ready(moving)
    name = psycopg.conninfo.conninfo_to_dict(moving.target)["dbname"]
    with holding.gone(server, name):
        command = moving.start(*ABANDON)
        until_open(moving)
        assert command.wait(60) == 75
        found = moving.status()["down_time"]["abandoned"]
        assert found["source_open"]
        assert name in found["target"]["waits_for"]
        assert "abandoning" in moving.run(*moving.start_arguments(), accept=(2,)).err
    until_abandoned(moving)


def test_the_source_is_gone(moving, server):
    """With the source unreachable it is decided, and said; the source opens in time after it is back."""
    start_ready(moving)
    with holding.gone(server, psycopg.conninfo.conninfo_to_dict(moving.source)["dbname"]):
        said = moving.run(*ABANDON, accept=(75,))
        assert not said.json["source_open"]
        assert "NOT OPEN" in said.err
    until_writable(moving)
    until_abandoned(moving)


@pytest.mark.long
def test_another_downtime(moving):
    """What keeps the organization down besides is named, and stays; a downtime that has ended is no obstacle."""
    start_ready(moving)
    first = moving.run("downtime", "list").json
    moving.schedule()
    for one in first:
        if one["organization"] == PROPERTY and "end" in one["commands"] and one["commands"]["end"]:
            moving.run("downtime", "end", str(one["id"]), "--reason", "too early")
    found = moving.run(*ABANDON).json
    (other,) = found["still_down"]
    assert moving.run("status", "--organization", PROPERTY, accept=(75,)).json["because"][0]["id"] == other["id"]
    moving.run("downtime", "end", str(other["id"]), "--reason", "a test")
    assert_given_up(moving)


# -- when it is open -----------------------------------------------------------------------------------------------


WITHDRAW = DECIDE.replace("'abandoning'", "'withdrawing'").replace("'running'", "'open'")


def go_open(moving):
    """Bring it to the morning: open at the target, with all that could wait, and written by no user."""
    go_down(moving)
    found = moving.run(*moving.start_arguments()).json
    assert found["result"] == "open"
    moving.run("move", "miscellaneous", NAME)
    assert guards(moving) == (State.REFERENCE_ONLY, State.OPEN)
    return found


def test_moved_and_still_down(moving):
    """What else keeps the property down when it has moved is named; it can be given up all the same."""
    site = ("downtime", "schedule", "--site", "--yes", "--for", "PT1H", "--users", "in", "--reason", "the network")
    other = str(moving.run(*site).json["id"])
    assert [one["id"] for one in go_open(moving)["still_down"]] == [other]
    assert [one["id"] for one in moving.run(*ABANDON).json["still_down"]] == [other]
    moving.run("downtime", "end", other, "--reason", "a test")
    assert_given_up(moving)


def test_open_and_written_by_nobody(moving):
    """Open, it is given up until a user has written there, by two at once; a writer who is open is in the way."""
    go_open(moving)
    with connect(moving.target, name="clerk", role=CLERK, autocommit=False) as clerk:
        clerk.execute(WRITE)
        assert "somebody writes" in moving.run(*ABANDON, accept=(1,)).err
        assert guards(moving) == (State.REFERENCE_ONLY, State.OPEN)
        clerk.rollback()
    assert "no user has written" in moving.run("move", "downtime", "abandon", NAME, accept=(2,)).err
    other = moving.start(*ABANDON)
    found = moving.run(*ABANDON).json
    until_open(moving)
    assert (found["result"], other.wait(60)) == ("abandoned", 0)
    assert_given_up(moving)


@pytest.mark.long
@pytest.mark.parametrize("closed", [False, True])
def test_killed_when_it_was_to_be_withdrawn(moving, closed):
    """Killed before or after the target was closed again, a worker opens the source in time, and clears the target."""
    go_open(moving)
    if closed:
        with connect(moving.target, name="test") as target:
            closing.prepare_target(target, organization=PROPERTY, reason="we go back")
    moving.ask("control", WITHDRAW)
    until_open(moving)
    until_abandoned(moving)


# -- at the last moment ------------------------------------------------------------------------------------------------


def in_line(moving, count):
    until(lambda: len(holding.waiting(moving, "from slacktide.procedure p where%for update")) >= count, what="the line")


def test_abandoned_before_the_hand_over_commits(moving):
    """Decided before the hand over, the source opens again though it was reference only, and the target never does."""
    go_down(moving)
    with holding.at_step(moving, "hand_over") as held, connect(moving.control, name="row", autocommit=False) as row:
        moving.start(*moving.start_arguments("--json"))
        holding.until_held(moving, step="hand_over")
        row.execute("select from slacktide.procedure for update")
        command = moving.start(*ABANDON)
        in_line(moving, 1)
        held.close()
        in_line(moving, 2)
        assert guards(moving) == (State.REFERENCE_ONLY, State.PREPARED)
        row.rollback()
        until_open(moving)
    assert command.wait(60) == 0
    assert_given_up(moving)


def test_the_second_try_opens(moving):
    """Asked for while the hand over is decided it is refused; it opens, and what was promised is there, once."""
    go_down(moving)
    with holding.at_step(moving, "hand_over") as held, connect(moving.control, name="row", autocommit=False) as row:
        night = moving.start(*moving.start_arguments("--json"))
        holding.until_held(moving, step="hand_over")
        row.execute("select from slacktide.procedure for update")
        held.close()
        in_line(moving, 1)
        command = moving.start(*ABANDON)
        in_line(moving, 2)
        row.rollback()
        assert (night.wait(60), command.wait(60)) == (0, 1)
    assert guards(moving) == (State.REFERENCE_ONLY, State.OPEN)
    report = check_promises(address=moving.target, promises=moving.folder / "promises")
    assert report.promised > 0
    assert report.kept
    assert proof.not_equal(proof.compared(moving)) == []


def test_a_user_has_written(moving):
    """Whoever writes while it is to be given up comes first: it stays open; he is named, and the way back."""
    if moving.procedure()[0] != "open":
        go_open(moving)
    with connect(moving.target, name="clerk", role=CLERK, autocommit=False) as clerk:
        clerk.execute(WRITE)
        command = moving.start(*ABANDON)
        until(lambda: holding.waiting(moving, "pg_advisory_xact_lock", side="target"), what="the lock's queue")
        clerk.commit()
        assert command.wait(60) == 1
    said = moving.run(*ABANDON, accept=(1,)).err
    assert "slacktide wrote hotel.reservation" in said
    assert f"slacktide move downtime fallback {NAME}" in said
    assert guards(moving) == (State.REFERENCE_ONLY, State.OPEN)
    assert moving.procedure()[0] == "open"
