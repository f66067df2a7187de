"""Logging in: the lock-out, the decision, and the session, for passwords and single sign-on alike.

1. A downtime of the site begins between the decision and the session: both are in one transaction, which holds the
   site's shared lock before it reads the clock. So whoever measures quiet sees the session, or it was refused.
2. A user who has a task open comes back in a downtime: the session is limited to what is open.
   Whoever is logged in already and shows once more who it is goes on in the same session, so that what is open there
   stays open.
3. Somebody tries passwords: after a few failures of one name from one address, or many from one address, nothing more
   is tried from there for a while. The name alone is never locked, or anybody could lock an administrator out.
4. The control database can take a session and nothing else: noting a failure may fail, and nothing else is written.
5. The password is right and the user disabled, or has none: it takes as long and reads the same as a wrong one.
"""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta
from typing import Any

import msgspec
import psycopg

from slacktide.control import passage
from slacktide.control.lease import live_leases
from slacktide.control.schedule import known_of
from slacktide.control.session import limit_session, start_session, widen_session
from slacktide.control.setting import control_now
from slacktide.control.user import Role, password_matches, role_of
from slacktide.core.errors import InputError
from slacktide.downtime.decision import Decision, decide
from slacktide.postgres.sql import load

_sql = load("slacktide.control", "log_in.sql")

WINDOW = timedelta(minutes=15)
OF_ONE_NAME = 5
OF_ONE_ADDRESS = 50


class WrongPassword(InputError):
    """The name or the password is not right."""


class LockedOut(InputError):
    """There were too many failed log-ins: try again in {minutes} minutes, or ask an administrator."""


class UnknownPerson(InputError):
    """{name} is not a user here, or is disabled: ask an administrator."""


class LoggedIn(msgspec.Struct, frozen=True):
    """What came of a log-in: the decision and, where that allows it, the session and whether it is limited."""

    decision: Decision
    session: str | None = None
    limited: bool = False


def log_in(
    connection: psycopg.Connection[Any], *, user: str, password: str, address: str, again: str | None = None
) -> LoggedIn:
    """Log a user in by its password, in the session that it has already (`again`) or a new one.

    Raises LockedOut, WrongPassword.
    """
    check_password(connection, user=user, password=password, address=address)
    return enter(connection, user=user, again=again)


def check_password(connection: psycopg.Connection[Any], *, user: str, password: str, address: str) -> None:
    """Refuse a password that is not the user's, and one that is tried too often. Raises LockedOut, WrongPassword."""
    _check_room(connection, user=user, address=address)
    right = password_matches(connection, name=user, password=password)
    with contextlib.suppress(psycopg.Error):
        connection.execute(_sql["forgive" if right else "fail"], {"user": user, "address": address, "window": WINDOW})
    if not right:
        raise WrongPassword


def enter(connection: psycopg.Connection[Any], *, user: str, again: str | None = None) -> LoggedIn:
    """Begin a session of a user who has shown who it is, if the schedule lets it in. Raises UnknownPerson."""
    with connection.transaction():
        role = role_of(connection, user)
        if role is None or role.disabled:
            raise UnknownPerson(name=user)
        passage.hold_site(connection)
        freely, by_lease = _decisions(connection, user=user, role=role)
        if freely.allowed and again is not None and widen_session(connection, id=again, user=user):
            return LoggedIn(freely, again)
        if freely.allowed:
            return LoggedIn(freely, start_session(connection, user=user))
        if not by_lease.allowed:
            return LoggedIn(freely)
        session = start_session(connection, user=user)
        limit_session(connection, id=session)
        return LoggedIn(by_lease, session, limited=True)


def _decisions(connection: psycopg.Connection[Any], *, user: str, role: Role) -> tuple[Decision, Decision]:
    """Give the decision as of a user without a lease, and with what it has."""
    known, now = known_of(connection), control_now(connection)
    leases = live_leases(connection, user=user, known=known, now=now) if role.has_leases else []

    def decision(*, lease: bool) -> Decision:
        return decide(
            action="login", schedule=known.schedule, now=now, user=user, user_is_admin=role.admin, lease=lease
        )

    return decision(lease=False), decision(lease=bool(leases))


def _check_room(connection: psycopg.Connection[Any], *, user: str, address: str) -> None:
    facts = {"user": user, "address": address, "window": WINDOW}
    rows = connection.execute(_sql["failures"], facts).fetchall()
    until = locked_until([at for name, at in rows if name == user], [at for _, at in rows])
    now = control_now(connection)
    if until is not None and until > now:
        raise LockedOut(minutes=max(1, round((until - now).total_seconds() / 60)))


def locked_until(of_name: list[datetime], of_address: list[datetime]) -> datetime | None:
    """Tell until when an address is locked out: the failures of one name from it, and all from it, oldest first.

    It ends when so many of the failures have left the window that there is room for one more.
    """
    limits: list[tuple[list[datetime], int]] = [(of_name, OF_ONE_NAME), (of_address, OF_ONE_ADDRESS)]
    return max((found[-most] + WINDOW for found, most in limits if len(found) >= most), default=None)
