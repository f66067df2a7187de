"""Cleaning up what ended long ago."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from slacktide.control.audit import list_audit
from slacktide.control.cleaning import PIECE, Cleaned, clean
from slacktide.control.lease import end_lease, touch_lease
from slacktide.control.session import end_session, leave_session
from slacktide.core.configuration import RetentionTooShort, retention
from slacktide.core.duration import BadDuration
from slacktide.postgres.connection import connect
from tests.control.working import WHO, Office, at_once

KEEP = timedelta(days=90)


@pytest.fixture
def office(control):
    """Give a control database with people in it."""
    return Office(control)


def ages(office, days):
    """Make everything that is there older."""
    by = timedelta(days=days)
    for table, columns in (("lease", ("opened_at", "last_sign_at", "ended_at")),
                           ("session", ("started_at", "last_seen_at", "ended_at"))):  # fmt: skip
        changes = ", ".join(f"{column} = {column} - %s" for column in columns)
        office.age(f"update slacktide.{table} set {changes}", *[by for _ in columns])


def left(office):
    """Give the leases and the sessions that are there."""
    names = ("lease", "session")
    return tuple(office.connection.execute(f"select count(*) from slacktide.{name}").fetchone()[0] for name in names)


def test_what_ended_long_ago(office):
    """What ended longer ago than it is kept is deleted, and that is audited; what ended later stays."""
    office.user()
    session = office.session(idle_limit=timedelta(days=2))
    lease = office.take(session, office.task()).lease
    office.take(session, office.task())
    end_lease(office.connection, id=lease.id, **WHO)
    ages(office, 1)
    end_session(office.connection, id=session, **WHO)
    ages(office, 89.5)
    trail = len(list_audit(office.connection))
    assert clean(office.connection, keep=KEEP) == Cleaned(1, 1)  # ada's first session was left idle
    assert left(office) == (1, 1)
    ages(office, 1)
    assert clean(office.connection, keep=KEEP) == Cleaned(1, 1)
    assert clean(office.connection, keep=KEEP) == Cleaned()
    assert left(office) == (0, 0)
    added = list_audit(office.connection)[trail:]
    assert [(row["what"], row["after"]) for row in added] == [
        ("clean-up", {"leases": 1, "sessions": 1}), ("clean-up", {"leases": 1, "sessions": 1}),
    ]  # fmt: skip


def test_left_without_a_log_out(office):
    """What is over by its limits alone, and recorded by nobody, is ended as the rule says, and deleted in its time."""
    office.take(office.user(), office.task())
    ages(office, 90.1)
    assert clean(office.connection, keep=KEEP) == Cleaned(1, 0)  # its session lived eight hours longer
    ages(office, 1)
    assert clean(office.connection, keep=KEEP) == Cleaned(0, 1)


def test_what_lives_stays(office):
    """A lease that lives by the rule stays, however old, and its session with it; so does a session that lives."""
    office.set("task_lease_idle_limit", "P365D", start="2020-01-01T00:00:00Z")
    session, task = office.user(), office.task()
    office.take(session, task)
    office.session(idle_limit=timedelta(days=365))
    ages(office, 200)
    assert clean(office.connection, keep=KEEP) == Cleaned()
    assert left(office) == (1, 2)
    office.age("update slacktide.session set last_seen_at = clock_timestamp() where id = %s", session)
    assert touch_lease(office.connection, session=session, task=task).live


def test_the_database_refuses(office):
    """Whoever deletes what lives, or ended within a day, is refused by the database itself."""
    session = office.user()
    office.take(session, office.task())
    for _ in range(2):
        for table in ("lease", "session"):
            with pytest.raises(psycopg.errors.RestrictViolation, match="cannot be deleted"):
                office.connection.execute(f"delete from slacktide.{table}")
        leave_session(office.connection, id=session)
    ages(office, 1.1)
    office.connection.execute("delete from slacktide.lease; delete from slacktide.session_organization")
    office.connection.execute("delete from slacktide.session")


def test_many_at_once(office, database):
    """Several workers delete more than a piece, each row once."""
    office.user()
    office.connection.execute(
        "insert into slacktide.session (user_name, idle_limit, ended_at, ended_because)"
        " select 'ada', '1 hour', clock_timestamp() - interval '91 days', 'log-out' from generate_series(1, %s)",
        [2 * PIECE + 1],
    )

    def one():
        with connect(database, name="worker") as connection:
            return clean(connection, keep=KEEP).sessions

    assert sum(at_once(one, one, one)) == 2 * PIECE + 1
    assert left(office) == (0, 1)


def test_how_long():
    """It is ninety days, or as long as the environment says, and a day at least."""
    assert retention({}) == KEEP
    assert retention({"SLACKTIDE_RETENTION": "P1D"}) == timedelta(days=1)
    for wrong, error in (("PT1H", RetentionTooShort), ("-P2D", RetentionTooShort), ("90", BadDuration)):
        with pytest.raises(error):
            retention({"SLACKTIDE_RETENTION": wrong})
