"""How a view is judged: three decorators, and what the gate asks them.

`asks(request, ...)` of a `@page` gets the arguments of the view. It may raise Http404, for a task that the visitor must
not know of: closed, foreign and absent are then one answer, given before anything is judged.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from slacktide.downtime.table import Action
from slacktide.gates.ask import Ask
from slacktide.server.pages.visitor import visitor_of

View = Callable[..., HttpResponseBase]
Asks = Callable[..., Ask | None]
JUDGED = "slacktide_asks"


class NotJudged(RuntimeError):
    """A view has no decorator of this module."""


def page(asks: Asks, *, posts: bool = False, limited: bool = False) -> Callable[[View], View]:
    """Have a view judged by what `asks` says, for who is logged in.

    A POST is allowed with `posts`, and whoever may go on with open tasks only with `limited`.
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
    if (visitor := visitor_of(request)).session is None:
        return reads(request, *arguments, **named)
    return Ask(action=Action.CHANGE_SETTING, user=visitor.user, admin=visitor.admin)


def manages(request: HttpRequest, *arguments: Any, **named: Any) -> Ask:
    """Ask for managing downtimes; which ones is judged again when one is changed."""
    if (visitor := visitor_of(request)).session is None:
        return reads(request, *arguments, **named)
    own = bool(visitor.role.administers)
    return Ask(action=Action.CHANGE_SETTING, user=visitor.user, admin=visitor.admin, own_downtime=own)


def to_log_in(request: HttpRequest) -> HttpResponse:
    """Lead to the log-in, and from there back."""
    back = request.get_full_path() if request.method in ("GET", "HEAD") else "/worklist"
    return redirect(f"/login?{urlencode({'next': back})}")


def _nothing(request: HttpRequest, *arguments: Any, **named: Any) -> None:
    del request, arguments, named


def _judged(view: View, asks: Asks) -> View:
    setattr(view, JUDGED, asks)
    return view
