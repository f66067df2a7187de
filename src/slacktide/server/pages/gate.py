"""How a view is judged: three decorators, and what the gate asks them.

`asks(request, ...)` of a `@page` gets the arguments of the view. It may raise Http404, for a task that the visitor must
not know of: closed, foreign and absent are then one answer, given before anything is judged.

A NUL is in no text that a database keeps: an address with one leads nowhere, and a form with one is given back.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from slacktide.core.errors import InputError
from slacktide.downtime.table import Action
from slacktide.gates.ask import Ask
from slacktide.server.pages.closed import refused
from slacktide.server.pages.visitor import visitor_of

View = Callable[..., HttpResponseBase]
Asks = Callable[..., Ask | None]
JUDGED = "slacktide_asks"
_NUL = "\0"


class NotJudged(RuntimeError):
    """A view has no decorator of this module."""


class NotText(InputError):
    """There is a character in what you sent that cannot be kept (NUL): take it out, and send it again."""


def page(asks: Asks, *, posts: bool = False, limited: bool = False) -> Callable[[View], View]:
    """Have a view judged by what `asks` says, for who is logged in; a POST is allowed with `posts`.

    With `limited` a session that may go on with open tasks only is enough; the view shows it no more than those.
    """

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def shown(request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponseBase:
            visitor = visitor_of(request)
            if visitor.session is None or (visitor.limited and not limited):
                return to_log_in(request)
            return view(request, *arguments, **named)

        return _judged(shown if posts else require_safe(shown), asks)

    return decorate


def act(view: View) -> View:
    """Have a view be a POST that judges by itself, in the transaction that does what it does."""
    return _judged(require_POST(view), _nothing)


def exempt(view: View) -> View:
    """Have a view never be judged, so that it stays reachable in every downtime."""
    return _judged(view, _nothing)


def asks(request: HttpRequest) -> Ask | None:
    """Say what a request is about, by the view that it leads to."""
    if _NUL in request.path:
        raise Http404
    match = request.resolver_match
    judged = getattr(match.func, JUDGED, None) if match is not None else None
    if match is None or judged is None:
        raise NotJudged(request.path)
    found: Ask | None = judged(request, *match.args, **match.kwargs)
    return found


def reads(request: HttpRequest, *arguments: Any, **named: Any) -> Ask:
    """Ask for reading; without a session it is judged as a log-in."""
    del arguments, named
    visitor = visitor_of(request)
    session: Any = "none" if visitor.session is None else "live"
    return Ask(action=Action.READ, user=visitor.user or None, admin=visitor.admin, session=session)


def administers(request: HttpRequest, *arguments: Any, **named: Any) -> Ask:
    """Ask for what administrators do; organization administrators have pages of their own downtimes."""
    visitor = visitor_of(request)
    if visitor.session is None or visitor.limited:
        return reads(request, *arguments, **named)
    return Ask(action=Action.CHANGE_SETTING, user=visitor.user, admin=visitor.admin)


def manages(request: HttpRequest, *arguments: Any, **named: Any) -> Ask:
    """Ask for managing downtimes; which ones is judged again when one is changed."""
    visitor = visitor_of(request)
    if visitor.session is None or visitor.limited:
        return reads(request, *arguments, **named)
    own = bool(visitor.administers)
    return Ask(action=Action.CHANGE_SETTING, user=visitor.user, admin=visitor.admin, own_downtime=own)


def to_log_in(request: HttpRequest) -> HttpResponse:
    """Lead to the log-in, and from there back."""
    back = request.get_full_path() if request.method in ("GET", "HEAD") else "/worklist"
    return redirect(f"/login?{urlencode({'next': back})}")


def _nothing(request: HttpRequest, *arguments: Any, **named: Any) -> None:
    del request, arguments, named


def _judged(view: View, asks: Asks) -> View:
    """Note how a view is judged; what it is sent is text."""

    @functools.wraps(view)
    def judged(request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponseBase:
        sent = [value for _, values in (*request.GET.lists(), *request.POST.lists()) for value in values]
        if any(_NUL in value for value in sent):
            typed = request.POST.get("note", "").replace(_NUL, "")
            return refused(request, NotText(), status=HTTPStatus.BAD_REQUEST, typed=typed, kept=False)
        return view(request, *arguments, **named)

    setattr(judged, JUDGED, asks)
    return judged
