"""Sessions: who is logged in, and for which organizations each has acted.

A session ends by log-out, by its idle limit, or by an administrator; its leases end with it, but for the idle limit:
whoever comes back then goes on with the task that is open.

1. An administrator ends a session while its user opens a task: the opening holds the session's row, so that the lease
   is either not made, or ended with the session.
2. A user is disabled while it logs in: the log-in holds the user's row; the disabling ends the session that it finds.
3. A session acts for an organization while its closing is measured: see `control.quiet`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import msgspec
import psycopg

from slacktide.control.audit import record_audit, require_reason
from slacktide.control.user import user_of
from slacktide.core.duration import format_instant
from slacktide.core.errors import InputError, UsageError
from slacktide.postgres.sql import load

_sql = load("slacktide.control", "session.sql")
_LARGEST_ID = 2**63


class UnknownSession(UsageError):
    """There is no live session {id!r}: `slacktide holders` shows those that there are."""


class SessionOver(InputError):
    """The session {id} is over: log in again."""


class SessionLimited(InputError):
    """This session may go on with the tasks that are open, and nothing else: log in to do more."""


class UserDisabled(InputError):
    """The user {name} is disabled: enable it with `slacktide user change {name} --enable`."""


class Session(msgspec.Struct, frozen=True):
    """A live session; `organizations` are those that it has acted for."""

    id: str
    user: str
    admin: bool
    started_at: datetime
    last_seen_at: datetime
    organizations: list[str]

    def answer(self) -> dict[str, Any]:
        """Give the session as `holders` lists it; an administrator's is not waited for."""
        return {
            "id": self.id,
            "user": self.user,
            "admin": self.admin,
            "organizations": self.organizations,
            "started_at": format_instant(self.started_at),
            "last_seen_at": format_instant(self.last_seen_at),
        }


def start_session(connection: psycopg.Connection[Any], *, user: str, idle_limit: timedelta = timedelta(hours=8)) -> str:
    """Begin a session of a user whose log-in was allowed; give its ID. Raises UnknownUser, UserDisabled."""
    with connection.transaction():
        if user_of(connection, name=user).disabled:
            raise UserDisabled(name=user)
        row = connection.execute(_sql["start"], {"user": user, "idle_limit": idle_limit}).fetchone()
        return str(row[0]) if row else ""


def limit_session(connection: psycopg.Connection[Any], *, id: str) -> None:  # noqa: A002 -- the word of the interface
    """Limit a session to the tasks that its user has open; there is no way back."""
    connection.execute(_sql["limit"], {"id": id})


def widen_session(connection: psycopg.Connection[Any], *, id: str, user: str) -> bool:  # noqa: A002 -- see above
    """Lift a session's limit for its own user, who has just shown who it is; tell whether it is live, and theirs."""
    return connection.execute(_sql["widen"], {"id": id, "user": user}).rowcount == 1 if _is_number(id) else False


def visit(connection: psycopg.Connection[Any], *, id: str) -> tuple[str, bool]:  # noqa: A002 -- see above
    """Note that a session was used; give its user and whether it is limited. Raises SessionOver."""
    row = connection.execute(_sql["see"], {"id": id}).fetchone() if _is_number(id) else None
    if row is None:
        raise SessionOver(id=id)
    return row[0], row[1]


def user_of_session(connection: psycopg.Connection[Any], *, id: str) -> str | None:  # noqa: A002 -- see above
    """Tell whose a session is or was, so that what was typed in it is kept for its user."""
    row = connection.execute(_sql["whose"], {"id": id}).fetchone() if _is_number(id) else None
    return None if row is None else str(row[0])


def hold_session(connection: psycopg.Connection[Any], *, id: str) -> str:  # noqa: A002 -- the word of the interface
    """Give the user of a live session, which nobody ends until the end of the transaction. Raises SessionOver."""
    return _user(connection, "live", id)


def see_session(connection: psycopg.Connection[Any], *, id: str) -> str:  # noqa: A002 -- the word of the interface
    """Note that a session was used, and give its user. Raises SessionOver."""
    return visit(connection, id=id)[0]


def act_for(connection: psycopg.Connection[Any], *, id: str, organization: str) -> None:  # noqa: A002 -- see above
    """Note that a session acts for an organization, in the transaction of the decision."""
    connection.execute(_sql["act"], {"id": id, "organization": organization})


def leave_session(connection: psycopg.Connection[Any], *, id: str) -> None:  # noqa: A002 -- the word of the interface
    """Log out: the session ends, and its leases are released."""
    if _is_number(id):
        connection.execute(_sql["end"], {"id": id, "because": "log-out"})


def end_session(connection: psycopg.Connection[Any], *, id: str, who: str, reason: str) -> Session:  # noqa: A002 -- see above
    """End a session, and its leases, for an administrator. Raises UnknownSession, ReasonMissing."""
    require_reason(reason, what=f"slacktide session end {id}")
    with connection.transaction():
        found = {session.id: session for session in list_sessions(connection)}
        if id not in found or connection.execute(_sql["end"], {"id": id, "because": f"ended by {who}"}).rowcount != 1:
            raise UnknownSession(id=id)
        _record_end(connection, found[id], who=who, reason=reason)
    return found[id]


def end_sessions(
    connection: psycopg.Connection[Any], *, sessions: Iterable[Session], who: str, reason: str
) -> list[Session]:
    """End sessions, and their leases, for an administrator; give those that had not ended. Raises ReasonMissing."""
    require_reason(reason, what="slacktide session end --all")
    facts = {"because": f"ended by {who}"}
    with connection.transaction():
        ended = [one for one in sessions if connection.execute(_sql["end"], facts | {"id": one.id}).rowcount == 1]
        for one in ended:
            _record_end(connection, one, who=who, reason=reason)
    return ended


def _record_end(connection: psycopg.Connection[Any], ended: Session, *, who: str, reason: str) -> None:
    subject, before = f"session {ended.id}", ended.answer()
    record_audit(connection, who=who, what="session end", object=subject, before=before, reason=reason)


def list_sessions(
    connection: psycopg.Connection[Any], *, organization: str | None = None, since: datetime | None = None
) -> list[Session]:
    """Give the live sessions: all, or those that have acted for an organization since an instant."""
    rows = connection.execute(_sql["list"], {"organization": organization, "since": since})
    return [Session(*row) for row in rows]


def _user(connection: psycopg.Connection[Any], statement: str, key: str) -> str:
    row = connection.execute(_sql[statement], {"id": key}).fetchone() if _is_number(key) else None
    if row is None:
        raise SessionOver(id=key)
    return str(row[0])


def _is_number(key: str) -> bool:
    return key.isascii() and key.isdigit() and int(key) < _LARGEST_ID
