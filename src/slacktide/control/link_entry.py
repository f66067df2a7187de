"""Entering by the link of a mail, where its security level asks for no log-in: for one task, in one transaction.

1. A downtime begins between the decision and the lease: both are in one transaction, under the shared locks of the
   site and the organization.
2. Whoever holds the mail gets more than the task: the session is limited to what is open, which is that task.
3. The user has a session in that browser already: the task is opened in it. A limited one, of another link, stays so.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import psycopg

from slacktide.control import passage
from slacktide.control.lease import take_lease
from slacktide.control.link import Link
from slacktide.control.schedule import known_of
from slacktide.control.session import limit_session, start_session, visit, widen_session
from slacktide.control.setting import control_now
from slacktide.control.task import task_of
from slacktide.control.user import UnknownUser
from slacktide.downtime.decision import Decision, decide
from slacktide.downtime.parameter import EMAIL_SECURITY
from slacktide.downtime.setting import lookup
from slacktide.postgres.sql import load

_sql = load("slacktide.control", "link_entry.sql")


class Entered(msgspec.Struct, frozen=True):
    """What came of it: the decision and, where that allows it, the session in which the task is open."""

    decision: Decision
    session: str | None = None


def level_of(connection: psycopg.Connection[Any], *, user: str, organization: str) -> str:
    """Give the security level of the links of a user and an organization now: low, medium or high."""
    known = known_of(connection, organization=organization)
    settings, now = known.parameters, control_now(connection)
    return lookup(parameter=EMAIL_SECURITY, settings=settings, now=now, organization=organization, user=user)


def credentials_since(connection: psycopg.Connection[Any], *, user: str) -> datetime:
    """Tell since when the user's role and password are as they are. Raises UnknownUser."""
    row = connection.execute(_sql["credentials"], {"user": user}).fetchone()
    if row is None:
        raise UnknownUser(name=user)
    since: datetime = row[0]
    return since


def enter_by_link(
    connection: psycopg.Connection[Any], *, link: Link, admin: bool, asks: bool, again: str | None = None
) -> Entered:
    """Open the link's task for its user, if no log-in is asked for and the schedule lets it.

    `asks`: whether the security level asks for a log-in. `again`: a session of that user. Raises UnknownTask,
    TooManyTasks, UserDisabled, SessionOver.
    """
    with connection.transaction():
        task = task_of(connection, id=link.task)
        passage.hold(connection, organization=task.organization)
        decision = decide(
            action="email_link",
            schedule=known_of(connection).schedule,
            now=control_now(connection),
            user=link.user,
            user_is_admin=admin,
            organization=task.organization,
            link_asks=asks,
            via="email",
        )
        if not decision.allowed:
            return Entered(decision)
        session = again or start_session(connection, user=link.user)
        _, limited = visit(connection, id=session)
        if limited:
            widen_session(connection, id=session, user=link.user)
        taken = take_lease(connection, session=session, task=link.task)
        if limited or again is None:
            limit_session(connection, id=session)
        return Entered(taken.decision, session if taken.lease is not None else None)
