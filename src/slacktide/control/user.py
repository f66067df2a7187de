"""Users and their roles, as the control database keeps them.

A user is an administrator or a normal user; in an organization it can be a user or the organization's administrator,
who may change the downtimes of that organization. Rights are read anew for each decision, never remembered:

1. An administrator is made a normal user while a session is open: the next decision reads the current data.
2. Two change one user at once: the row is locked; both are in the trail, the later one sees what the earlier did.
3. A user is disabled in the middle of its work: it has no rights from the commit on, and its leases and sessions end.
4. A password is read by others: its hash alone is kept, no command and no trail shows it, and it comes from a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec
import psycopg

from slacktide.control.audit import record_audit
from slacktide.control.organization import organization_of
from slacktide.core.errors import InputError, UsageError
from slacktide.postgres.sql import load

_sql = load("slacktide.control", "user.sql")
CHANNEL = "slacktide_user"  # NOTIFY on each change of users
_NAME = re.compile(r"[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]{0,126}[^\s\x00-\x1f\x7f])?")

RoleName = Literal["user", "administrator"]


class UnknownUser(UsageError):
    """There is no user {name!r}: add it with `slacktide user add {name}`, or see `slacktide user list`."""


class UserExists(InputError):
    """The user {name} is already there: change it with `slacktide user change {name}`."""


class BadUserName(UsageError):
    """{name!r} cannot be a user's name: use at most 128 characters, no control characters, no blank at either end."""


class EmptyPassword(InputError):
    """The password for {name} is empty: put it into the first line of the file that --password-file names."""


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A user as it is shown: `has_password` says only that there is one."""

    name: str
    email: str | None
    admin: bool
    disabled: bool
    has_password: bool
    organizations: dict[str, RoleName] = {}


class Role(msgspec.Struct, frozen=True):
    """What a user may do by its current data: whether an administrator, and in which organizations it is what.

    `has_leases` says that it has some without a recorded end; whether they live has to be judged.
    """

    admin: bool = False
    disabled: bool = False
    organizations: frozenset[str] = frozenset()
    administers: frozenset[str] = frozenset()
    has_leases: bool = False

    def manages(self, organization: str | None) -> bool:
        """Tell whether an organization's own administrator, who changes its downtimes."""
        return organization is not None and organization in self.administers


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What is to change of a user; None, and organizations that are not named, stay as they are.

    A role of None takes the organization away. `password` is the new one itself.
    """

    email: str | None = None
    admin: bool | None = None
    disabled: bool | None = None
    password: str | None = None
    organizations: Mapping[str, RoleName | None] = {}


def administrators(connection: psycopg.Connection[Any]) -> dict[str, Role]:
    """Give all users, each with what it administers by its current data, and nothing else of its role."""
    rows = connection.execute(_sql["administrators"])
    return {name: Role(admin=admin, administers=frozenset(runs)) for name, admin, runs in rows}


def add_user(
    connection: psycopg.Connection[Any],
    *,
    name: str,
    change: Change = Change(),  # noqa: B008 -- a value that never changes
    who: str,
    reason: str = "",
) -> User:
    """Add a user. Raises UserExists, BadUserName, EmptyPassword, UnknownOrganization."""
    if not _NAME.fullmatch(name):
        raise BadUserName(name=name)
    with connection.transaction():
        facts = {"name": name, "email": change.email, "admin": bool(change.admin)}
        if connection.execute(_sql["add"], facts).fetchone() is None:
            raise UserExists(name=name)
        _keep(connection, name, change)
        after = user_of(connection, name=name)
        _record(connection, "user add", name=name, before=None, after=after, who=who, reason=reason)
    return after


def change_user(connection: psycopg.Connection[Any], *, name: str, change: Change, who: str, reason: str = "") -> User:
    """Change a user. Raises UnknownUser, EmptyPassword, UnknownOrganization."""
    with connection.transaction():
        before = user_of(connection, name=name)
        facts = {
            "name": name,
            "email": before.email if change.email is None else change.email or None,
            "admin": before.admin if change.admin is None else change.admin,
            "disabled": before.disabled if change.disabled is None else change.disabled,
        }
        connection.execute(_sql["change"], facts)
        _keep(connection, name, change)
        after = user_of(connection, name=name)
        if change.password is not None or _rights(before) != _rights(after):
            connection.execute(_sql["expire"], {"name": name})
        if after.disabled:
            connection.execute(_sql["end_sessions"], {"name": name})
        what = "user disable" if after.disabled and not before.disabled else "user change"
        told = msgspec.to_builtins(after) | ({} if change.password is None else {"password": "changed"})
        _record(connection, what, name=name, before=before, after=told, who=who, reason=reason)
    return after


def user_of(connection: psycopg.Connection[Any], *, name: str) -> User:
    """Give one user; in a transaction it stays as it is until the end. Raises UnknownUser."""
    row = connection.execute(_sql["one"], {"name": name}).fetchone()
    if row is None:
        raise UnknownUser(name=name)
    return _user(row, connection.execute(_sql["roles"], {"name": name}))


def list_users(connection: psycopg.Connection[Any]) -> list[User]:
    """Give all users by name."""
    roles = connection.execute(_sql["roles"], {"name": None}).fetchall()
    return [_user(row, roles) for row in connection.execute(_sql["list"])]


def role_of(connection: psycopg.Connection[Any], name: str) -> Role | None:
    """Tell what a user may do, by its current data; None for one that is not known. A disabled one has no rights."""
    return roles_of(connection, [name]).get(name)


def role_now(connection: psycopg.Connection[Any], name: str, *, as_admin: bool = True) -> Role:
    """Tell what a user may do now; without `as_admin`, as if it were no administrator of the site."""
    role = role_of(connection, name) or Role()
    return role if as_admin else msgspec.structs.replace(role, admin=False)


def roles_of(connection: psycopg.Connection[Any], names: Iterable[str]) -> dict[str, Role]:
    """Tell what users may do, by their current data; one that is not known is left out."""
    rows = connection.execute(_sql["of_names"], {"names": [*names]})
    return {
        name: Role(disabled=True) if disabled else Role(admin, disabled, frozenset(works), frozenset(runs), leases)
        for name, admin, disabled, works, runs, leases in rows
    }


def password_matches(connection: psycopg.Connection[Any], *, name: str, password: str) -> bool:
    """Tell whether this is the user's password; for an unknown, disabled or passwordless user it takes as long."""
    from argon2 import PasswordHasher  # noqa: PLC0415 -- of an extra: a command without a password does without
    from argon2.exceptions import VerificationError  # noqa: PLC0415 -- see above

    row = connection.execute(_sql["password"], {"name": name}).fetchone()
    hasher = PasswordHasher()
    if row is None or row[0] is None:
        hasher.hash(password)
        return False
    try:
        return hasher.verify(row[0], password)
    except VerificationError:
        return False


def _keep(connection: psycopg.Connection[Any], name: str, change: Change) -> None:
    """Save roles and password."""
    for code, role in change.organizations.items():
        organization_of(connection, code=code)
        connection.execute(
            _sql["set_role" if role else "remove_role"], {"name": name, "organization": code, "role": role}
        )
    if change.password is not None:
        if not change.password:
            raise EmptyPassword(name=name)
        connection.execute(_sql["set_password"], {"name": name, "hash": _hash(change.password)})


def _hash(password: str) -> str:
    from argon2 import PasswordHasher  # noqa: PLC0415 -- of an extra: a command without a password does without

    return PasswordHasher().hash(password)


def _user(row: Iterable[Any], roles: Iterable[tuple[str, str, RoleName]]) -> User:
    name, email, admin, disabled, has_password = row
    organizations = {organization: role for user, organization, role in roles if user == name}
    return User(
        name=name,
        email=email,
        admin=admin,
        disabled=disabled,
        has_password=has_password,
        organizations=organizations,
    )


def _rights(user: User) -> tuple[bool, bool, dict[str, RoleName]]:
    return user.admin, user.disabled, user.organizations


def _record(
    connection: psycopg.Connection[Any],
    what: str,
    *,
    name: str,
    before: User | None,
    after: object,
    who: str,
    reason: str,
) -> None:
    subject = f"user {name}"
    record_audit(connection, who=who, what=what, object=subject, before=before, after=after, reason=reason)
