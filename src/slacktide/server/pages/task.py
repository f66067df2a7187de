"""A task's page: looking at it, opening it, working on it, and closing it.

A GET never opens anything. Whoever has no lease sees that there is a task and a button; the POST of that button takes
the lease in the transaction of the decision. The page gives a sign of life while it is shown.
"""

from __future__ import annotations

from http import HTTPStatus

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render

from slacktide.control.draft import draft_of, drop_draft
from slacktide.control.lease import TooManyTasks, UnknownLease, leases_of, release_lease, take_lease, touch_lease
from slacktide.control.session import SessionLimited, SessionOver
from slacktide.control.task import Task, UnknownTask, task_of
from slacktide.control.task_act import Act, TaskChanged, TaskFinished, act_on_task, may_see
from slacktide.downtime.table import Action
from slacktide.gates.ask import Ask
from slacktide.holding.listing import held_show
from slacktide.server.pages.closed import closed_page, refused
from slacktide.server.pages.gate import act, page, reads, to_log_in
from slacktide.server.pages.handover import hand_over, handed_over
from slacktide.server.pages.house import Connection, connected, keeper_of
from slacktide.server.pages.visitor import Visitor, visitor_of

_VERSION_DIGITS = 18
_NO_VERSION = -1


def opens(request: HttpRequest, id: str) -> Ask:  # noqa: A002 -- the word of the address
    """Ask for opening a task, or for going on with it. A task that must not be known of is not there."""
    visitor = visitor_of(request)
    if visitor.session is None:
        return reads(request)
    with connected(request) as connection:
        task = _task(connection, visitor, id)
        leased = _leased(connection, visitor, id)
    return Ask(
        action=Action.OPEN_TASK,
        organization=task.organization,
        user=visitor.user,
        admin=visitor.admin,
        task=id,
        lease=bool(leased),
    )


def looks(request: HttpRequest, id: str) -> Ask:  # noqa: A002 -- the word of the address
    """Ask for a task's page: of a reference-only organization it may be read, else it is an opening."""
    ask = opens(request, id)
    if ask.action is Action.OPEN_TASK and _left(request, ask):
        return reads(request)
    return ask


@page(looks, limited=True)
def task_page(request: HttpRequest, id: str) -> HttpResponse:  # noqa: A002 -- the word of the address
    """Show a task: its work to who has it open here, else the button that opens it."""
    visitor = visitor_of(request)
    with connected(request) as connection:
        task = _task(connection, visitor, id)
        leased = _leased(connection, visitor, id)
        if visitor.limited and not leased:
            return to_log_in(request)
        handed = handed_over(connection, task) if task.state == "done" else None
        facts = {
            "task": task,
            "here": visitor.session in leased,
            "elsewhere": bool(leased) and visitor.session not in leased,
            "draft": draft_of(connection, user=visitor.user, task=id),
            "held": held_show(connection, id=handed) if handed else None,
        }
    return render(request, "task.html", facts)


@act
def open_task(request: HttpRequest, id: str) -> HttpResponse:  # noqa: A002 -- the word of the address
    """Open a task: decide, and take the lease."""
    visitor = visitor_of(request)
    if visitor.session is None:
        return to_log_in(request)
    with connected(request) as connection:
        _task(connection, visitor, id)
        try:
            taken = take_lease(connection, session=visitor.session, task=id)
        except (SessionOver, SessionLimited):
            return to_log_in(request)
        except (UnknownTask, TooManyTasks) as error:
            return refused(request, error, status=HTTPStatus.CONFLICT)
    return redirect(f"/task/{id}") if taken.lease is not None else closed_page(request, taken.decision)


@act
def save(request: HttpRequest, id: str) -> HttpResponse:  # noqa: A002 -- the word of the address
    """Save a task, or finish it; what cannot be saved is given back, and kept as a draft."""
    visitor, note = visitor_of(request), request.POST.get("note", "")
    wanted = Act(note=note, version=_version(request.POST.get("version", "")), finish="finish" in request.POST)
    session = visitor.session or str(request.session.get("session", ""))
    with connected(request) as connection:
        try:
            acted = act_on_task(connection, session=session, task=id, act=wanted, then=hand_over)
        except (SessionOver, SessionLimited) as error:
            return refused(request, error, status=HTTPStatus.FORBIDDEN, typed=note)
        except (TaskChanged, TaskFinished) as error:
            return refused(request, error, status=HTTPStatus.CONFLICT, typed=note)
        except UnknownTask:
            return render(request, "404.html", {"typed": note}, status=HTTPStatus.NOT_FOUND)
    if acted.task is None:
        return closed_page(request, acted.decision, typed=note)
    return redirect("/worklist" if acted.task.state == "done" else f"/task/{id}")


@act
def sign(request: HttpRequest, id: str) -> HttpResponse:  # noqa: A002 -- the word of the address
    """Take a sign of life of an open task; says whether it still is."""
    session = visitor_of(request).session
    if session is None:
        return JsonResponse({"state": "ended", "because": "the session is over"}, status=HTTPStatus.FORBIDDEN)
    with connected(request) as connection:
        try:
            found = touch_lease(connection, session=session, task=id)
        except (SessionOver, UnknownLease):
            return JsonResponse({"state": "ended", "because": "not open"}, status=HTTPStatus.CONFLICT)
    return JsonResponse({"state": found.state, "because": found.because})


@act
def close(request: HttpRequest, id: str) -> HttpResponse:  # noqa: A002 -- the word of the address
    """Close a task: the lease ends."""
    session = visitor_of(request).session
    if session is None:
        return to_log_in(request)
    with connected(request) as connection:
        release_lease(connection, session=session, task=id)
    return redirect("/worklist")


@act
def forget_draft(request: HttpRequest, id: str) -> HttpResponse:  # noqa: A002 -- the word of the address
    """Throw a draft away."""
    visitor = visitor_of(request)
    if visitor.session is None:
        return to_log_in(request)
    with connected(request) as connection:
        drop_draft(connection, user=visitor.user, task=id)
    return redirect(f"/task/{id}")


def _version(said: str) -> int | None:
    """Read the version that was looked at; what is no number is one that there is not."""
    if not said:
        return None
    return int(said) if said.isdecimal() and len(said) <= _VERSION_DIGITS else _NO_VERSION


def _task(connection: Connection, visitor: Visitor, key: str) -> Task:
    try:
        task = task_of(connection, id=key)
    except UnknownTask as error:
        raise Http404 from error
    if not may_see(visitor.role, task, user=visitor.user):
        raise Http404
    return task


def _leased(connection: Connection, visitor: Visitor, task: str) -> set[str]:
    """Give the sessions in which the visitor's user has the task open."""
    if not visitor.role.has_leases:
        return set()
    return {lease.session for lease in leases_of(connection, user=visitor.user) if lease.task == task}


def _left(request: HttpRequest, ask: Ask) -> bool:
    decision = keeper_of(request).decide(ask)
    return decision.code == "reference_only" and not decision.also
