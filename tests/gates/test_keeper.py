from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import timedelta

import pytest

from slacktide.control.downtime import end_downtime
from slacktide.control.gate import list_gates
from slacktide.control.organization import add_organization, set_side
from slacktide.control.setting import control_now
from slacktide.control.user import add_user
from slacktide.downtime.table import Action
from slacktide.gates.ask import Ask
from slacktide.gates.control_source import ControlSource
from slacktide.gates.keeper import Keeper
from slacktide.gates.source import Report, ScheduleNotFetched
from slacktide.postgres.connection import connect
from tests.clock import TOLD_SECONDS
from tests.gates.conftest import WHO

OPEN = Ask(action=Action.OPEN_TASK, organization="HOTEL")
OTHER = Ask(action=Action.OPEN_TASK, organization="OTHER")
LOGIN = Ask(action=Action.LOGIN, session="none")
IMPORT = Ask(action=Action.IMPORT, organization="HOTEL")


@pytest.fixture
def keeper(control, database, hands):
    """Give a keeper beside the control database that looks when the test says so, and has looked once."""
    kept = Keeper(ControlSource(database), wall=hands.wall, monotonic=hands.monotonic)
    kept.start = lambda **_: None  # the test is its thread
    assert kept.look()
    yield kept
    kept.close()


def codes(keeper, *asks):
    """Give the codes of the refusals, None for what may go on; each is asked twice, the second time from memory."""
    found = [(keeper.refusal(ask), keeper.refusal(ask)) for ask in asks]
    assert all((a and a.code) == (b and b.code) for a, b in found)
    return [decision and decision.code for decision, _ in found]


def test_a_known_downtime_begins_and_ends_by_itself(keeper, hands, plan):
    """What is known beforehand takes effect at its instant, and ends at its instant, without another look."""
    plan("HOTEL", start="now+PT20S", end="start+PT20S")
    keeper.look()
    seen = []
    for _ in range(5):
        seen += codes(keeper, OPEN, OTHER)
        hands.seconds += 9
    closed = "organization_downtime"
    assert seen == [None, None, None, None, None, None, closed, None, closed, None]
    assert codes(keeper, OPEN) == [None]


def test_the_boundary_is_met_to_the_microsecond(keeper, hands, plan, control):
    """A start belongs to the downtime, whatever is remembered."""
    start = control_now(control) + timedelta(seconds=30)
    plan("HOTEL", start=start.isoformat())
    keeper.look()
    assert codes(keeper, OPEN) == [None]
    left = (start - keeper.moment().now).total_seconds()
    hands.seconds += left - 0.0001
    assert codes(keeper, OPEN) == [None]
    hands.seconds += 0.0002
    assert codes(keeper, OPEN) == ["organization_downtime"]


def test_maximum_age(keeper, hands, plan, database):
    """Up to its maximum age a gate goes on by what it knows; then it closes near downtimes, and nothing else."""
    plan("HOTEL", start="now+PT2H", end="start+PT1H")
    keeper.look()
    hands.seconds += 59.9
    assert codes(keeper, OPEN, OTHER, LOGIN) == [None, None, None]
    hands.seconds += 0.2
    assert keeper.moment().stale
    assert codes(keeper, OPEN, OTHER, LOGIN, IMPORT) == ["schedule_unknown", None, None, "schedule_unknown"]
    assert keeper.refusal(IMPORT).decision == "hold"
    keeper.look()
    assert codes(keeper, OPEN) == [None]


def test_never_had_a_schedule(hands, server):
    """A gate that never had a schedule closes everywhere, says so once, and lets read who has a live session."""
    kept = Keeper(ControlSource(server.address("nowhere")), wall=hands.wall, monotonic=hands.monotonic)
    kept.start = lambda **_: None
    assert not kept.look()
    read = Ask(action=Action.READ, organization="HOTEL")
    assert codes(kept, OPEN, LOGIN, IMPORT, read) == [*["schedule_unknown"] * 3, None]
    assert kept.report().tag is None


def test_an_outage_is_said_once(hands, server, caplog):
    """While a source is silent the log says so once, with what it means."""
    kept = Keeper(ControlSource(server.address("nowhere")), wall=hands.wall, monotonic=hands.monotonic)
    with caplog.at_level(logging.WARNING, "slacktide.gates"):
        assert [kept.look(), kept.look()] == [False, False]
    assert len(caplog.records) == 1
    assert "goes on by what it knows for 60 s" in caplog.text


def test_a_wall_clock_that_is_wrong(control, database, hands, plan):
    """A machine whose clock is 90 s off decides by the server's time, and reports the offset."""
    hands.wrong = timedelta(seconds=90)
    plan("HOTEL", start="now+PT60S")
    kept = Keeper(ControlSource(database), wall=hands.wall, monotonic=hands.monotonic)
    kept.start = lambda **_: None
    kept.look()
    assert codes(kept, OPEN) == [None]
    assert -100 < kept.report().offset_seconds < -80
    kept.close()


def test_a_clock_that_steps(keeper, hands):
    """A wall clock that steps back or ahead has the gate read the time anew at once; what it knows is not forgotten."""
    for step in (-90, 90, 1.5):
        before = keeper.moment().now
        hands.wrong += timedelta(seconds=step)
        keeper.tick()
        assert not keeper.moment().stale
        assert abs(keeper.report().offset_seconds + hands.wrong.total_seconds()) < 10
        assert timedelta() <= keeper.moment().now - before < timedelta(seconds=5)
        assert codes(keeper, OPEN) == [None]


@contextmanager
def silenced(server, control):
    """Let the control database answer nobody but the test."""
    name = control.info.dbname
    with connect(server.address(), name="silence") as other:
        other.execute(f"alter database {name} allow_connections false")
        other.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s and pid <> %s",
            [name, control.info.backend_pid],
        )
        yield
        other.execute(f"alter database {name} allow_connections true")


def test_a_machine_that_slept(keeper, hands, plan, server, control):
    """After a sleep the count of seconds has stood still: knowledge counts as old until the next look."""
    plan("HOTEL", start="now+PT1H")
    keeper.look()
    assert codes(keeper, OPEN) == [None]
    hands.wrong += timedelta(minutes=30)
    with silenced(server, control):
        keeper.tick()
        assert codes(keeper, OPEN) == ["schedule_unknown"]
    hands.seconds += 1
    keeper.tick()
    assert codes(keeper, OPEN) == [None]


def test_unknown_organization(keeper, control):
    """An organization that the schedule does not name is refused, until it is there; its users may log in and read."""
    new = Ask(action=Action.OPEN_TASK, organization="NEW")
    login = Ask(action=Action.LOGIN, organization="NEW", session="none")
    assert codes(keeper, new, login) == ["schedule_unknown", None]
    add_organization(control, code="NEW", **WHO)
    keeper.look()
    assert codes(keeper, new) == [None]


def test_what_is_not_free_is_judged_in_full(keeper, control):
    """Changing settings and e-mail links are judged though nothing is in effect; so is a side that was left."""
    change = Ask(action=Action.CHANGE_SETTING, organization="HOTEL")
    link = Ask(action=Action.EMAIL_LINK, organization="HOTEL")
    assert codes(keeper, OPEN, change) == [None, "not_administrator"]
    assert keeper.refusal(link).decision == "login"
    sides = {"source": ("reference only", "https://new.example"), "target": ("open", None)}
    for side, (state, place) in sides.items():
        set_side(control, organization="HOTEL", side=side, state=state, lives_at=place, **WHO)
    keeper.look()
    old = Ask(action=Action.OPEN_TASK, organization="HOTEL", side="source")
    assert codes(keeper, OPEN, old) == [None, "reference_only"]


def test_an_administrator_of_the_moment(keeper, plan):
    """Who is an administrator, or has a lease, is said with each request."""
    plan("HOTEL")
    keeper.look()
    admin = Ask(action=Action.OPEN_TASK, organization="HOTEL", admin=True)
    lease = Ask(action=Action.CONTINUE_TASK, organization="HOTEL", lease=True)
    assert codes(keeper, OPEN, admin, lease) == ["organization_downtime", None, None]


def test_testers_of_the_moment(keeper, plan, control):
    """While a downtime is verifying its testers are let in by their names, and nobody else is."""
    add_user(control, name="ada", **WHO)
    end_downtime(control, id=plan("HOTEL"), verifying=["ada"], **WHO)
    keeper.look()
    ada, bob = (Ask(action=Action.OPEN_TASK, organization="HOTEL", user=name) for name in ("ada", "bob"))
    assert codes(keeper, ada, bob) == [None, "organization_downtime"]


def test_starts_now_is_there_within_a_second(control, database, plan, end, soon):
    """A downtime that starts now, and one that is ended, reach a gate beside the database without another look."""
    with Keeper(ControlSource(database)) as kept:
        assert kept.refusal(OPEN) is None
        key = plan("HOTEL")
        assert soon(lambda: kept.refusal(OPEN) is not None) < TOLD_SECONDS
        end(key)
        assert soon(lambda: kept.refusal(OPEN) is None) < TOLD_SECONDS


def test_a_connection_that_is_cut(control, database, plan, soon):
    """Where the database cuts the connection, the gate connects anew and learns what it missed."""
    cut = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'slacktide gate cut me'"
    with Keeper(ControlSource(database, name="cut me")) as kept:
        assert kept.refusal(OPEN) is None
        control.execute(cut)
        plan("HOTEL")
        assert soon(lambda: kept.refusal(OPEN) is not None) < TOLD_SECONDS


def test_told_beside(control, database, hands):
    """What is kept beside the schedule is told of a change, of everything on a new connection, and each minute."""
    seen = []
    everything = {"slacktide_schedule", "one", "two"}
    source = ControlSource(database, name="beside", beside=lambda _, told: seen.append(told), channels=("one", "two"))

    def look():
        source.fetch(known="1", report=Report(), monotonic=hands.monotonic)
        return seen[-1]

    assert look() == everything
    assert look() == set()
    control.execute("notify two")
    assert look() == {"two"}
    assert look() == set()
    hands.seconds += 61
    assert look() == everything
    hands.seconds += 59
    assert look() == set()
    control.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name ~ 'gate beside'")
    with pytest.raises(ScheduleNotFetched):
        look()
    assert look() == everything
    source.close()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_the_gate_list(control, database, soon):
    """A gate beside the database is listed too; one that may only read it works all the same."""
    with Keeper(ControlSource(database, name="batch")) as kept:
        assert kept.refusal(OPEN) is None
        soon(lambda: [row["name"] for row in list_gates(control)] == ["batch"])
    control.execute("create role reader login; grant pg_read_all_data to reader")
    try:
        with Keeper(ControlSource(f"{database}&options=-crole%3Dreader", name="reader")) as kept:
            assert kept.refusal(OPEN) is None
    finally:
        control.execute("drop role reader")


def test_a_fork(control, database, plan):
    """A process that is forked from the keeper's keeps the schedule itself."""
    with Keeper(ControlSource(database)) as kept:
        assert kept.refusal(OPEN) is None
        child = os.fork()
        if child == 0:
            status = 1
            try:
                limit = time.monotonic() + 10
                while kept.refusal(OPEN) is None and time.monotonic() < limit:
                    time.sleep(0.01)
                status = 0 if kept.refusal(OPEN) else 1
            finally:
                os._exit(status)
        plan("HOTEL")
        assert os.waitpid(child, 0)[1] == 0


def test_light_imports():
    """A gate before an application imports neither Django nor the database driver nor the command line."""
    heavy = ("django", "psycopg", "cyclopts", "yoyo", "uvicorn", "slacktide.control")
    code = (
        "import sys; from slacktide.gates import asgi, wsgi, forward_auth, http_source; "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
