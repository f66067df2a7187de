"""The downtimes: the list, a new one, and one with everything that can be done to it.

An organization administrator sees and changes those of its own organizations; that is judged again, by the role of this
moment, in the transaction that changes one.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.http.request import QueryDict
from django.shortcuts import redirect, render

from slacktide.control import downtime
from slacktide.control.downtime import Wish
from slacktide.control.organization import list_organizations
from slacktide.core.errors import InputError, SlacktideError
from slacktide.downtime.table import Action
from slacktide.gates.ask import Ask
from slacktide.server.pages.gate import manages, page, reads
from slacktide.server.pages.house import Connection, connected
from slacktide.server.pages.preview import confirmed, fields, given, text, tried
from slacktide.server.pages.visitor import visitor_now, visitor_of

_ENDS = ("end", "duration")


class NotYours(InputError):
    """Only an administrator of {organization} may change its downtimes: ask one."""


@page(manages)
def downtimes(request: HttpRequest) -> HttpResponse:
    """List them, the latest first; past ones with `?all`."""
    with connected(request) as connection:
        found = [one for one in downtime.list_downtimes(connection) if _mine(request, one["organization"])]
    shown = [one for one in found if "all" in request.GET or any(one["commands"].values())]
    return render(request, "downtimes.html", {"downtimes": shown[::-1], "hidden": len(found) - len(shown)})


@page(manages, posts=True)
def new_downtime(request: HttpRequest) -> HttpResponse:
    """Schedule one: the form, the preview of its effect, and the act."""
    visitor, facts = visitor_of(request), {}
    with connected(request) as connection:
        codes = [one.code for one in list_organizations(connection) if _mine(request, one.code)]
        if request.method == "POST":
            try:
                facts = _schedule(connection, request)
            except SlacktideError as error:
                facts = {"error": error}
    if "saved" in facts:
        return redirect("/downtimes" if len(facts["saved"]) > 1 else f"/downtime/{facts['saved'][0]['id']}")
    status = HTTPStatus.BAD_REQUEST if "error" in facts else HTTPStatus.OK
    form = {
        "codes": codes,
        "may_site": visitor.admin,
        "form": request.POST,
        "chosen": request.POST.getlist("organization"),
    }
    return render(request, "new_downtime.html", form | facts, status=status)


def concerns(request: HttpRequest, id: str) -> Ask:  # noqa: A002 -- the word of the address
    """Ask for managing one downtime."""
    visitor = visitor_of(request)
    if visitor.session is None or visitor.limited:
        return reads(request)
    with connected(request) as connection:
        found = _found(connection, id)
    own = found["organization"] in visitor.administers
    return Ask(action=Action.CHANGE_SETTING, user=visitor.user, admin=visitor.admin, own_downtime=own)


@page(concerns, posts=True)
def one_downtime(request: HttpRequest, id: str) -> HttpResponse:  # noqa: A002 -- the word of the address
    """Show one; a POST says what would come of an act, or does it."""
    facts: dict[str, Any] = {}
    with connected(request) as connection:
        if request.method == "POST":
            try:
                facts = _change(connection, request, id)
            except SlacktideError as error:
                facts = {"error": error}
        found = _found(connection, id)
    if "done" in facts:
        return redirect(f"/downtime/{id}")
    status = HTTPStatus.BAD_REQUEST if "error" in facts else HTTPStatus.OK
    return render(request, "downtime.html", {"downtime": found, "form": request.POST} | facts, status=status)


def _schedule(connection: Connection, request: HttpRequest) -> dict[str, Any]:
    post, keep = request.POST, confirmed(request)
    site, codes = post.get("scope") == "site", post.getlist("organization")
    wish = Wish(
        **given(post, "start", "end", "duration", "users", "zone", "message", "contact", "rrule"),
        until_ended=post.get("length") == "until_ended",
    )

    def change(within: Connection) -> Any:
        facts: dict[str, Any] = {"organizations": () if site else codes, "reason": post.get("reason", "")}
        facts["who"] = _allowed(within, request, [None] if site else [*codes])
        return downtime.schedule_downtime(within, wish=wish, site=site, dry_run=not keep, **facts)

    answer = tried(connection, change, keep=keep)
    return {"saved": answer.downtimes} if keep else _preview(request, answer.downtimes, answer.warnings)


def _change(connection: Connection, request: HttpRequest, key: str) -> dict[str, Any]:
    keep = confirmed(request)

    def change(within: Connection) -> Any:
        organization = downtime.downtime_of(within, id=key).organization
        who = _allowed(within, request, [organization])
        return _do(request.POST)(within, id=key, who=who, reason=request.POST.get("reason", ""))

    answer = tried(connection, change, keep=keep)
    if keep:
        return {"done": True}
    found = answer.downtimes if isinstance(answer, downtime.Answer) else [answer]
    return _preview(request, found, getattr(answer, "warnings", ()))


def _do(post: QueryDict) -> Callable[..., Any]:
    """Give the act that was asked for, to be called with the downtime, who acts and why."""

    def change(*, only_later: bool) -> Callable[..., Any]:
        wanted = given(post, "end", "duration")
        return lambda connection, **facts: downtime.change_downtime(
            connection, **wanted, only_later=only_later, **facts
        )

    def occurrence(to: str | None) -> Callable[..., Any]:
        at = post.get("occurrence", "")
        return lambda connection, **facts: downtime.change_occurrence(connection, occurrence=at, to=to, **facts)

    names = [name.strip() for name in post.get("testers", "").split(",")]

    def verify(connection: Connection, **facts: Any) -> Any:
        return downtime.end_downtime(connection, verifying=names, **facts)

    acts: dict[str, Callable[..., Any]] = {
        "extend": change(only_later=True),
        "change": change(only_later=False),
        "end": downtime.end_downtime,
        "cancel": downtime.cancel_downtime,
        "verify": verify,
        "skip": occurrence(None),
        "move": occurrence(text(post, "to")),
    }
    wanted = acts.get(post.get("do", ""))
    if wanted is None:
        raise Http404
    return wanted


def _preview(request: HttpRequest, found: list[dict[str, Any]], warnings: Any) -> dict[str, Any]:
    return {"preview": found, "warnings": warnings, "fields": fields(request.POST)}


def _allowed(connection: Connection, request: HttpRequest, organizations: list[str | None]) -> str:
    """Give who acts, if it may act for all of these organizations (None: the site) now. Raises NotYours."""
    visitor = visitor_now(connection, request)
    for organization in organizations:
        if not visitor.admin and organization not in visitor.administers:
            raise NotYours(organization=organization or "the site")
    return visitor.user


def _found(connection: Connection, key: str) -> dict[str, Any]:
    try:
        return downtime.show_downtime(connection, id=key)
    except downtime.UnknownDowntime as error:
        raise Http404 from error


def _mine(request: HttpRequest, organization: str | None) -> bool:
    visitor = visitor_of(request)
    return visitor.admin or organization in visitor.administers
