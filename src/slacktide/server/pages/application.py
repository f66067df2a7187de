"""The pages as one application of a site.

1. Somebody sends a form slowly, or begins it and never ends it, many times at once. It is received here, beside the
   threads, at most so large and for so long; a thread gets it when it is complete. So nobody is kept waiting by that.
2. The connection breaks while a form is on its way. Half a form reads like a whole one; nothing is done with it.
3. A user is disabled, or logs out, while a form is on its way. Who it is is asked when the form is complete.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import django
from a2wsgi import WSGIMiddleware
from django.conf import settings

from slacktide.gates.refusal import problem
from slacktide.server.pages.configuration import LARGEST_BODY_BYTES, settings_of
from slacktide.server.pages.house import CONNECTIONS, KEY, House
from slacktide.server.wire import BodyTooLarge, Receive, Scope, Send, body_of, say

_lock = threading.Lock()
_LOCAL = ["localhost", "127.0.0.1", "[::1]"]
_BODY_SECONDS = 30.0
_TOO_LARGE = problem(
    status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    title="Too large",
    detail="The request is larger than 1 MB. Nothing was done: go back, and send less at once.",
)
_TOO_SLOW = problem(
    status=HTTPStatus.REQUEST_TIMEOUT,
    title="Too slow",
    detail=f"The request was not complete after {_BODY_SECONDS:.0f} seconds. Nothing was done: send it again.",
    headers=(("Connection", "close"),),
)


class Pages:
    """The pages of one site, as an ASGI application that runs them in threads."""

    def __init__(self, house: House, *, body_seconds: float = _BODY_SECONDS) -> None:
        """Take the site. Django's settings are the process's: the secret and address of its first site hold."""
        self._house, self._body_seconds = house, body_seconds
        with _lock:
            if not settings.configured:
                settings.configure(**settings_of(secret=house.secret, base_url=house.base_url, hosts=_LOCAL))
                django.setup(set_prefix=False)
        from django.core.handlers.wsgi import WSGIHandler  # noqa: PLC0415 -- reads the settings

        self._handler = WSGIHandler()
        self._threads: Any = WSGIMiddleware(self._answer, workers=CONNECTIONS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request once it is complete."""
        try:
            async with asyncio.timeout(self._body_seconds):
                body = await body_of(receive, largest_bytes=LARGEST_BODY_BYTES)
        except BodyTooLarge:
            await say(_TOO_LARGE, send)
        except TimeoutError:
            await say(_TOO_SLOW, send)
        else:
            if body is not None:
                await self._threads(*_complete(scope, body), send)

    def close(self) -> None:
        """End the threads and the connections."""
        self._threads.executor.shutdown(wait=False, cancel_futures=True)
        self._house.close()

    def _answer(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        return self._handler({**environ, KEY: self._house}, start_response)


def _complete(scope: Scope, body: bytes) -> tuple[Scope, Receive]:
    """Give a request with its whole body; one that came in pieces states its length now, without which none is read."""
    headers = [(name, value) for name, value in scope["headers"] if name != b"content-length"]

    async def received() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    return {**scope, "headers": [*headers, (b"content-length", str(len(body)).encode())]}, received
