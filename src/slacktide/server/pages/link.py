"""The links of mails: `/task/link/TOKEN`, and where they lead.

1. A mail scanner fetches the link, or follows it: nothing is changed by a GET or a HEAD, and nothing is used up.
2. The token would stay in the address, and be sent on or logged: it goes into the signed session, and the browser is
   led to an address without it.
3. A downtime is in effect: the log-in screen comes first, even with a live session and the level `low`.
4. The link was forwarded: whoever has to log in does so as itself, and is judged by its own rights. Only with the level
   `low`, or with `medium` in the browser that logged in, does the link stand for its user, for that one task.
5. Somebody else is logged in in that browser: that session ends, with what is open in it.
6. The user's role or password was changed since: a browser that was remembered counts no more.
"""

from __future__ import annotations

import psycopg
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from slacktide.control.lease import TooManyTasks
from slacktide.control.link import Link, read_link
from slacktide.control.link_entry import Entered, credentials_since, enter_by_link, level_of
from slacktide.control.task import Task, UnknownTask, task_of
from slacktide.control.task_act import may_see
from slacktide.control.user import Role, role_of
from slacktide.downtime.table import Action
from slacktide.gates.ask import Ask
from slacktide.server.pages import browser
from slacktide.server.pages.closed import closed_page, refused
from slacktide.server.pages.entry import go_on_in
from slacktide.server.pages.gate import act, exempt
from slacktide.server.pages.house import Connection, connected, house_of, keeper_of
from slacktide.server.pages.visitor import visitor_of


@exempt
def arrive(request: HttpRequest, token: str) -> HttpResponse:
    """Take the token out of the address."""
    link = read_link(token, secret=house_of(request).secret)
    if link is None:
        raise Http404
    request.session[browser.LINK] = [link.task, link.user]
    return redirect("/task/link")


@exempt
def link_page(request: HttpRequest) -> HttpResponse:
    """Lead to the log-in, or show the button that opens the task."""
    link = _link(request)
    with connected(request) as connection:
        task, role = _known(connection, link)
        decision = keeper_of(request).decide(_ask(request, connection, link, task, role))
    if decision.decision == "login":
        return redirect(f"/login?next=/task/{link.task}")
    if not decision.allowed:
        return closed_page(request, decision)
    return render(request, "link.html", {"link": link})


@act
def open_by_link(request: HttpRequest) -> HttpResponse:
    """Open the task as the link's user, without a log-in where its level asks for none."""
    link = _link(request)
    visitor = visitor_of(request)
    with connected(request) as connection:
        task, role = _known(connection, link)
        asks = _asks_for_log_in(request, connection, link, task)
        again = visitor.session if visitor.user == link.user else None
        try:
            entered = enter_by_link(connection, link=link, admin=role.admin, asks=asks, again=again)
        except (TooManyTasks, UnknownTask) as error:
            return refused(request, error, status=409)
        return _go_on(request, connection, link, entered)


def _go_on(request: HttpRequest, connection: Connection, link: Link, entered: Entered) -> HttpResponse:
    if entered.decision.decision == "login":
        return redirect(f"/login?next=/task/{link.task}")
    if entered.session is None:
        return closed_page(request, entered.decision)
    if visitor_of(request).session != entered.session:
        go_on_in(request, connection, entered.session)
    return redirect(f"/task/{link.task}")


def _link(request: HttpRequest) -> Link:
    found = request.session.get(browser.LINK)
    if not found:
        raise Http404
    return Link(*found)


def _known(connection: Connection, link: Link) -> tuple[Task, Role]:
    """Give the task and the user's role; a task that the user may not know of any more is not there."""
    role = role_of(connection, link.user)
    try:
        task = task_of(connection, id=link.task)
    except UnknownTask as error:
        raise Http404 from error
    if role is None or not may_see(role, task, user=link.user):
        raise Http404
    return task, role


def _ask(request: HttpRequest, connection: psycopg.Connection, link: Link, task: Task, role: Role) -> Ask:
    return Ask(
        action=Action.EMAIL_LINK,
        organization=task.organization,
        user=link.user,
        admin=role.admin,
        task=task.id,
        via="email",
        link_asks=_asks_for_log_in(request, connection, link, task),
    )


def _asks_for_log_in(request: HttpRequest, connection: Connection, link: Link, task: Task) -> bool:
    """Tell whether the security level asks this browser for a log-in, where no downtime does."""
    level = level_of(connection, user=link.user, organization=task.organization)
    if level != "medium":
        return level != "low"
    at = browser.remembered_at(request, user=link.user)
    return at is None or at < credentials_since(connection, user=link.user)
