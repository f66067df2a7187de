"""A migrated control database, a real server of it, and clocks that the test moves."""

from __future__ import annotations

import http.client
import itertools
import json
import socket
import threading
import time
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvicorn

from slacktide.control import downtime
from slacktide.control.organization import add_organization
from slacktide.control.token import add_token
from slacktide.gates.http_source import HttpSource
from slacktide.gates.keeper import Keeper
from slacktide.postgres.connection import connect
from slacktide.server.asgi import Site
from slacktide.server.run import serving
from tests.migrated import migrate

WHO = {"who": "tester", "reason": "a test"}


class Hands:
    """A machine's two clocks: the count of seconds, and a wall clock that may be wrong."""

    def __init__(self):
        """Begin with this instant."""
        self.seconds, self.wrong = 1000.0, timedelta()
        self._start = datetime.now(UTC)

    def monotonic(self):
        return self.seconds

    def wall(self):
        return self._start + timedelta(seconds=self.seconds - 1000.0) + self.wrong


@pytest.fixture
def hands():
    """Give clocks that only the test moves."""
    return Hands()


@pytest.fixture
def control(database):
    """Give a connection to a control database with the organizations HOTEL and OTHER."""
    migrate(address=database)
    with connect(database, name="test") as connection:
        add_organization(connection, code="HOTEL", name="Hotel", zone="Europe/Berlin", **WHO)
        add_organization(connection, code="OTHER", **WHO)
        yield connection


@pytest.fixture
def plan(control):
    """Give a function that schedules a downtime, of the site or of organizations, and gives its ID."""

    def schedule(*organizations, **wish):
        asked = downtime.Wish(**({"until_ended": "end" not in wish, "users": "out"} | wish))
        facts = {"wish": asked, "site": not organizations, "organizations": organizations}
        return downtime.schedule_downtime(control, **facts, **WHO).downtimes[0]["id"]

    return schedule


@pytest.fixture
def end(control):
    """Give a function that ends a downtime."""
    return lambda key: downtime.end_downtime(control, id=key, **WHO)


@pytest.fixture
def soon():
    """Give a function that waits until something is so, and gives the seconds that it took."""

    def wait(holds, seconds=10.0):
        begun = time.monotonic()
        while not holds():
            assert time.monotonic() - begun < seconds, "it did not become so"
            time.sleep(0.005)
        return time.monotonic() - begun

    return wait


@dataclass
class Answer:
    """What came over HTTP."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


def fetch(url, path, *, method="GET", body=None, **headers):
    """Ask over HTTP; header names with `_` for `-`."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, json.dumps(body) if isinstance(body, dict) else body, named)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


@contextmanager
def streaming(url, path):
    """Ask over HTTP, and give the response as it comes in."""
    parts = urlsplit(url)
    with closing(http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)) as connection:
        connection.request("GET", path)
        yield connection.getresponse()


@pytest.fixture
def token(control):
    """Give a function that makes a token."""
    count = itertools.count(1)

    def make(*scopes, name=None, organizations=()):
        facts = {"name": name or f"t{next(count)}", "scopes": scopes, "organizations": organizations}
        return add_token(control, **facts, **WHO)[1]

    return make


SECRET = "the proxy's own"


@pytest.fixture
def site(control, database):
    """Give the address of a real server with the site of the control database."""
    with serving(Site(database, proxy_secret=SECRET), host="127.0.0.1", port=0) as url:
        yield url


@pytest.fixture
def gate_of(site, token):
    """Give a function that makes and starts a keeper of the site, over HTTP; all end with the test."""
    with ExitStack() as started:
        yield lambda **facts: started.enter_context(Keeper(HttpSource(site, token=token("schedule"), **facts)))


@pytest.fixture
def served():
    """Give a function that serves an ASGI application by a real server; gives its address."""
    with ExitStack() as started:
        yield lambda app: started.enter_context(serving_any(app))


@contextmanager
def serving_any(app):
    """Serve an ASGI application."""
    listening = socket.create_server(("127.0.0.1", 0))
    settings = uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=2, ws="none")
    server = uvicorn.Server(settings)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
