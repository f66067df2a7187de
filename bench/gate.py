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

import msgspec

from bench.site import Site, running_site
from slacktide.downtime import Organization, Setting, compile_schedule, decide
from slacktide.downtime.compiling import recompile_schedule
from slacktide.downtime.parameter import ORGANIZATION_DOWNTIME, Level
from slacktide.downtime.schedule import Schedule
from slacktide.downtime.table import Action
from slacktide.downtime.wire import decode_schedule, encode_schedule
from slacktide.gates import asgi, wsgi
from slacktide.gates.ask import Ask
from slacktide.gates.keeper import Keeper
from slacktide.gates.source import Fetched, Report

_ROUNDS, _CALLS = 7, 50_000
_SECONDS, _CONNECTIONS = 5.0, 16
# The last one in the memory of the process, so that other processes would not hear of a change.
_PEERS = ("LocalFileBackend", "DefaultStorageBackend", "StaticStorageBackend", "CacheBackend")
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


def downtimes(settings: int) -> dict[str, Any]:
    """Give a thousand organizations and so many downtimes ahead; H0 is down."""
    codes = [f"H{number}" for number in range(1000)]
    down = _setting("H0", _NOW - timedelta(hours=1), _NOW + timedelta(hours=1))
    ahead = [
        _setting(codes[number % 1000], start := _NOW + timedelta(hours=3 + number), start + timedelta(minutes=30))
        for number in range(settings)
    ]
    organizations = [Organization(code=code, name=code, zone="Europe/Berlin") for code in codes]
    return {"settings": [down, *ahead], "organizations": organizations, "around": _NOW}


def compiling(given: dict[str, Any]) -> Schedule:
    """Say how long compiling takes, of all and after one change, and writing and reading the document."""
    before = compile_schedule(**given)
    changed = [each for each in given["settings"] if each.organization == "H7"]
    changed[0] = msgspec.structs.replace(changed[0], message="Stock taking.")
    own = {"settings": changed, "organizations": given["organizations"][7:8], "sides": (), "around": _NOW}
    written = encode_schedule(before, since=_NOW)
    print(f"10,000 downtimes, {len(written) / 1e6:.2f} MB, in milliseconds:")
    for what, call in (
        ("compiled", lambda: compile_schedule(**given)),
        ("compiled after a change of one", lambda: recompile_schedule(before, codes=["H7"], **own)),
        ("written for gates", lambda: encode_schedule(before, since=_NOW)),
        ("read by a gate", lambda: decode_schedule(written)),
    ):
        found = sorted(_round(call, 1) / 1000 for _ in range(_ROUNDS))
        print(f"  {what}: {statistics.median(found):.2f} ({found[0]:.2f} to {found[-1]:.2f})")
    return before


def _setting(organization: str, start: datetime, end: datetime) -> Setting:
    facts = {"parameter": ORGANIZATION_DOWNTIME, "level": Level.ORGANIZATION, "value": "Y", "users": "out"}
    return Setting(id=f"{organization}-{start}", organization=organization, start=start, end=end, **facts)


def _round(call: Callable[[], Any], calls: int) -> float:
    """Give the microseconds that a call computes: what others do on the machine meanwhile is not counted."""
    begun = time.thread_time()
    for _ in range(calls):
        call()
    return (time.thread_time() - begun) / calls * 1e6


def microseconds(call: Callable[[], Any], *, calls: int = _CALLS) -> str:
    """Say the median of some rounds, in microseconds a call, with the least and the most."""
    return _spread([_round(call, calls) for _ in range(_ROUNDS)])


def added(bare: Callable[[], Any], gated: Callable[[], Any], *, calls: int = _CALLS) -> str:
    """Say what is added to a call, measured in turns so that both meet the same machine."""
    found = [(_round(bare, calls), _round(gated, calls)) for _ in range(_ROUNDS)]
    without = statistics.median(before for before, _ in found)
    return f"no gate {without:.2f} µs, added {_spread([after - before for before, after in found])}"


def _spread(found: list[float]) -> str:
    return f"{statistics.median(found):.2f} µs ({min(found):.2f} to {max(found):.2f})"


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
        gated = _run_asgi(asgi.Gate(_asgi_app, keeper=keeper, asks=lambda _: ask), scope)
        print(f"ASGI {method}: {added(_run_asgi(_asgi_app, scope), gated)}")
    environ = {"REQUEST_METHOD": "GET"}
    gate = wsgi.Gate(_wsgi_app, keeper=keeper, asks=lambda _: ask)
    print(f"WSGI GET: {added(lambda: _wsgi_app(environ, _start), lambda: gate(environ, _start))}")
    print(f"an application that makes its Ask anew: {microseconds(lambda: Ask(action=ask.action, organization='H1'))}")


def _start(*_: Any) -> None:
    """Begin a WSGI answer."""


def decisions(keeper: Keeper) -> None:
    """Say what decisions cost with ten thousand downtimes."""
    up, down = Ask(action=Action.OPEN_TASK, organization="H1"), Ask(action=Action.OPEN_TASK, organization="H0")
    moment = keeper.moment()
    asked = {"action": up.action, "schedule": moment.schedule, "now": moment.now}
    print(f"asked from memory: {microseconds(lambda: keeper.refusal(up))}")
    print(f"`decide`, allowed: {microseconds(lambda: decide(**asked, organization='H1'))}")
    print(f"`decide`, refused: {microseconds(lambda: decide(**asked, organization='H0'))}")
    print(f"  with its JSON answer: {microseconds(lambda: json.dumps(decide(**asked, organization='H0').answer()))}")
    print(f"decided by the keeper, allowed: {microseconds(lambda: keeper.decide(up))}")
    print(f"decided by the keeper, refused: {microseconds(lambda: keeper.decide(down))}")


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
    """Say what django-maintenance-mode adds to an idle request, with each of its backends."""
    try:
        import django  # noqa: PLC0415 -- a peer, which need not be there
        from django.conf import settings  # noqa: PLC0415 -- see above
        from maintenance_mode.middleware import MaintenanceModeMiddleware  # noqa: PLC0415 -- see above
    except ImportError:
        print("django-maintenance-mode is not installed here, and not measured")
        return
    with tempfile.TemporaryDirectory(prefix="slacktide-bench-") as folder:
        settings.configure(
            INSTALLED_APPS=["maintenance_mode"],
            ROOT_URLCONF=__name__,
            MEDIA_ROOT=folder,
            STATIC_ROOT=str(Path(folder) / "static"),
            STATIC_URL="/static/",
            MAINTENANCE_MODE=None,
            MAINTENANCE_MODE_STATE_FILE_PATH=str(Path(folder) / "state"),
            MAINTENANCE_MODE_STATE_FILE_NAME="state",
            MAINTENANCE_MODE_CACHE_BACKEND=None,
        )
        django.setup()
        from django.http import HttpResponse  # noqa: PLC0415 -- see above
        from django.test import RequestFactory  # noqa: PLC0415 -- see above
        from maintenance_mode.core import set_maintenance_mode  # noqa: PLC0415 -- see above

        request, response = RequestFactory().get("/"), HttpResponse("done")
        middleware = MaintenanceModeMiddleware(lambda _: response)
        for name in _PEERS:
            settings.MAINTENANCE_MODE_STATE_BACKEND = f"maintenance_mode.backends.{name}"
            set_maintenance_mode(value=False)
            spread = added(lambda: response, lambda: middleware(request), calls=2_000)
            print(f"django-maintenance-mode, {name}: {spread}")


urlpatterns: list[Any] = []


def main() -> None:
    """Measure all of it."""
    written = encode_schedule(compiling(downtimes(10_000)), since=_NOW)
    with Keeper(Given(written)) as keeper:
        overhead(keeper)
        decisions(keeper)
    peer()
    over_http()


if __name__ == "__main__":
    main()
