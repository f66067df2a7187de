"""What users do to tasks: save, finish, hand on; each judged in the transaction that does it.

1. A downtime begins while somebody types: the save is judged when it comes. With a live lease of the task it goes on;
   without, it is judged as an opening, and what was typed is kept as a draft.
2. A save is sent twice, or from two tabs: it names the version that was looked at, and the second finds another one.
3. The session ended meanwhile, or is for open tasks alone and the lease has ended, or the user may not know of the task
   any more: nothing is saved, and what was typed is a draft of the user whose session it was.
4. Many tasks at once: each is an act of its own, with its own answer; `via` another way changes nothing.
5. The process is killed half way: the act, its trail and what follows from it (`then`) are one transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec
import psycopg

from slacktide.control import passage
from slacktide.control.draft import drop_draft, keep_draft
from slacktide.control.lease import live_leases
from slacktide.control.schedule import known_of
from slacktide.control.session import SessionLimited, SessionOver, act_for, user_of_session, visit
from slacktide.control.setting import control_now
from slacktide.control.task import Task, UnknownTask, change_task, task_of
from slacktide.control.user import Role, role_now
from slacktide.core.errors import InputError
from slacktide.downtime.decision import Decision, decide


class TaskFinished(InputError):
    """Task {id} is finished already: what you typed is kept as a draft."""


class TaskChanged(InputError):
    """Task {id} was changed by somebody else, or in another tab, since you opened it: what you typed is kept as a draft. Look at the task as it is now, and save once more."""  # noqa: E501 -- the message is one sentence


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done: None leaves a thing as it is. `version` is the one that the user looked at."""

    note: str | None = None
    version: int | None = None
    finish: bool = False
    user: str | None = None


class By(msgspec.Struct, frozen=True, kw_only=True):
    """By whose hand: what the trail says, the user itself without it; and whether an administrator's role counts."""

    who: str | None = None
    as_admin: bool = True


class Acted(msgspec.Struct, frozen=True):
    """What came of it: the decision and, where that allows it, the task as it is now."""

    decision: Decision
    task: Task | None = None


Then = Callable[[psycopg.Connection[Any], Task], None]


def act_on_task(
    connection: psycopg.Connection[Any],
    *,
    session: str,
    task: str,
    act: Act,
    then: Then | None = None,
    by: By = By(),  # noqa: B008 -- a value that never changes
) -> Acted:
    """Do it if the schedule lets the user, else keep what was typed; `then` belongs to the same transaction.

    Raises SessionOver, SessionLimited, UnknownTask, TaskFinished, TaskChanged, UnknownUser.
    """
    try:
        with connection.transaction():
            acted = _act(connection, session, task, act, by=by)
            if acted.task is not None and then is not None:
                then(connection, acted.task)
    except (SessionOver, SessionLimited, UnknownTask, TaskFinished, TaskChanged) as error:
        _keep(connection, session, task, act, because=str(error))
        raise
    if acted.task is None:
        _keep(connection, session, task, act, because=acted.decision.message or "")
    return acted


def may_see(role: Role, task: Task, *, user: str) -> bool:
    """Tell whether a user may know of a task: an administrator, one of its organization, or whom it is assigned to."""
    return not role.disabled and (role.admin or task.organization in role.organizations or task.user == user)


def _act(connection: psycopg.Connection[Any], session: str, task: str, act: Act, *, by: By) -> Acted:
    user, limited = visit(connection, id=session)
    found, role = task_of(connection, id=task), role_now(connection, user, as_admin=by.as_admin)
    if not may_see(role, found, user=user):
        raise UnknownTask(id=task)
    decision, leased = _decide(connection, found, user=user, role=role)
    if limited and not leased:
        raise SessionLimited
    if not decision.allowed:
        return Acted(decision)
    if found.state != "open":
        raise TaskFinished(id=task)
    if act.version is not None and act.version != found.version:
        raise TaskChanged(id=task)
    act_for(connection, id=session, organization=found.organization)
    finished: Literal["done"] | None = "done" if act.finish else None
    changed = change_task(connection, id=task, note=act.note, user=act.user, state=finished, who=by.who or user)
    drop_draft(connection, user=user, task=task)
    return Acted(decision, changed)


def _decide(connection: psycopg.Connection[Any], task: Task, *, user: str, role: Role) -> tuple[Decision, bool]:
    """Decide on going on with a task, and tell whether the user has a live lease of it."""
    passage.hold(connection, organization=task.organization)
    known, now = known_of(connection, organization=task.organization), control_now(connection)
    leased = any(lease.task == task.id for lease in live_leases(connection, user=user, known=known, now=now))
    decision = decide(
        action="continue_task",
        schedule=known.schedule,
        now=now,
        user=user,
        user_is_admin=role.admin,
        organization=task.organization,
        lease=leased,
        session="live",
    )
    return decision, leased


def _keep(connection: psycopg.Connection[Any], session: str, task: str, act: Act, *, because: str) -> None:
    user = user_of_session(connection, id=session)
    if act.note is not None and user is not None:
        keep_draft(connection, user=user, task=task, note=act.note, because=because)
