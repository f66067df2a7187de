"""What administrators look at while a downtime runs: states, holders, held work, the trail."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from slacktide.control.audit import list_audit
from slacktide.control.lease import end_lease
from slacktide.control.quiet import people
from slacktide.control.schedule import known_of
from slacktide.control.session import end_session
from slacktide.control.setting import control_now
from slacktide.core.errors import SlacktideError
from slacktide.cutover.holding_up import end_holder
from slacktide.cutover.state import codes, measure_of, states
from slacktide.holding.answer import sums_of
from slacktide.holding.listing import held_check, held_list
from slacktide.server.pages.gate import administers, page
from slacktide.server.pages.house import Connection, connected
from slacktide.server.pages.visitor import administrator

_SHOWN = 500
_TRAIL = timedelta(days=7)


@page(administers)
def overview(request: HttpRequest) -> HttpResponse:
    """Show the site and every organization, and why each is as it is."""
    with connected(request) as connection:
        measured = measure_of(connection)
        found = states(connection, organizations=codes(connection), measured=measured)
        held = held_list(connection)
    waiting = {one["organization"]: one["count"] for one in sums_of(held)}
    rows = [(one.answer(), waiting.get(one.organization or "", 0)) for one in found]
    return render(request, "overview.html", {"rows": rows})


@page(administers, posts=True)
def holders(request: HttpRequest) -> HttpResponse:
    """Show who holds a closing up; a POST ends one of them."""
    error = None
    with connected(request) as connection:
        if request.method == "POST":
            error = _end(connection, request)
            if error is None:
                return redirect("/holders")
        left = people(connection, organization=None, known=known_of(connection), now=control_now(connection))
        measured = measure_of(connection)
        found = {(one.database, one.id): one for code in codes(connection) for one in measured.holders(code)}
    facts: dict[str, Any] = {"leases": left.leases, "sessions": left.sessions, "transactions": [*found.values()]}
    status = HTTPStatus.OK if error is None else HTTPStatus.BAD_REQUEST
    return render(request, "holders.html", facts | {"error": error}, status=status)


@page(administers, posts=True)
def held(request: HttpRequest) -> HttpResponse:
    """Show the work that waits; a POST looks at it now, and passes no downtime by that."""
    with connected(request) as connection:
        if request.method == "POST":
            with connection.transaction():
                who = administrator(connection, request)
                held_check(connection, id=request.POST.get("id") or None, who=who, reason="")
            return redirect("/held")
        found = held_list(connection)
    facts = {"items": found[:_SHOWN], "hidden": max(0, len(found) - _SHOWN), "sums": sums_of(found)}
    return render(request, "held.html", facts)


@page(administers)
def audit(request: HttpRequest) -> HttpResponse:
    """Show the trail of the last days, the latest first."""
    with connected(request) as connection:
        found = list_audit(connection, since=control_now(connection) - _TRAIL)
    return render(request, "audit.html", {"entries": found[::-1][:_SHOWN], "days": _TRAIL.days})


def _end(connection: Connection, request: HttpRequest) -> SlacktideError | None:
    ends: dict[str, Callable[..., Any]] = {"lease": end_lease, "session": end_session}
    what = request.POST.get("what", "")
    if what == "transaction":
        ends[what] = partial(end_holder, measured=measure_of(connection))
    elif what not in ends:
        raise Http404
    facts = {"id": request.POST.get("id", ""), "reason": request.POST.get("reason", "")}
    try:
        with connection.transaction():
            ends[what](connection, **facts, who=administrator(connection, request))
    except SlacktideError as error:
        return error
    return None
