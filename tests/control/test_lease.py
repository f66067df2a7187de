from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest

from slacktide.control import passage, session
from slacktide.control.audit import ReasonMissing, list_audit
from slacktide.control.downtime import end_downtime
from slacktide.control.lease import (
    TooManyTasks,
    UnknownLease,
    end_lease,
    list_leases,
    release_lease,
    take_lease,
    touch_lease,
)
from slacktide.control.organization import set_side
from slacktide.control.schedule import known_of
from slacktide.control.session import SessionOver
from slacktide.control.setting import control_now
from slacktide.control.task import UnknownTask, change_task
from slacktide.control.user import Change, change_user
from slacktide.postgres.connection import connect
from tests.control.working import WHO, Office, at_once


@pytest.fixture
def office(control):
    """Give a control database with people in it."""
    return Office(control)


def leases(office, organization=None):
    known, now = known_of(office.connection), control_now(office.connection)
    return list_leases(office.connection, organization=organization, known=known, now=now)


def ended(office):
    return office.connection.execute(
        "select id::text, ended_because from slacktide.lease where ended_at is not null"
    ).fetchall()


# -- taking ------------------------------------------------------------------------------------------------------------


def test_take(office):
    """Opening a task makes one lease, of its user, session, task and organization; opening it again keeps it."""
    ada, task = office.user(), office.task()
    lease = office.take(ada, task).lease
    assert (lease.user, lease.session, lease.task, lease.organization) == ("ada", ada, task, "HOTEL")
    assert office.take(ada, task).lease.id == lease.id
    assert [one.answer()["state"] for one in leases(office)] == ["live"]


def test_downtime_keeps_out_who_has_none(office):
    """In a downtime with users out nobody opens a task anew but administrators; who has it open goes on."""
    ada, root, task, other = office.user(), office.user("root", admin=True), office.task(), office.task()
    office.take(ada, task)
    down = office.down("HOTEL", users="out")
    refused = office.take(ada, other)
    assert (refused.decision.code, refused.lease) == ("organization_downtime", None)
    assert office.take(ada, task).decision.allowed
    assert touch_lease(office.connection, session=ada, task=task).state == "live"
    assert office.take(root, other).lease.user == "root"
    end_downtime(office.connection, id=down, **WHO)
    office.down("HOTEL", users="in")
    assert office.take(ada, other).decision.allowed


def test_unknown(office):
    """An unknown task, one that is done, and a session that is over are refused."""
    ada, task = office.user(), office.task()
    with pytest.raises(UnknownTask, match="slacktide task list"):
        office.take(ada, "none")
    for wrong in ("99", "x", "9" * 30):
        with pytest.raises(SessionOver):
            office.take(wrong, task)
    office.take(ada, task)
    session.leave_session(office.connection, id=ada)
    assert [because for _, because in ended(office)] == ["log-out"]
    with pytest.raises(SessionOver):
        office.take(ada, task)
    change_task(office.connection, id=task, state="done", **WHO)
    with pytest.raises(UnknownTask):
        office.take(office.session(), task)


# -- the limit ---------------------------------------------------------------------------------------------------------


def test_limit(office):
    """A user has as many tasks of an organization open as the limit says, and others of another organization."""
    office.set("task_lease_limit", "2")
    ada, tasks = office.user(), [office.task() for _ in range(3)]
    for task in tasks[:2]:
        office.take(ada, task)
    with pytest.raises(TooManyTasks, match=f"close one of {tasks[0]}, {tasks[1]}"):
        office.take(ada, tasks[2])
    assert office.take(ada, tasks[0]).lease
    assert office.take(ada, office.task("OTHER")).lease
    release_lease(office.connection, session=ada, task=tasks[0])
    assert office.take(ada, tasks[2]).lease


@pytest.mark.parametrize("sessions", [1, 2])
def test_limit_at_once(office, database, sessions):
    """Tasks that are opened at once never pass the limit, from one session or from several."""
    office.set("task_lease_limit", "3")
    office.user()
    mine = [office.session() for _ in range(sessions)]
    tasks = [office.task() for _ in range(10)]

    def take(number):
        with connect(database, name="test") as connection:
            return take_lease(connection, session=mine[number % sessions], task=tasks[number])

    answers = at_once(*(lambda number=number: take(number) for number in range(10)))
    assert sum(isinstance(answer, TooManyTasks) for answer in answers) == 7, answers
    assert len(leases(office)) == 3


def test_one_task_at_once(office, database):
    """A task that one session opens several times at once has one lease."""
    ada, task = office.user(), office.task()

    def take():
        with connect(database, name="test") as connection:
            return take_lease(connection, session=ada, task=task).lease.id

    assert len(set(at_once(*[take] * 6))) == 1


# -- the second session ------------------------------------------------------------------------------------------------


def test_second_session(office):
    """A task that is open in two sessions has a lease in each, counts once, and lasts from when it was first opened."""
    office.set("task_lease_limit", "1")
    first, task = office.user(), office.task()
    second = office.session()
    opened = office.take(first, task).lease
    office.down("HOTEL", users="out")
    again = office.take(second, task).lease
    assert (again.session, again.opened_at) == (second, opened.opened_at)
    assert again.id != opened.id
    release_lease(office.connection, session=second, task=task)
    assert [one.lease.id for one in leases(office)] == [opened.id]


def test_a_lease_of_another(office):
    """A sign of life and a release name session and task, so that nobody reaches another's lease; none is passed on."""
    ada, grace, task = office.user(), office.user("grace"), office.task()
    lease = office.take(ada, task).lease
    with pytest.raises(UnknownLease):
        touch_lease(office.connection, session=grace, task=task)
    release_lease(office.connection, session=grace, task=task)
    assert [one.lease.id for one in leases(office)] == [lease.id]
    for change in (f"session = {grace}", "user_name = 'grace'", "organization = 'OTHER'", "opened_at = now()"):
        with pytest.raises(psycopg.errors.RestrictViolation):
            office.connection.execute(f"update slacktide.lease set {change}")
    add = "insert into slacktide.lease (user_name, session, task, organization) values (%s, %s, %s, %s)"
    for row in (("ada", grace, task, "HOTEL"), ("grace", grace, task, "OTHER")):
        with pytest.raises(psycopg.errors.CheckViolation):
            office.connection.execute(add, row)


# -- how it ends -------------------------------------------------------------------------------------------------------


def older(office, **hours):
    """Make the leases older."""
    for column, count in hours.items():
        office.age(f"update slacktide.lease set {column} = {column} - interval '1 hour' * %s", count)


def test_away_and_idle(office):
    """Without a sign of life it is away after a minute and ends after the idle limit; a late sign is refused."""
    ada, task = office.user(), office.task()
    office.take(ada, task)
    older(office, opened_at=0.1, last_sign_at=0.1)
    assert [one.standing.state for one in leases(office)] == ["away"]
    older(office, opened_at=1, last_sign_at=1)
    assert leases(office) == []
    late = touch_lease(office.connection, session=ada, task=task)
    assert (late.state, late.because) == ("ended", "idle")
    assert [because for _, because in ended(office)] == ["idle"]
    with pytest.raises(UnknownLease):
        touch_lease(office.connection, session=ada, task=task)
    assert office.take(ada, task).lease


def test_ends_by_the_downtime_limit(office):
    """It ends so long after a downtime's start, whoever is still at it, and is not opened again."""
    office.set("task_lease_downtime_limit", "PT3S")
    ada, task = office.user(), office.task()
    office.take(ada, task)
    older(office, opened_at=1)
    office.down("HOTEL", users="out", start="2020-01-01", end="now+PT1H")
    assert leases(office) == []
    refused = office.take(ada, task)
    assert (refused.decision.allowed, refused.lease) == (False, None)
    assert touch_lease(office.connection, session=ada, task=task).because == "downtime"


def test_ends_by_reference_only(office):
    """It ends when the organization has moved."""
    ada, task = office.user(), office.task()
    office.take(ada, task)
    set_side(office.connection, organization="HOTEL", side="source", state="reference only", lives_at="new", **WHO)
    assert leases(office) == []
    assert office.take(ada, task).decision.code == "reference_only"


def test_ends_when_the_task_goes(office):
    """It ends when its task goes to another organization, whose rules then count, and when the task is done."""
    ada, task, other = office.user(), office.task(), office.task()
    office.take(ada, task)
    office.take(ada, other)
    office.down("OTHER", users="out")
    change_task(office.connection, id=task, organization="OTHER", **WHO)
    change_task(office.connection, id=other, state="done", **WHO)
    assert [because for _, because in ended(office)] == ["another organization", "done"]
    assert office.take(ada, task).decision.code == "organization_downtime"


def test_ended_by_an_administrator(office):
    """An administrator ends it with a reason, which is in the trail; what has ended is not there any more."""
    lease = office.take(office.user(), office.task()).lease
    with pytest.raises(ReasonMissing):
        end_lease(office.connection, id=lease.id, who="tester", reason=" ")
    assert end_lease(office.connection, id=lease.id, **WHO).lease.id == lease.id
    trail = list_audit(office.connection)[-1]
    assert (trail["what"], trail["before"]["user"]) == ("lease end", "ada")
    for wrong in (lease.id, "x", "99"):
        with pytest.raises(UnknownLease, match="slacktide holders"):
            end_lease(office.connection, id=wrong, **WHO)
    with pytest.raises(psycopg.errors.RestrictViolation):
        office.connection.execute("update slacktide.lease set ended_at = null, ended_because = null")
    with pytest.raises(psycopg.errors.RestrictViolation):
        office.connection.execute("delete from slacktide.lease")


def test_ends_with_its_session_or_user(office):
    """It ends when an administrator ends its session or disables its user."""
    ada, grace, task = office.user(), office.user("grace"), office.task()
    for each in (ada, grace):
        office.take(each, task)
    session.end_session(office.connection, id=ada, **WHO)
    change_user(office.connection, name="grace", change=Change(disabled=True), **WHO)
    assert [because for _, because in ended(office)] == ["ended by tester", "the user was disabled"]
    for over in (ada, grace):
        with pytest.raises(SessionOver):
            office.take(over, task)
    with pytest.raises(session.UnknownSession):
        session.end_session(office.connection, id=ada, **WHO)
    with pytest.raises(session.UserDisabled):
        office.session("grace")


def test_session_ends_while_a_task_is_opened(office, database):
    """Of an administrator who ends a session and a user who opens a task in it, whoever is second sees the first."""
    ada, task = office.user(), office.task()

    def meanwhile(act, *, other):
        """Do something, and before it is committed let another begin; give what came of that."""
        with connect(database, name="first") as first, ThreadPoolExecutor() as pool:
            with first.transaction():
                act(first)
                second = pool.submit(run, other)
                time.sleep(0.3)
            return second.exception()

    def run(other):
        with connect(database, name="second") as connection:
            return other(connection)

    def take(connection):
        return take_lease(connection, session=ada, task=task)

    def end(connection):
        return session.end_session(connection, id=ada, **WHO)

    assert meanwhile(take, other=end) is None
    assert leases(office) == []
    ada = office.session()
    assert isinstance(meanwhile(end, other=take), SessionOver)
    assert leases(office) == []


def test_idle_session_keeps_its_lease(office):
    """A session that was idle for too long is over; its user logs in again and goes on with the task."""
    office.user()
    short, task = office.session(idle_limit=timedelta(seconds=1)), office.task()
    office.take(short, task)
    office.age("update slacktide.session set last_seen_at = last_seen_at - interval '2 seconds'")
    with pytest.raises(SessionOver):
        office.take(short, task)
    office.down("HOTEL", users="out")
    assert office.take(office.session(), task).decision.allowed


# -- killed, and closed meanwhile --------------------------------------------------------------------------------------


def test_killed_half_way(office, database):
    """Who is killed between the decision and the commit leaves no lease and holds nobody up."""
    ada, task = office.user(), office.task()
    with connect(database, name="victim", autocommit=False) as victim:
        victim.execute("select 1")  # so that the lease is in a transaction that is never committed
        assert take_lease(victim, session=ada, task=task).lease
        office.connection.execute("select pg_terminate_backend(%s)", [victim.info.backend_pid])
        with pytest.raises(psycopg.OperationalError):
            victim.execute("select 1")
        victim.close()
    assert leases(office) == []
    assert office.take(ada, task).lease


def test_no_lease_appears_behind_the_counting(office, database):
    """A lease that was decided before the start and commits after it holds the counting up, and is then counted."""
    ada, task = office.user(), office.task()
    with connect(database, name="slow") as slow:
        with slow.transaction():
            assert take_lease(slow, session=ada, task=task).decision.allowed
            office.down("HOTEL", users="out")
            assert office.left() == (0, 0, False)
            assert office.left("OTHER") == (0, 0, True)
        assert office.left() == (1, 1, True)


def test_who_comes_while_it_is_counted(office, database):
    """Who opens a task while the counting holds the lock waits, and is then judged by the downtime."""
    ada, task = office.user(), office.task()

    def close():
        with connect(database, name="closer") as closer, closer.transaction():
            assert passage.try_close(closer, organization="HOTEL")
            waiting.append(True)
            closer.execute("select pg_sleep(0.3)")
            office.down("HOTEL", users="out")

    def take():
        while not waiting:
            time.sleep(0.01)
        with connect(database, name="test") as connection:
            return take_lease(connection, session=ada, task=task)

    waiting: list[bool] = []
    _, taken = at_once(close, take)
    assert taken.decision.code == "organization_downtime"
