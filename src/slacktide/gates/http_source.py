"""The schedule by HTTP: from `GET /api/schedule`, at once when `GET /api/schedule/events` tells of a change.

The token goes into a header and nowhere else: not into an address, an error or a log. A redirect is not followed, so
that the token goes to nobody else.

The events:

1. A change is told of while a fetch is under way. It is fetched once more: being told is noted before the fetch begins.
2. The stream breaks, and a change happens meanwhile. The stream begins with the tag of what the server has, so that the
   next connection tells of it; a connection that says nothing for some seconds is given up, for the server says
   something every few seconds.
3. Several servers stand behind one address, and the one that is asked has not heard yet. The message names the tag that
   is to be expected; until it comes, the fetch is made again, for a second.
4. A change is told of just when a wait has run out. It counts for the next wait: only what was seen is cleared.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import ssl
import threading
from collections.abc import Callable
from datetime import datetime
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

import msgspec

from slacktide.core.configuration import resolve_address
from slacktide.core.errors import UsageError
from slacktide.downtime.decision import MAXIMUM_AGE
from slacktide.downtime.wire import decode_schedule
from slacktide.gates.source import Fetched, Report, ScheduleNotFetched

_TIMEOUT_SECONDS = 5.0
_SILENCE_SECONDS = 15.0  # three times the pause between the server's signs of life
_AGAIN_SECONDS = 1.0
_EXPECTED_LOOKS = 5
_EXPECTED_SECONDS = 0.2
_TOKEN = re.compile(r"[\w.~+/=-]+", re.ASCII)
_OK, _NOT_MODIFIED = 200, 304


class BadServerAddress(UsageError):
    """{url!r} is not the address of a Slacktide server: write one like https://slacktide.example.com."""


class BadGateToken(UsageError):
    """What the gate was given is not a token: `slacktide token add NAME --scope schedule` shows one, once; give it as env:NAME or file:PATH."""  # noqa: E501 -- the message is one sentence


class HttpSource:
    """The schedule of a server, as a token may see it.

    `token` is the token itself, or `env:NAME` or `file:PATH`; `name` is how `slacktide gate list` shows this gate.
    """

    interval_seconds = 15.0

    def __init__(self, url: str, *, token: str, name: str | None = None) -> None:
        """Take the server's address. Raises BadServerAddress, BadGateToken, UnknownReference."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadServerAddress(url=url)
        self._secure, self._host, self._port = parts.scheme == "https", parts.hostname, parts.port
        self._path = parts.path.rstrip("/")
        self.place = f"{parts.scheme}://{self._host}" + (f":{self._port}" if self._port else "") + self._path
        secret = resolve_address(token)
        if not _TOKEN.fullmatch(secret):
            raise BadGateToken
        self._headers = {"Authorization": f"Bearer {secret}"}
        self._reported = {
            "X-Slacktide-Gate": name or socket.gethostname(),
            "X-Slacktide-Gate-Version": version("slacktide"),
        }
        self._ended = threading.Event()
        self._told = threading.Event()
        self._follower: threading.Thread | None = None
        self._stream: socket.socket | None = None
        self._expected: str | None = None
        self._looks = 0

    def fetch(self, *, known: str | None, report: Report, monotonic: Callable[[], float]) -> Fetched:
        """Look once. Raises ScheduleNotFetched."""
        headers = self._headers | self._reported | _reported(report)
        if known is not None:
            headers["If-None-Match"] = known
        connection = self._connection(_TIMEOUT_SECONDS)
        try:
            connection.connect()
            sent = monotonic()
            connection.request("GET", f"{self._path}/api/schedule", headers=headers)
            response = connection.getresponse()
            received = monotonic()
            fetched = self._fetched(response, response.read(), sent=sent, received=received)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._failed(reason=f"{type(error).__name__} {error}".strip()) from error
        finally:
            connection.close()
        self._await_expected(fetched.tag)
        return fetched

    def wait(self, seconds: float) -> bool:
        """Wait until told of a change, or so many seconds."""
        if self._follower is None:
            self._follower = threading.Thread(target=self._follow, name="slacktide events", daemon=True)
            self._follower.start()
        told = self._told.wait(seconds)
        if told:
            self._told.clear()
        return told and not self._ended.is_set()

    def forked(self) -> None:
        """Forget the thread and the connection of the process that this one was forked from."""
        self._told, self._ended = threading.Event(), threading.Event()
        self._follower = self._stream = self._expected = None

    def end(self) -> None:
        """Let a wait end soon."""
        self._ended.set()
        self._told.set()

    def close(self) -> None:
        """End the stream; its thread ends with it."""
        if self._stream is not None:
            with contextlib.suppress(OSError):
                self._stream.shutdown(socket.SHUT_RDWR)
        if self._follower is not None:
            self._follower.join(_TIMEOUT_SECONDS)

    # -- one look ------------------------------------------------------------------------------------------------------

    def _fetched(self, response: http.client.HTTPResponse, body: bytes, *, sent: float, received: float) -> Fetched:
        if response.status not in (_OK, _NOT_MODIFIED):
            raise self._failed(reason=f"it answered {response.status} {response.reason}{_title(body)}")
        schedule = decode_schedule(body) if response.status == _OK else None
        if schedule is None and response.status == _OK:
            raise self._failed(reason="its schedule is of a version that this gate cannot read: update the gate")
        return Fetched(
            schedule=schedule,
            tag=response.headers.get("ETag", ""),
            now=datetime.fromisoformat(response.headers.get("X-Slacktide-Now", "")),
            sent=sent,
            received=received,
            age_seconds=float(response.headers.get("X-Slacktide-Age", "0")),
        )

    def _failed(self, *, reason: str) -> ScheduleNotFetched:
        return ScheduleNotFetched(place=self.place, reason=reason, seconds=MAXIMUM_AGE.total_seconds())

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        if self._secure:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self._host, self._port, timeout=timeout, context=context)
        return http.client.HTTPConnection(self._host, self._port, timeout=timeout)

    def _await_expected(self, tag: str) -> None:
        if self._expected in (None, tag) or self._looks >= _EXPECTED_LOOKS:
            self._expected, self._looks = None, 0
            return
        self._looks += 1
        self._ended.wait(_EXPECTED_SECONDS)
        self._told.set()

    # -- the stream of changes -----------------------------------------------------------------------------------------

    def _follow(self) -> None:
        ended = self._ended
        while not ended.is_set():
            # The fetches tell of what fails; here it is only tried again.
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
                self._read_stream()
            ended.wait(_AGAIN_SECONDS)

    def _read_stream(self) -> None:
        connection = self._connection(_SILENCE_SECONDS)
        try:
            connection.connect()
            self._stream = connection.sock
            headers = self._headers | {"Accept": "text/event-stream"}
            connection.request("GET", f"{self._path}/api/schedule/events", headers=headers)
            response = connection.getresponse()
            while response.status == _OK and not self._ended.is_set() and (line := response.readline()):
                if line.startswith(b"data:"):
                    self._expected, self._looks = line[5:].strip().decode("ascii"), 0
                    self._told.set()
        finally:
            connection.close()


def _reported(report: Report) -> dict[str, str]:
    facts = {"Schedule": report.tag, "Offset": report.offset_seconds, "Age": report.age_seconds}
    return {
        f"X-Slacktide-Gate-{name}": fact if isinstance(fact, str) else f"{fact:.3f}"
        for name, fact in facts.items()
        if fact is not None
    }


def _title(body: bytes) -> str:
    """Give what a problem document says, after a colon."""
    try:
        problem: Any = msgspec.json.decode(body)
        return f": {problem['detail']}"
    except (msgspec.MsgspecError, KeyError, TypeError):
        return ""
