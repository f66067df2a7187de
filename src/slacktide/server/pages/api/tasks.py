"""Sessions of users, and their tasks: opened, saved, finished and handed on, by the user that the caller acts for.

1. A token acts in a session of somebody else: a session counts only for its own user.
2. A task that the user may not know of, or the token is not good for, is as if absent.
3. A downtime begins meanwhile: each act is judged in the transaction that does it. Who has the task open goes on with
   it; what cannot be saved comes back in the refusal, and is kept as a draft.
4. Many tasks at once: each is judged by itself and has its own answer.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec

from slacktide.control.lease import leases_of, release_lease, take_lease, touch_lease
from slacktide.control.log_in import enter
from slacktide.control.session import UnknownSession, leave_session, user_of_session
from slacktide.control.task import UnknownTask, task_of
from slacktide.control.task_act import Act, By, act_on_task, may_see
from slacktide.core.duration import format_instant
from slacktide.core.errors import SlacktideError
from slacktide.server.pages.api.caller import barred
from slacktide.server.pages.api.operation import Call, Way, operation
from slacktide.server.pages.api.problem import Refused, SessionNotOfUser, SessionUnsaid, problem_of
from slacktide.server.pages.handover import follow_up, hand_over
from slacktide.server.pages.visitor import Visitor
from slacktide.server.pages.worklist import Row, rows_of

SESSION = "Slacktide-Session"


class Search(msgspec.Struct, forbid_unknown_fields=True):
    """Only tasks in which all these words stand."""

    q: str = ""


class Work(msgspec.Struct, forbid_unknown_fields=True):
    """The task's text, and the version that the user looked at; None: whatever it is now."""

    note: str | None = None
    version: int | None = None


class Many(msgspec.Struct, forbid_unknown_fields=True):
    """The tasks; they are finished, or with `user` given to that user."""

    tasks: list[str]
    user: str | None = None


@operation("POST", "sessions", Way.ACTS, status=HTTPStatus.CREATED)
def begin_session(call: Call) -> Any:
    """Begin a session of the user that the caller acts for; in a downtime of the site for who has a task open only."""
    entered = enter(call.connection, user=call.user, as_admin=call.caller.as_admin)
    if entered.session is None:
        raise Refused(entered.decision)
    return {"id": entered.session, "user": call.user, "limited": entered.limited}


@operation("DELETE", "sessions/{id}", Way.ACTS, status=HTTPStatus.NO_CONTENT)
def leave_session_(call: Call, id: str) -> Any:  # noqa: A002 -- the word of the interface
    """End a session of the user, and its leases."""
    if user_of_session(call.connection, id=id) != call.user:
        raise UnknownSession(id=id)
    leave_session(call.connection, id=id)


@operation("GET", "tasks", Way.ACTS, query=Search)
def list_tasks(call: Call, query: Search) -> Any:
    """List the tasks that the caller may know of; of a closed organization's number and until when."""
    del query  # the worklist reads it
    caller = call.caller
    limited = barred(call.request, caller) is not None
    rows = rows_of(call.request, Visitor(None, caller.user or "", caller.role, limited))
    return [_row(row) for row in rows if caller.token.may_see(row.organization)]


@operation("POST", "tasks/{id}/open", Way.ACTS, session=True)
def open_task(call: Call, id: str) -> Any:  # noqa: A002 -- the word of the interface
    """Open a task in the session: its lease, and the task."""
    session = _session(call)
    _seen(call, id)
    taken = take_lease(call.connection, session=session, task=id, as_admin=call.caller.as_admin)
    if taken.lease is None:
        raise Refused(taken.decision)
    return {"task": msgspec.to_builtins(task_of(call.connection, id=id)), "lease": _lease(call, taken.lease.id)}


@operation("POST", "tasks/{id}/sign", Way.ACTS, session=True)
def sign_task(call: Call, id: str) -> Any:  # noqa: A002 -- the word of the interface
    """Give a sign of life of an open task, once a minute or more often; says whether it still is open."""
    session = _session(call)
    _seen(call, id)
    found = touch_lease(call.connection, session=session, task=id)
    return {"state": found.state, "because": found.because}


@operation("POST", "tasks/{id}/save", Way.ACTS, session=True, body=Work)
def save_task(call: Call, id: str, body: Work) -> Any:  # noqa: A002 -- the word of the interface
    """Save the work on a task."""
    return _acted(call, _session(call), id, Act(note=body.note, version=body.version))


@operation("POST", "tasks/{id}/finish", Way.ACTS, session=True, body=Work)
def finish_task(call: Call, id: str, body: Work) -> Any:  # noqa: A002 -- the word of the interface
    """Finish a task; its step into the ERP waits while a downtime is in effect."""
    return _acted(call, _session(call), id, Act(note=body.note, version=body.version, finish=True))


@operation("POST", "tasks/{id}/close", Way.ACTS, session=True, status=HTTPStatus.NO_CONTENT)
def close_task(call: Call, id: str) -> Any:  # noqa: A002 -- the word of the interface
    """Close a task: its lease in the session ends."""
    session = _session(call)
    _seen(call, id)
    release_lease(call.connection, session=session, task=id)


@operation("POST", "tasks/bulk", Way.ACTS, session=True, body=Many)
def act_on_many(call: Call, body: Many) -> Any:
    """Finish tasks, or give them to another user: each is judged by itself and has its own answer."""
    session = _session(call)
    wanted = Act(finish=True) if body.user is None else Act(user=body.user)
    return [_one_of_many(call, session, task, wanted) for task in body.tasks]


def _one_of_many(call: Call, session: str, task: str, wanted: Act) -> dict[str, Any]:
    try:
        done = _acted(call, session, task, wanted)
    except (SlacktideError, Refused) as error:
        problem = problem_of(error)
        return {"id": task, "status": problem.status_code, "problem": msgspec.json.decode(problem.content)}
    return {"id": task, "status": int(HTTPStatus.OK), "task": done}


def _acted(call: Call, session: str, task: str, wanted: Act) -> Any:
    by = By(who=call.caller.who, as_admin=call.caller.as_admin)
    then = hand_over if wanted.user is None else follow_up
    typed = {} if wanted.note is None else {"note": wanted.note}
    try:
        _seen(call, task)
        acted = act_on_task(call.connection, session=session, task=task, act=wanted, then=then, by=by)
    except SlacktideError as error:
        error.facts |= typed
        raise
    if acted.task is None:
        raise Refused(acted.decision, **typed)
    return msgspec.to_builtins(acted.task)


def _session(call: Call) -> str:
    """Give the session that is named, which has to be one of the user's."""
    named, user = call.request.headers.get(SESSION), call.user
    if not named:
        raise SessionUnsaid
    if user_of_session(call.connection, id=named) != user:
        raise SessionNotOfUser(id=named, user=user)
    return named


def _seen(call: Call, key: str) -> None:
    """Refuse a task that the caller must not know of. Raises UnknownTask."""
    task, caller = task_of(call.connection, id=key), call.caller
    seen = may_see(caller.role, task, user=caller.user or "")
    if not seen or not caller.token.may_see(task.organization):
        raise UnknownTask(id=key)


def _lease(call: Call, key: str) -> dict[str, Any] | None:
    found = next((one for one in leases_of(call.connection, user=call.user) if one.id == key), None)
    if found is None:
        return None
    return {
        "id": found.id,
        "session": found.session,
        "opened_at": format_instant(found.opened_at),
        "last_sign_at": format_instant(found.last_sign_at),
    }


def _row(row: Row) -> dict[str, Any]:
    """Give a row of the worklist; what must not be known is not in it at all."""
    known = {"title": row.title, "user": row.user} if row.title is not None else {}
    until = {"until": row.until and format_instant(row.until)} if row.standing == "closed" else {}
    return {"id": row.id, "organization": row.organization, "standing": row.standing, **known, **until}
