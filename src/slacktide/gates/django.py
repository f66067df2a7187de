"""A gate in a Django project, ours or somebody else's: a middleware that judges each request by the view it leads to.

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
   project goes on; under ASGI, Django itself has read it. What another middleware has read before is left to it. One
   that is shorter than it was said to be was cut off, and is refused.
2. A middleware behind the gate answers before any view is called, as a cache does. So the gate finds the route itself
   and judges before anything behind it runs. What stands before the gate is not judged: a cache must stand behind it.
3. A middleware behind the gate has the request lead to another view than the gate found. It is judged again, at the
   view, by that one.
4. A middleware behind the gate answers for an address that leads to no view. A cache does, for "/x/../page" is "/page"
   to it. What it answers with success is judged then, with no route; `asks` that cannot do without one fails.
5. The answer goes on for long (`stream`). It is judged at each piece, under ASGI in silence too, and ends where it is
   refused; once a second `asks` is called anew, for a role may have been taken away.
6. Under ASGI, Django collects a stream of a synchronous view before it sends the first piece. It is sent piece by
   piece here, so that nothing that was made before a start is sent long after it.
7. `asks` fails, such as by Http404. That is the project's answer, and the request does not pass.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from http import HTTPStatus
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.conf import settings
from django.core.exceptions import BadRequest
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import LimitedStream, WSGIRequest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import Resolver404, ResolverMatch, get_resolver
from django.utils.module_loading import import_string

from slacktide.core import clock
from slacktide.downtime.decision import Decision
from slacktide.gates.ask import Ask
from slacktide.gates.body import PIECE_BYTES, Body, CutOff
from slacktide.gates.keeper import Keeper
from slacktide.gates.refusal import common_headers, refuse, status_of
from slacktide.gates.wsgi import BODILESS, FRESH_SECONDS, complete, stated_bytes

_ASK, _JUDGED = "slacktide_ask", "slacktide_judged"
_SILENCE_SECONDS = 1.0


class Gate:
    """The middleware. Its callables are named by their dotted paths in the settings."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        """Take the rest of the project, and look the callables up."""
        self._get_response = get_response
        self._async = iscoroutinefunction(get_response)
        if self._async:
            markcoroutinefunction(self)
        named: dict[str, str] = settings.DOWNTIME_GATE
        self._keeper: Callable[[HttpRequest], Keeper] = import_string(named["keeper"])
        self._asks: Callable[[HttpRequest], Ask | None] = import_string(named["asks"])
        self._log_in_at = named.get("log_in_at")
        page = named.get("page")
        self._page: Callable[[HttpRequest, Decision], str] | None = import_string(page) if page else None

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Judge a request, run the project, and watch an answer that goes on for long."""
        if self._async:
            return self._called(request)
        if (refused := self._before(request)) is not None:
            return refused
        response: HttpResponseBase = self._get_response(request)
        return self._after(request, response) or self._watched(request, response)

    async def _called(self, request: HttpRequest) -> HttpResponseBase:
        if (refused := await sync_to_async(self._before)(request)) is not None:
            return refused
        response: HttpResponseBase = await self._get_response(request)
        return await sync_to_async(self._after)(request, response) or self._watched(request, response)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], arguments: Any, named: Any
    ) -> HttpResponse | None:
        """Judge a request at its view, unless it was judged by that one; None lets it go on."""
        del view, arguments, named
        return None if getattr(request, _JUDGED, None) == _shown(request.resolver_match) else self._judge(request)

    def _before(self, request: HttpRequest) -> HttpResponse | None:
        """Judge a request by the view that it will lead to, as far as is known."""
        try:
            urls = getattr(request, "urlconf", None) or settings.ROOT_URLCONF
            request.resolver_match = get_resolver(urls).resolve(request.path_info)
        except Resolver404:
            return None
        return self._judge(request)

    def _after(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponse | None:
        """Judge a request that was answered without a view."""
        given = response.status_code < HTTPStatus.MULTIPLE_CHOICES or response.status_code == HTTPStatus.NOT_MODIFIED
        return self._judge(request) if given and not hasattr(request, _JUDGED) else None

    def _judge(self, request: HttpRequest) -> HttpResponse | None:
        setattr(request, _JUDGED, _shown(request.resolver_match))
        ask = self._asks(request)
        if ask is not None and request.method not in BODILESS and isinstance(request, WSGIRequest):
            begun = clock.monotonic_seconds()
            try:
                _complete(request)
            except CutOff as error:
                raise BadRequest(str(error)) from error
            if clock.monotonic_seconds() - begun > FRESH_SECONDS:
                ask = self._asks(request) or ask
        setattr(request, _ASK, ask)
        decision = self._keeper(request).refusal(ask) if ask is not None else None
        return None if decision is None else self._refuse(request, decision)

    def _refuse(self, request: HttpRequest, decision: Decision) -> HttpResponse:
        accept = request.headers.get("accept", "")
        if self._page is not None and decision.decision != "login" and "text/html" in accept:
            body, headers = self._page(request, decision), dict(common_headers(decision))
            return HttpResponse(body, status=status_of(decision), headers=headers)
        reply = refuse(decision, accept=accept, log_in_at=self._log_in_at)
        return HttpResponse(reply.body, status=reply.status, headers=dict(reply.headers))

    # -- answers that go on for long -----------------------------------------------------------------------------------

    def _watched(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        ask: Ask | None = getattr(request, _ASK, None)
        if ask is None or not ask.stream or not isinstance(response, StreamingHttpResponse):
            return response
        watch = _Watch(lambda: self._asks(request) or ask, self._keeper(request), ask)
        pieces: Any = response.streaming_content
        if response.is_async or isinstance(request, ASGIRequest):
            response.streaming_content = watch.each_async(pieces if response.is_async else _one_by_one(pieces))
        else:
            response.streaming_content = watch.each(pieces)
        return response


class _Watch:
    """One stream: what it is about, as it was said last."""

    def __init__(self, asks: Callable[[], Ask], keeper: Keeper, ask: Ask) -> None:
        self._asks, self._keeper, self._ask = asks, keeper, ask
        self._asked = clock.monotonic_seconds()

    def each(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Give the pieces until it is refused."""
        for piece in pieces:
            if self._due():
                self._said(self._asks())
            if self._keeper.refusal(self._ask) is not None:
                return
            yield piece

    async def each_async(self, pieces: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
        """Give the pieces until it is refused, which is judged at each boundary and each second, too."""
        coming: asyncio.Future[bytes] | None = None
        try:
            while True:
                coming = coming or asyncio.ensure_future(_next(pieces))
                done, _ = await asyncio.wait({coming}, timeout=self._seconds())
                if self._due():
                    self._said(await sync_to_async(self._asks)())
                if self._keeper.refusal(self._ask) is not None:
                    return
                if done:
                    piece = coming.result()
                    coming = None
                    yield piece
        except StopAsyncIteration:
            return
        finally:
            if coming is not None:
                coming.cancel()
                await asyncio.wait({coming}, timeout=_SILENCE_SECONDS)
            with contextlib.suppress(RuntimeError):  # one that heeds no cancellation is left to itself
                await pieces.aclose()

    def _seconds(self) -> float:
        return self._keeper.seconds_to_boundary(organization=self._ask.organization, at_most=_SILENCE_SECONDS)

    def _due(self) -> bool:
        return clock.monotonic_seconds() - self._asked >= _SILENCE_SECONDS

    def _said(self, ask: Ask) -> None:
        self._ask, self._asked = ask, clock.monotonic_seconds()


async def _next(pieces: AsyncIterator[bytes]) -> bytes:
    return await anext(pieces)


async def _one_by_one(pieces: Iterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Give the pieces of a synchronous view, each when it is there."""
    end = object()
    following = sync_to_async(lambda: next(pieces, end), thread_sensitive=False)
    while (piece := await following()) is not end:
        yield piece  # type: ignore[misc] # it is not the end


def _shown(match: ResolverMatch | None) -> Any:
    """Give what tells one route from another."""
    return None if match is None else (match.func, match.args, match.kwargs)


def _complete(request: Any) -> None:
    """Read the body to its end, unless another middleware has; the view reads it from memory or a file.

    Raises CutOff.
    """
    if hasattr(request, "_body") or hasattr(request, "_files"):
        return _check(request)
    if request._read_started:  # noqa: SLF001 -- Django has no other way to ask
        kept = Body()
        while piece := request._stream.read(PIECE_BYTES):  # noqa: SLF001 -- what is left of it
            kept.write(piece)
        _check(request)
        source: Any = kept.read()
    else:
        coming = request.environ["wsgi.input"]
        complete(request.environ)
        source = request.environ["wsgi.input"]
        if source is coming:  # nothing was stated, so there is no body
            return None
    length = source.seek(0, 2)
    source.seek(0)
    request._stream = LimitedStream(source, length)  # noqa: SLF001 -- as its `__init__` does
    return None


def _check(request: Any) -> None:
    """Refuse a body that was read to its end and is shorter than it was said to be. Raises CutOff."""
    if hasattr(request, "_body"):
        left = (stated_bytes(request.environ) or 0) - len(request.body)
    else:
        left = request._stream.limit - request._stream._pos  # noqa: SLF001 -- Django has no other way to ask
    if left > 0:
        raise CutOff
