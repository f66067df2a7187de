"""A gate before an ASGI application: `app = Gate(app, keeper=Keeper(...), asks=asks)`.

`asks(scope)` is the application's own, plain or `async`: it says what a request is about (an `Ask`), or None for one
that is not gated. What is exempt (log-in, static files, health) it decides by the route that the application's own
router finds, never by text in the address.

1. A request comes with a body. The body is received first, then the request is judged, then the application runs.
2. The client goes away while it sends. The application is not called.
3. The downtime begins while the application works. The request was complete before and goes on; what it writes into a
   guarded database is judged once more, when it commits.
4. An answer goes on for long (`stream`), or it is a WebSocket. It is judged at each message, and in silence too: at
   each boundary that is known, and each second for what is not. Where it is refused, the application's task is
   cancelled, and the stream ends; a socket is closed with 1013, "try again later". An application that does not heed
   that is not waited for, and nothing that it sends goes out.
5. A user loses the administrator's role while a socket is open. `asks` is called anew each time that it is judged in
   silence.
6. `asks` fails. The error is the application's, and the request does not pass.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from slacktide.core import clock
from slacktide.downtime.decision import Decision
from slacktide.gates.ask import Ask
from slacktide.gates.body import PIECE_BYTES, Body
from slacktide.gates.keeper import Keeper
from slacktide.gates.refusal import Reply, refuse

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
# Whatever body these have means nothing (RFC 9110, section 9.3).
_BODILESS = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
_FRESH_SECONDS = 1.0
_SILENCE_SECONDS = 1.0
_GRACE_SECONDS = 1.0
_TRY_AGAIN_LATER = 1013
_REASON_BYTES = 120


class Asks(Protocol):
    """What the application says of a request; None: it is not gated."""

    def __call__(self, scope: Scope, /) -> Ask | Awaitable[Ask | None] | None:
        """Say what a request is about."""


class Gate:
    """The application behind its gate. `log_in_at` is where a link that asks for a log-in leads."""

    def __init__(self, app: Application, *, keeper: Keeper, asks: Asks, log_in_at: str | None = None) -> None:
        """Take the application, the keeper of the schedule, and what says what a request is about."""
        self._app, self._keeper, self._asks, self._log_in_at = app, keeper, asks, log_in_at

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge a request; run the application, or refuse."""
        kind = scope["type"]
        if kind == "lifespan":
            await asyncio.to_thread(self._keeper.start, wait_seconds=3.0)
            return await self._app(scope, receive, send)
        ask = self._asks(scope)
        if ask is not None and not isinstance(ask, Ask):
            ask = await ask
        if ask is None:
            return await self._app(scope, receive, send)
        if kind == "websocket":
            return await self._watch(scope, receive, send, ask)
        return await self._request(scope, receive, send, ask)

    async def _request(self, scope: Scope, receive: Receive, send: Send, ask: Ask) -> None:
        if scope["method"] not in _BODILESS:
            begun = clock.monotonic_seconds()
            complete = await _complete(receive)
            if complete is None:
                return None
            receive = complete
            if clock.monotonic_seconds() - begun > _FRESH_SECONDS:
                ask = await self._ask(scope) or ask
        decision = self._keeper.refusal(ask)
        if decision is not None:
            return await self._refuse(decision, scope, send)
        if ask.stream:
            return await self._watch(scope, receive, send, ask)
        return await self._app(scope, receive, send)

    async def _ask(self, scope: Scope) -> Ask | None:
        ask = self._asks(scope)
        return ask if ask is None or isinstance(ask, Ask) else await ask

    async def _refuse(self, decision: Decision, scope: Scope, send: Send) -> None:
        reply = refuse(decision, accept=header(scope, b"accept"), log_in_at=self._log_in_at)
        await say(reply, send, head=scope["method"] == "HEAD")

    async def _watch(self, scope: Scope, receive: Receive, send: Send, ask: Ask) -> None:
        """Run the application for as long as its stream or socket may go on."""
        watch = _Watch(self._keeper, ask, send)
        if watch.judge():
            running = asyncio.ensure_future(self._app(scope, watch.receiving(receive), watch.sending))
            silent = asyncio.ensure_future(watch.in_silence(lambda: self._ask(scope)))
            await watch.first(running, silent)
        elif scope["type"] == "websocket":
            await receive()  # "websocket.connect", that it may be answered
        if watch.decision is None or watch.over:
            return
        if scope["type"] == "websocket":
            await self._close(watch.decision, scope, send, accepted=watch.begun)
        elif watch.begun:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await self._refuse(watch.decision, scope, send)

    async def _close(self, decision: Decision, scope: Scope, send: Send, *, accepted: bool) -> None:
        """Close a socket; one that was not accepted gets the answer of a request, if the server can send it."""
        if not accepted and "websocket.http.response" in (scope.get("extensions") or {}):
            return await say(refuse(decision, accept=header(scope, b"accept")), send, kind="websocket.http.response")
        reason = (decision.message or "").encode()[:_REASON_BYTES].decode(errors="ignore")
        return await send({"type": "websocket.close", "code": _TRY_AGAIN_LATER, "reason": reason})


class _Watch:
    """One stream or socket, and what was decided of it: whether it has `begun` to answer, and is `over`."""

    def __init__(self, keeper: Keeper, ask: Ask, send: Send) -> None:
        self._keeper, self._ask, self._send = keeper, ask, send
        self._refused = asyncio.Event()
        self._ending = False
        self.decision: Decision | None = None
        self.begun = self.over = False

    def judge(self) -> bool:
        """Tell whether it may go on; what is refused once stays so."""
        if self.decision is None:
            self.decision = self._keeper.refusal(self._ask)
        if self.decision is not None:
            self._refused.set()
        return self.decision is None

    def receiving(self, receive: Receive) -> Receive:
        """Judge each message that a socket brings."""

        async def received() -> Message:
            message = await receive()
            if message["type"] == "websocket.receive" and not self.judge():
                await self._cancelled()
            return message

        return received

    async def sending(self, message: Message) -> None:
        """Judge each message that the application sends."""
        kind = message["type"]
        if not self.over and kind != "websocket.close" and not self.judge():
            await self._cancelled()
        self.begun = True
        self.over = kind == "websocket.close" or (kind == "http.response.body" and not message.get("more_body", False))
        await self._send(message)

    async def in_silence(self, asks: Callable[[], Awaitable[Ask | None]]) -> None:
        """Judge at each boundary, and each second, until it is refused."""
        while not self._refused.is_set():
            whose = self._ask.organization
            seconds = self._keeper.seconds_to_boundary(organization=whose, at_most=_SILENCE_SECONDS)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._refused.wait(), seconds)
            self._ask = await asks() or self._ask
            self.judge()

    async def first(self, running: asyncio.Future[None], silent: asyncio.Future[None]) -> None:
        """Wait until the application is done or what it does is refused, and end the other."""
        try:
            await asyncio.wait({running, silent}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._ending = True
            for task in (running, silent):
                task.cancel()
        await asyncio.wait({running, silent}, timeout=_GRACE_SECONDS)
        for task in (silent, running):
            if task.done() and not task.cancelled():
                task.result()

    async def _cancelled(self) -> None:
        """Wait to be cancelled; one that was, and goes on all the same, is cancelled again."""
        if self._ending:
            raise asyncio.CancelledError
        await asyncio.Event().wait()


async def _complete(receive: Receive) -> Receive | None:
    """Receive the body to its end; give what brings it again and then what comes next, None if the client went."""
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        return _again([message], receive)
    body = Body()
    while message["type"] == "http.request":
        body.write(message.get("body", b""))
        if not message.get("more_body", False):
            break
        message = await receive()
    else:
        return None
    kept = body.read()

    async def read() -> Message:
        if kept.closed:
            return await receive()
        piece = kept.read(PIECE_BYTES)
        more = len(piece) == PIECE_BYTES
        if not more:
            kept.close()
        return {"type": "http.request", "body": piece, "more_body": more}

    return read


def _again(messages: list[Message], receive: Receive) -> Receive:
    async def received() -> Message:
        return messages.pop() if messages else await receive()

    return received


def header(scope: Scope, name: bytes) -> str:
    """Give a header of a request, empty if it has none."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


async def say(reply: Reply, send: Send, *, head: bool = False, kind: str = "http.response") -> None:
    """Send an answer."""
    headers = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in reply.headers]
    await send({"type": f"{kind}.start", "status": int(reply.status), "headers": headers})
    await send({"type": f"{kind}.body", "body": b"" if head else reply.body})
