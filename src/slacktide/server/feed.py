"""`GET /api/schedule` and `GET /api/schedule/events`: the compiled schedule for gates, and word of its changes.

A document is made once for each set of organizations that tokens may see, by the keeper's thread as soon as there is a
new schedule; only then the streams tell of it, so that who asks at once gets the new one. The tag is that of the
content: servers that know the same give the same tag.

The events:

1. This server has lost the control database. With each answer it says how old its own knowledge is, and a gate adds
   that to its own; past the maximum age it gives no schedule at all.
2. A stream is silent for long, and something between cuts it. A sign of life goes out every few seconds.
3. A token is revoked while its stream is open: the stream ends.
4. The documents could not be made when the schedule came. They are made when they are asked for: what is given is
   never another schedule than the one whose age is said.
5. The server ends while streams are open: they end at once, so that it can.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from http import HTTPStatus
from typing import Any

import msgspec

from slacktide.control.token import Token
from slacktide.core.duration import format_instant
from slacktide.downtime.schedule import Schedule
from slacktide.downtime.wire import encode_schedule
from slacktide.gates.keeper import Keeper, Moment
from slacktide.gates.refusal import Headers, Reply, problem
from slacktide.server.wire import Receive, Send

_Seen = frozenset[str] | None
_SIGN_OF_LIFE_SECONDS = 5.0
_RETRY_SECONDS = 2


class _Document(msgspec.Struct, frozen=True):
    tag: str
    body: bytes


class Feed:
    """The documents of one schedule, and the streams that wait for the next one."""

    def __init__(self) -> None:
        """Begin without a schedule."""
        self._lock = threading.Lock()
        self._documents: dict[_Seen, _Document] = {}
        self._schedule: Schedule | None = None
        self._waiting: set[asyncio.Event] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = False

    def begin(self) -> None:
        """Note the loop that the streams run on."""
        self._loop = asyncio.get_running_loop()

    def end(self) -> None:
        """End all streams; called by any thread."""
        self._ended = True
        self.wake()

    def renew(self, moment: Moment) -> None:
        """Make the documents of a new schedule, and tell of it; called by any thread."""
        with self._lock:
            if (schedule := moment.schedule) is None or schedule is self._schedule:
                return
            wanted = {None, *self._documents}
            self._documents = {seen: _document(schedule, seen, since=moment.now) for seen in wanted}
            self._schedule = schedule
        self.wake()

    def answer(self, *, token: Token, known: str, keeper: Keeper) -> Reply:
        """Answer `GET /api/schedule`; `known` is what the gate has (If-None-Match)."""
        moment = keeper.moment()
        document = self._document_for(token, moment)
        if document is None or moment.stale:
            detail = "This server does not know the schedule at the moment: it cannot reach the control database."
            retry, status = (("Retry-After", str(_RETRY_SECONDS)),), HTTPStatus.SERVICE_UNAVAILABLE
            return problem(status=status, title="No schedule", detail=detail, headers=retry)
        headers = _headers(document, moment)
        if document.tag in (tag.strip().removeprefix("W/") for tag in known.split(",")):
            return Reply(HTTPStatus.NOT_MODIFIED, headers)
        length = ("Content-Length", str(len(document.body)))
        return Reply(HTTPStatus.OK, (*headers, ("Content-Type", "application/json"), length), document.body)

    async def stream(
        self, *, token: Token, keeper: Keeper, live: Callable[[], bool], receive: Receive, send: Send
    ) -> None:
        """Tell of each new schedule by its tag, at first of the one that there is, until the caller goes."""
        headers = [
            (b"content-type", b"text/event-stream"),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        told, changed = "", asyncio.Event()
        gone = asyncio.ensure_future(_gone(receive))
        self._waiting.add(changed)
        try:
            while not (gone.done() or self._ended) and live():
                changed.clear()
                document = self._document_for(token, keeper.moment())
                tag = told if document is None else document.tag
                piece = f"event: schedule\ndata: {tag}\n\n" if tag != told else ":\n\n"
                told = tag
                await send({"type": "http.response.body", "body": piece.encode(), "more_body": True})
                await _either(changed, gone)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._waiting.discard(changed)
            gone.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await gone

    def _document_for(self, token: Token, moment: Moment) -> _Document | None:
        """Give the document for a token; whatever became of the keeper's call, it is that of the schedule of now."""
        seen = frozenset(token.organizations) or None
        self.renew(moment)
        with self._lock:
            if self._schedule is None:
                return None
            if seen not in self._documents:
                self._documents[seen] = _document(self._schedule, seen, since=moment.now)
            return self._documents[seen]

    def wake(self) -> None:
        """Let the streams look, whether they are still admitted too; called by any thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: no stream is left
                self._loop.call_soon_threadsafe(self._wake_all)

    def _wake_all(self) -> None:
        for changed in self._waiting:
            changed.set()


def _document(schedule: Schedule, seen: _Seen, *, since: datetime) -> _Document:
    body = encode_schedule(schedule, organizations=seen, since=since.replace(minute=0, second=0, microsecond=0))
    return _Document(f'"{sha256(body).hexdigest()[:32]}"', body)


def _headers(document: _Document, moment: Moment) -> Headers:
    return (
        ("ETag", document.tag),
        ("Cache-Control", "no-cache, private"),
        ("Vary", "Authorization"),
        ("X-Slacktide-Now", format_instant(moment.now)),
        ("X-Slacktide-Age", f"{moment.age_seconds or 0:.3f}"),
    )


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _either(changed: asyncio.Event, gone: asyncio.Future[None]) -> None:
    """Wait for a change, for the caller to go, or until a sign of life is due."""
    waiting: asyncio.Future[Any] = asyncio.ensure_future(changed.wait())
    both: set[asyncio.Future[Any]] = {waiting, gone}
    await asyncio.wait(both, timeout=_SIGN_OF_LIFE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
