"""Tasks: units of a user's work that belong to one organization each.

1. A task goes to another organization while somebody has it open: its leases end in the same transaction, so that the
   user is judged anew, by the organization that it belongs to now.
2. It goes there while somebody is about to open it: who opens it holds the row, so one of the two comes first.
3. It is done while somebody else has it open: its leases end; what the other one saves is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec
import psycopg

from slacktide.control.audit import record_audit
from slacktide.control.organization import organization_of
from slacktide.control.user import Role, user_of
from slacktide.core.errors import UsageError
from slacktide.postgres.sql import load

_sql = load("slacktide.control", "task.sql")


class UnknownTask(UsageError):
    """There is no task {id!r}: `slacktide task list` shows those that there are."""


class Task(msgspec.Struct, frozen=True):
    """A task; `user` is whom it is assigned to. Each change of its work, the `note`, makes another version of it."""

    id: str
    organization: str
    title: str
    user: str | None
    state: Literal["open", "done"]
    note: str = ""
    version: int = 1


def add_task(
    connection: psycopg.Connection[Any],
    *,
    organization: str,
    title: str = "",
    user: str | None = None,
    who: str,
    reason: str = "",
) -> Task:
    """Add a task. Raises UnknownOrganization, UnknownUser."""
    with connection.transaction():
        organization_of(connection, code=organization)
        if user is not None:
            user_of(connection, name=user)
        row = connection.execute(_sql["add"], {"organization": organization, "title": title, "user": user}).fetchone()
        task = Task(*row or ())
        _record(connection, "task add", before=None, after=task, who=who, reason=reason)
    return task


def list_tasks(connection: psycopg.Connection[Any], *, organization: str | None = None) -> list[Task]:
    """Give the tasks of one organization, or of all, oldest first. Raises UnknownOrganization."""
    if organization is not None:
        organization_of(connection, code=organization)
    return [Task(*row) for row in connection.execute(_sql["list"], {"organization": organization})]


def tasks_for(connection: psycopg.Connection[Any], *, user: str, role: Role, most: int = 500) -> list[Task]:
    """Give the open tasks that a user may know of, oldest first; at most so many."""
    facts = {"user": user, "admin": role.admin, "organizations": [*role.organizations], "most": most}
    return [] if role.disabled else [Task(*row) for row in connection.execute(_sql["of_user"], facts)]


def task_of(connection: psycopg.Connection[Any], *, id: str) -> Task:  # noqa: A002 -- the word of the interface
    """Give one task; in a transaction it stays of its organization until the end. Raises UnknownTask."""
    row = connection.execute(_sql["one"], {"id": id}).fetchone()
    if row is None:
        raise UnknownTask(id=id)
    return Task(*row)


def organizations_of_tasks(connection: psycopg.Connection[Any], ids: Iterable[str]) -> dict[str, str]:
    """Tell which organizations tasks belong to; one that is not known is left out."""
    return dict(connection.execute(_sql["organizations"], {"ids": [*ids]}).fetchall())


def change_task(
    connection: psycopg.Connection[Any],
    *,
    id: str,  # noqa: A002 -- the word of the interface
    organization: str | None = None,
    state: Literal["open", "done"] | None = None,
    user: str | None = None,
    note: str | None = None,
    who: str,
    reason: str = "",
) -> Task:
    """Change a task. Finished, or given to another organization, its leases end.

    Raises UnknownTask, UnknownOrganization, UnknownUser.
    """
    with connection.transaction():
        before = task_of(connection, id=id)
        home = organization or before.organization
        facts = {
            "id": id,
            "organization": home,
            "state": state or before.state,
            "user": user or before.user,
            "note": before.note if note is None else note,
        }
        if user is not None:
            user_of(connection, name=user)
        organization_of(connection, code=home)
        after = Task(*connection.execute(_sql["change"], facts).fetchone() or ())
        _record(connection, "task change", before=before, after=after, who=who, reason=reason)
    return after


def _record(
    connection: psycopg.Connection[Any], what: str, *, before: Task | None, after: Task, who: str, reason: str
) -> None:
    subject = f"task {after.id}"
    record_audit(connection, who=who, what=what, object=subject, before=before, after=after, reason=reason)
