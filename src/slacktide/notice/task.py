"""Mails that ask to act on a task: they wait while the task's organization, or the site, is down.

Whoever is asked could not act before the end. The organization is the task's at the moment of the sending. A task that
is done by then asks for nothing any more, and one that was given to another user asks that one. The link to the task is
signed and written when the mail is sent, so that it is in no table. Notices of downtimes are not among these: they go.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import psycopg

from slacktide.control.schedule import state_of
from slacktide.control.setting import control_now
from slacktide.control.task import Task, UnknownTask, task_of
from slacktide.control.task_act import may_see
from slacktide.control.user import role_of, user_of
from slacktide.notice import store
from slacktide.notice.store import Asking, Delivery

_RECHECK = timedelta(minutes=1)
_SHORTEST = timedelta(seconds=0.1)


class Pause(msgspec.Struct, frozen=True):
    """Why a mail waits, and for how long before it is looked at again."""

    because: str
    length: timedelta


def ask_to_act(connection: psycopg.Connection[Any], *, task: str, user: str, subject: str, text: str) -> None:
    """Plan a mail that asks a user to act on a task, in the caller's transaction. Raises UnknownTask, UnknownUser."""
    with connection.transaction():
        task_of(connection, id=task)
        user_of(connection, name=user)
        store.ask(connection, asking=Asking(task, subject, text), user=user)


def ask_assignee(connection: psycopg.Connection[Any], *, task: Task) -> None:
    """Plan the mail to whom a task was given, in the caller's transaction; to nobody where it is nobody's."""
    if task.user is None:
        return
    title = f": {task.title}" if task.title else ""
    subject = f"Task {task.id} of {task.organization}{title}"
    text = f"Task {task.id} of {task.organization}{title} was given to you."
    ask_to_act(connection, task=task.id, user=task.user, subject=subject, text=text)


def asked(connection: psycopg.Connection[Any], asking: Asking, *, user: str) -> Task | None:
    """Give the task as it is now; None for one that is done, not there any more, or another user's by now."""
    try:
        found = task_of(connection, id=asking.task)
    except UnknownTask:
        return None
    return None if found.state == "done" or found.user not in (None, user) else found


def address_of(connection: psycopg.Connection[Any], task: Task, *, user: str) -> str | None:
    """Give the address of a user who may see the task now; None for one who may not, is disabled, or has none."""
    role = role_of(connection, user)
    seen = role is not None and may_see(role, task, user=user)
    return user_of(connection, name=user).email if seen else None


def pause_of(connection: psycopg.Connection[Any], delivery: Delivery) -> Pause | None:
    """Tell why a mail has to wait; None for one that has not to, as every notice."""
    asking, user = delivery.content, delivery.recipient
    found = asked(connection, asking, user=user) if isinstance(asking, Asking) else None
    if found is None:
        return None
    state = state_of(connection, organization=found.organization)
    if not state.because:
        return None
    because = f"waiting: a downtime of {found.organization} or of the site"
    return Pause(because, _until(state.until, control_now(connection)))


def _until(end: datetime | None, now: datetime) -> timedelta:
    """Give how long it waits: to the end if that is near, and not long, since an end may come early."""
    return _RECHECK if end is None else max(min(end - now, _RECHECK), _SHORTEST)
