"""A gate before a WSGI application: `application = Gate(application, keeper=Keeper(...), asks=asks)`.

`asks(environ)` is the application's own: it says what a request is about (an `Ask`), or None for one that is not gated.
What is exempt (log-in, static files, health) it decides by the route that the application's own router finds, never by
text in the address.

1. A request comes with a body. The body is read first, then the request is judged, then the application runs.
2. The downtime begins while the application works. The request was complete before and goes on; what it writes into a
   guarded database is judged once more, when it commits.
3. The answer goes on for long (`stream`). It is judged again at each piece, and ends where it is refused.
4. `asks` fails. The error is the application's, and the request does not pass.
5. The connection breaks while the body is on its way. The server says that it has ended, and half a form reads like a
   whole one. What is shorter than it was said to be is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any, Protocol

from slacktide.core import clock
from slacktide.gates.ask import Ask
from slacktide.gates.body import PIECE_BYTES, Body, CutOff
from slacktide.gates.keeper import Keeper
from slacktide.gates.refusal import Reply, problem, refuse

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]
# Whatever body these have means nothing (RFC 9110, section 9.3).
BODILESS = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
FRESH_SECONDS = 1.0


class Asks(Protocol):
    """What the application says of a request; None: it is not gated."""

    def __call__(self, environ: Environ, /) -> Ask | None:
        """Say what a request is about."""


class Gate:
    """The application behind its gate. `log_in_at` is where a link that asks for a log-in leads."""

    def __init__(self, application: Application, *, keeper: Keeper, asks: Asks, log_in_at: str | None = None) -> None:
        """Take the application, the keeper of the schedule, and what says what a request is about."""
        self._application, self._keeper, self._asks, self._log_in_at = application, keeper, asks, log_in_at

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Judge a request; run the application, or refuse."""
        ask = self._asks(environ)
        if ask is None:
            return self._application(environ, start_response)
        if environ["REQUEST_METHOD"] not in BODILESS:
            begun = clock.monotonic_seconds()
            try:
                complete(environ)
            except CutOff as error:
                reply = problem(status=HTTPStatus.BAD_REQUEST, title="Not complete", detail=str(error))
                return _say(reply, start_response, method=environ["REQUEST_METHOD"])
            if clock.monotonic_seconds() - begun > FRESH_SECONDS:
                ask = self._asks(environ) or ask
        decision = self._keeper.refusal(ask)
        if decision is not None:
            accept, method = environ.get("HTTP_ACCEPT", ""), environ["REQUEST_METHOD"]
            return _say(refuse(decision, accept=accept, log_in_at=self._log_in_at), start_response, method=method)
        if ask.stream:
            return self._watched(self._application(environ, start_response), environ, ask)
        return self._application(environ, start_response)

    def _watched(self, pieces: Iterable[bytes], environ: Environ, ask: Ask) -> Iterator[bytes]:
        try:
            for piece in pieces:
                if self._keeper.refusal(self._asks(environ) or ask) is not None:
                    return
                yield piece
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                close()


def complete(environ: Environ) -> None:
    """Read the body to its end; the application reads it from memory or a file. Raises CutOff."""
    left = stated_bytes(environ)
    if left is None and not environ.get("wsgi.input_terminated"):
        return  # by the standard there is no body
    source, body = environ["wsgi.input"], Body()
    while left is None or left > 0:
        piece = source.read(PIECE_BYTES if left is None else min(PIECE_BYTES, left))
        if not piece:
            break
        body.write(piece)
        left = None if left is None else left - len(piece)
    if left:
        raise CutOff
    environ["wsgi.input"] = body.read()


def stated_bytes(environ: Environ) -> int | None:
    """Give the length that a body is said to have; None for one that its server ends."""
    stated = environ.get("CONTENT_LENGTH") or ""
    return int(stated) if stated.isascii() and stated.isdigit() else None


def _say(reply: Reply, start_response: StartResponse, *, method: str) -> Iterable[bytes]:
    start_response(f"{reply.status} {HTTPStatus(reply.status).phrase}", [*reply.headers])
    return [] if method == "HEAD" else [reply.body]
