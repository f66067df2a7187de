"""Logging in and out.

1. The log-in page is always there, in every downtime, and shows what is down.
2. A link of a mail leads here with a live session: the form is shown all the same, and whoever fills it in is judged
   anew. The same user goes on in the same session, so that what is open stays open, and a form in another tab can be
   sent; another one ends it.
3. `next` leads elsewhere: only an address of this site is followed, by Django's own check.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import rotate_token
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods

from slacktide.control import log_in
from slacktide.control.log_in import LockedOut, LoggedIn, WrongPassword
from slacktide.control.session import leave_session
from slacktide.server.pages import browser
from slacktide.server.pages.closed import closed_page
from slacktide.server.pages.gate import act, exempt
from slacktide.server.pages.house import Connection, connected, house_of
from slacktide.server.pages.visitor import SESSION, visitor_of

HOME = "/worklist"


@exempt
@require_http_methods(["GET", "HEAD", "POST"])
def log_in_page(request: HttpRequest) -> HttpResponse:
    """Show the form, or log in by it."""
    if request.method != "POST":
        return _form(request, {})
    user, password = request.POST.get("user", ""), request.POST.get("password", "")
    with connected(request) as connection:
        try:
            again = visitor_of(request).session
            entered = log_in.log_in(connection, user=user, password=password, address=address_of(request), again=again)
        except LockedOut as error:
            return _form(request, {"error": error, "user": user}, status=HTTPStatus.TOO_MANY_REQUESTS)
        except WrongPassword as error:
            return _form(request, {"error": error, "user": user}, status=HTTPStatus.FORBIDDEN)
        return let_in(request, connection, entered, user=user)


@act
def log_out(request: HttpRequest) -> HttpResponse:
    """End the session, and with it what is open."""
    leave(request)
    return redirect("/login")


def let_in(request: HttpRequest, connection: Connection, entered: LoggedIn, *, user: str) -> HttpResponse:
    """Go on after a log-in, by a password or by single sign-on: to where the visitor was going, or to the refusal."""
    if entered.session is None:
        return closed_page(request, entered.decision)
    remembered, going = browser.after_log_in(request, user=user), next_of(request)
    link = request.session.get(browser.LINK)
    go_on_in(request, connection, entered.session)
    if link:
        request.session[browser.LINK] = link
    return browser.remember(redirect(going), remembered, request)


def go_on_in(request: HttpRequest, connection: Connection, session: str) -> None:
    """Have the browser go on in a session. Another one that it had ends, or nobody could end what is open there."""
    before = visitor_of(request).session
    if before not in (None, session):
        leave_session(connection, id=str(before))
    request.session.flush()
    request.session[SESSION] = session
    if before != session:
        rotate_token(request)


def leave(request: HttpRequest) -> None:
    """End the visitor's session."""
    session = visitor_of(request).session
    if session is not None:
        with connected(request) as connection:
            leave_session(connection, id=session)
    request.session.flush()


def next_of(request: HttpRequest) -> str:
    """Give where to go after the log-in: an address of this site, and of no other."""
    wanted = request.POST.get("next") or request.GET.get("next") or request.session.get("next") or HOME
    local = wanted.startswith("/") and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    return wanted if local else HOME


def address_of(request: HttpRequest) -> str:
    """Give the address that the request came from, as the server says; headers are heeded from trusted proxies only."""
    return str(request.META.get("REMOTE_ADDR", ""))


def _form(request: HttpRequest, facts: dict[str, Any], *, status: int = HTTPStatus.OK) -> HttpResponse:
    provider = house_of(request).provider
    return render(request, "log_in.html", {"next": next_of(request), "provider": provider, **facts}, status=status)
