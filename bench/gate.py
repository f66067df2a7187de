"""What a gate costs: `python -m bench.gate`.

Beside no gate at all: what it adds to an idle request of an ASGI and of a WSGI application; what a decision costs with
ten thousand downtimes, and how long their schedule takes to be read; how many decisions a server gives in a second over
HTTP, to a caller on the same machine.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.site import Site, running_site
from slacktide.downtime import Organization, Setting, compile_schedule
from slacktide.downtime.parameter import ORGANIZATION_DOWNTIME, Level
from slacktide.downtime.table import Action
from slacktide.downtime.wire import decode_schedule, encode_schedule
from slacktide.gates import asgi, wsgi
from slacktide.gates.ask import Ask
from slacktide.gates.keeper import Keeper
from slacktide.gates.source import Fetched, Report

_ROUNDS, _CALLS = 7, 50_000
_SECONDS, _CONNECTIONS = 5.0, 16
_NOW = datetime.now(UTC)


class Given:
    """A source that has one schedule."""

    interval_seconds = 1e9

    def __init__(self, document: bytes) -> None:
        """Take the schedule as a document."""
        self.document = document

    def fetch(self, *, known: str | None, report: Report, monotonic: Callable[[], float]) -> Fetched:
        """Give the schedule."""
        del known, report
        count = monotonic()
        schedule = decode_schedule(self.document)
        return Fetched(schedule=schedule, tag="1", now=datetime.now(UTC), sent=count, received=count)

    def wait(self, seconds: float) -> bool:
        """Wait."""
        time.sleep(min(seconds, 0.2))
        return False

    def forked(self) -> None:
        """Nothing is held."""

    end = close = forked


def document(settings: int) -> bytes:
    """Give a schedule of a thousand organizations and so many downtimes ahead; H0 is down."""
    codes = [f"H{number}" for number in range(1000)]
    down = _setting("H0", _NOW - timedelta(hours=1), _NOW + timedelta(hours=1))
    ahead = [
        _setting(codes[number % 1000], start := _NOW + timedelta(hours=3 + number), start + timedelta(minutes=30))
        for number in range(settings)
    ]
    organizations = [Organization(code=code, name=code, zone="Europe/Berlin") for code in codes]
    schedule = compile_schedule(settings=[down, *ahead], organizations=organizations, around=_NOW)
    return encode_schedule(schedule, since=_NOW)


def _setting(organization: str, start: datetime, end: datetime) -> Setting:
    facts = {"parameter": ORGANIZATION_DOWNTIME, "level": Level.ORGANIZATION, "value": "Y", "users": "out"}
    return Setting(id=f"{organization}-{start}", organization=organization, start=start, end=end, **facts)


def microseconds(call: Callable[[], Any], *, calls: int = _CALLS) -> float:
    """Give the median of some rounds, in microseconds a call."""
    found = []
    for _ in range(_ROUNDS):
        begun = time.perf_counter()
        for _ in range(calls):
            call()
        found.append((time.perf_counter() - begun) / calls * 1e6)
    return statistics.median(found)


async def _asgi_app(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})


async def _send(_: Any) -> None:
    return


async def _receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"x", "more_body": False}


def _run_asgi(app: Any, scope: dict[str, Any]) -> Callable[[], None]:
    def call() -> None:
        try:
            app(scope, _receive, _send).send(None)
        except StopIteration:
            return
        sys.exit("the application waited")

    return call


def _wsgi_app(_environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b"done"]


def overhead(keeper: Keeper) -> None:
    """Say what a gate adds to an idle request."""
    ask = Ask(action=Action.OPEN_TASK, organization="H1")
    for method in ("GET", "POST"):
        scope = {"type": "http", "method": method, "path": "/", "headers": []}
        bare = microseconds(_run_asgi(_asgi_app, scope))
        gated = microseconds(_run_asgi(asgi.Gate(_asgi_app, keeper=keeper, asks=lambda _: ask), scope))
        print(f"ASGI {method}: no gate {bare:.2f} µs, behind the gate {gated:.2f} µs: {gated - bare:+.2f} µs")
    environ = {"REQUEST_METHOD": "GET"}
    gate = wsgi.Gate(_wsgi_app, keeper=keeper, asks=lambda _: ask)
    bare = microseconds(lambda: _wsgi_app(environ, lambda *_: None))
    gated = microseconds(lambda: gate(environ, lambda *_: None))
    print(f"WSGI GET: no gate {bare:.2f} µs, behind the gate {gated:.2f} µs: {gated - bare:+.2f} µs")
    made = microseconds(lambda: Ask(action=Action.OPEN_TASK, organization="H1"))
    print(f"an application that makes its Ask anew: {made:+.2f} µs")


def decisions(keeper: Keeper) -> None:
    """Say what decisions cost with ten thousand downtimes."""
    up, down = Ask(action=Action.OPEN_TASK, organization="H1"), Ask(action=Action.OPEN_TASK, organization="H0")
    print(f"asked from memory: {microseconds(lambda: keeper.refusal(up)):.2f} µs")
    print(f"decided, allowed: {microseconds(lambda: keeper.decide(up)):.2f} µs")
    print(f"decided, refused: {microseconds(lambda: keeper.decide(down)):.2f} µs")
    print(f"with its JSON answer: {microseconds(lambda: json.dumps(keeper.decide(down).answer())):.2f} µs")


class _Caller(asyncio.Protocol):
    """A connection that asks again as soon as it is answered."""

    def __init__(self, request: bytes) -> None:
        self.request, self.answers, self.missing = request, 0, 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        if b'"decision":' in data:
            self.answers += 1
            self.transport.write(self.request)
        elif b" 200 OK" not in data:
            self.missing += 1


async def _calls(site: Site) -> tuple[float, float]:
    """Give how many requests were answered in a second, and the server's own microseconds for each."""
    body = json.dumps({"action": "open_task", "organization": "HOTEL", "user": {"name": "ada"}}).encode()
    head = (
        f"POST /api/decision HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {site.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    parts, loop = urlsplit(site.url), asyncio.get_running_loop()
    callers = [_Caller(head.encode() + body) for _ in range(_CONNECTIONS)]
    for caller in callers:
        await loop.create_connection(lambda caller=caller: caller, parts.hostname, parts.port)
    await asyncio.sleep(0.5)
    before, begun, computed = sum(caller.answers for caller in callers), time.perf_counter(), site.cpu_seconds()
    await asyncio.sleep(_SECONDS)
    answered = sum(caller.answers for caller in callers) - before
    found = answered / (time.perf_counter() - begun), (site.cpu_seconds() - computed) / answered * 1e6
    for caller in callers:
        caller.transport.close()
    if missing := sum(caller.missing for caller in callers):
        sys.exit(f"{missing} answers were not decisions")
    return found


def over_http() -> None:
    """Say how many decisions a server gives in a second."""
    with running_site(scope="decide") as site:
        rate, own = asyncio.run(_calls(site))
    print(f"POST /api/decision: {rate:.0f} requests/s, one process, {_CONNECTIONS} connections, caller beside it;")
    print(f"  the server's own {own:.0f} µs a request: {1e6 / own:.0f} a second of a processor")


def peer() -> None:
    """Say what django-maintenance-mode adds to an idle request, with its default: the state in a file."""
    try:
        import django  # noqa: PLC0415 -- a peer, which need not be there
        from django.conf import settings  # noqa: PLC0415 -- see above
        from maintenance_mode.middleware import MaintenanceModeMiddleware  # noqa: PLC0415 -- see above
    except ImportError:
        print("django-maintenance-mode is not installed here, and not measured")
        return
    with tempfile.TemporaryDirectory(prefix="slacktide-bench-") as folder:
        backend = "maintenance_mode.backends.LocalFileBackend"
        file = str(Path(folder) / "state")
        settings.configure(
            INSTALLED_APPS=["maintenance_mode"],
            ROOT_URLCONF=__name__,
            MAINTENANCE_MODE=None,
            MAINTENANCE_MODE_STATE_BACKEND=backend,
            MAINTENANCE_MODE_STATE_FILE_PATH=file,
        )
        django.setup()
        from django.http import HttpResponse  # noqa: PLC0415 -- see above
        from django.test import RequestFactory  # noqa: PLC0415 -- see above

        request, response = RequestFactory().get("/"), HttpResponse("done")
        middleware = MaintenanceModeMiddleware(lambda _: response)
        bare, gated = (
            microseconds(lambda: response, calls=2_000),
            microseconds(lambda: middleware(request), calls=2_000),
        )
    print(f"django-maintenance-mode: {gated - bare:+.1f} µs")


urlpatterns: list[Any] = []


def main() -> None:
    """Measure all of it."""
    written = document(10_000)
    begun = time.perf_counter()
    decode_schedule(written)
    print(f"10,000 downtimes: {len(written) / 1e6:.2f} MB, read in {(time.perf_counter() - begun) * 1000:.0f} ms")
    with Keeper(Given(written)) as keeper:
        overhead(keeper)
        decisions(keeper)
    peer()
    over_http()


if __name__ == "__main__":
    main()
