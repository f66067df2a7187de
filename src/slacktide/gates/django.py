"""A gate in a Django project, ours or somebody else's: a middleware that judges each request at its view.

    MIDDLEWARE = [..., "slacktide.gates.django.Gate"]    behind the one that knows the user
    DOWNTIME_GATE = {
        "keeper": "project.gate.keeper",      gives the `Keeper`, for a request
        "asks": "project.gate.asks",          says what a request is about: an `Ask`, or None
        "log_in_at": "/login",                where a link that asks for a log-in leads; may be left out
        "page": "project.gate.page",          gives the text of a refusal's page; may be left out
    }

`asks(request)` is called when the route is known: `request.resolver_match` says which view it is and with which
arguments. What is exempt (log-in, static files, health) it decides by that, never by text in the address.

1. A request comes with a body that is not complete yet. The body is read first, then the request is judged, then the
   view runs; under ASGI, Django itself has read it.
2. Another middleware answers before a view is found (a redirect, a cached page). A cache must stand behind the gate.
3. The answer goes on for long (`stream`). It is judged again at each piece, and ends where it is refused.
4. `asks` fails, such as by Http404. That is the project's answer, and the request does not pass.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from django.conf import settings
from django.core.handlers.wsgi import LimitedStream, WSGIRequest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.module_loading import import_string

from slacktide.core import clock
from slacktide.downtime.decision import Decision
from slacktide.gates.ask import Ask
from slacktide.gates.keeper import Keeper
from slacktide.gates.refusal import common_headers, refuse, status_of
from slacktide.gates.wsgi import BODILESS, FRESH_SECONDS, complete

_ASK = "slacktide_ask"


class Gate:
    """The middleware. Its callables are named by their dotted paths in the settings."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Take the rest of the project, and look the callables up."""
        self._get_response = get_response
        named: dict[str, str] = settings.DOWNTIME_GATE
        self._keeper: Callable[[HttpRequest], Keeper] = import_string(named["keeper"])
        self._asks: Callable[[HttpRequest], Ask | None] = import_string(named["asks"])
        self._log_in_at = named.get("log_in_at")
        page = named.get("page")
        self._page: Callable[[HttpRequest, Decision], str] | None = import_string(page) if page else None

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Run the project; watch an answer that goes on for long."""
        response = self._get_response(request)
        ask: Ask | None = getattr(request, _ASK, None)
        if ask is not None and ask.stream and isinstance(response, StreamingHttpResponse):
            pieces = response.streaming_content
            watched = self._each_async if response.is_async else self._each
            response.streaming_content = watched(request, ask, pieces)
        return response

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], arguments: Any, named: Any
    ) -> HttpResponse | None:
        """Judge a request whose view is known; None lets it go on."""
        del view, arguments, named
        ask = self._asks(request)
        if ask is None:
            return None
        if request.method not in BODILESS and isinstance(request, WSGIRequest):
            begun = clock.monotonic_seconds()
            _complete(request)
            if clock.monotonic_seconds() - begun > FRESH_SECONDS:
                ask = self._asks(request) or ask
        decision = self._keeper(request).refusal(ask)
        if decision is None:
            setattr(request, _ASK, ask)
            return None
        return self._refuse(request, decision)

    def _refuse(self, request: HttpRequest, decision: Decision) -> HttpResponse:
        accept = request.headers.get("accept", "")
        if self._page is not None and decision.decision != "login" and "text/html" in accept:
            body, headers = self._page(request, decision), dict(common_headers(decision))
            return HttpResponse(body, status=status_of(decision), headers=headers)
        reply = refuse(decision, accept=accept, log_in_at=self._log_in_at)
        return HttpResponse(reply.body, status=reply.status, headers=dict(reply.headers))

    def _each(self, request: HttpRequest, ask: Ask, pieces: Any) -> Iterator[bytes]:
        for piece in pieces:
            if self._keeper(request).refusal(self._asks(request) or ask) is not None:
                return
            yield piece

    async def _each_async(self, request: HttpRequest, ask: Ask, pieces: Any) -> AsyncIterator[bytes]:
        async for piece in pieces:
            if self._keeper(request).refusal(ask) is not None:
                return
            yield piece


def _complete(request: Any) -> None:
    """Read the body to its end, unless another middleware has; the view reads it from memory or a file."""
    if request._read_started or hasattr(request, "_body"):  # noqa: SLF001 -- Django has no other way to ask
        return
    coming = request.environ["wsgi.input"]
    complete(request.environ)
    if request.environ["wsgi.input"] is coming:  # nothing was stated, so there is no body
        return
    length = request.environ["wsgi.input"].seek(0, 2)
    request.environ["wsgi.input"].seek(0)
    request._stream = LimitedStream(request.environ["wsgi.input"], length)  # noqa: SLF001 -- as its `__init__` does
