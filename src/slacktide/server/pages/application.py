"""The pages as one application of a site."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

import django
from a2wsgi import WSGIMiddleware
from django.conf import settings

from slacktide.server.pages.configuration import settings_of
from slacktide.server.pages.house import CONNECTIONS, KEY, House
from slacktide.server.wire import Receive, Scope, Send

_lock = threading.Lock()
_LOCAL = ["localhost", "127.0.0.1", "[::1]"]


class Pages:
    """The pages of one site, as an ASGI application that runs them in threads."""

    def __init__(self, house: House) -> None:
        """Take the site. Django's settings are the process's: the secret and address of its first site hold."""
        self._house = house
        with _lock:
            if not settings.configured:
                settings.configure(**settings_of(secret=house.secret, base_url=house.base_url, hosts=_LOCAL))
                django.setup(set_prefix=False)
        from django.core.handlers.wsgi import WSGIHandler  # noqa: PLC0415 -- reads the settings

        self._handler = WSGIHandler()
        self._threads: Any = WSGIMiddleware(self._answer, workers=CONNECTIONS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await self._threads(scope, receive, send)

    def close(self) -> None:
        """End the threads and the connections."""
        self._threads.executor.shutdown(wait=False, cancel_futures=True)
        self._house.close()

    def _answer(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        return self._handler({**environ, KEY: self._house}, start_response)
