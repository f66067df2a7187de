from __future__ import annotations

import asyncio
import json
import socket
import time
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from slacktide.control.organization import set_side
from slacktide.downtime.table import Action
from slacktide.gates.asgi import Gate
from slacktide.gates.ask import Ask
from slacktide.gates.control_source import ControlSource
from slacktide.gates.keeper import Keeper
from tests.gates.conftest import WHO, fetch, streaming

SILENT_SECONDS = 60
GUARDED = ("/task", "/stream", "/link", "/setting")


class App:
    """An application: what it was asked and sent, and streams that go on until they are cancelled."""

    def __init__(self):
        """Begin with nothing."""
        self.bodies, self.cancelled, self.after = [], 0, []

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            return await self.live(receive, send)
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.bodies.append(body)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        if scope["path"] == "/stream":
            return await self.stream(send)
        return await send({"type": "http.response.body", "body": b"done"})

    async def live(self, receive, send):
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})

    async def stream(self, send):
        try:
            for number in range(10_000):
                await send({"type": "http.response.body", "body": b"%d\n" % number, "more_body": True})
                await asyncio.sleep(0.05 if number < 5 else SILENT_SECONDS)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


def asks(scope):
    """Say what the application's routes are about; the role comes with the request."""
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    if scope["path"] not in GUARDED:
        return None
    actions = {"/link": Action.EMAIL_LINK, "/setting": Action.CHANGE_SETTING}
    return Ask(
        action=actions.get(scope["path"], Action.OPEN_TASK),
        organization=headers.get("organization", "HOTEL"),
        admin="admin" in headers,
        stream=scope["path"] == "/stream",
    )


async def asks_later(scope):
    await asyncio.sleep(0)
    return asks(scope)


@pytest.fixture
def app():
    """Give the application."""
    return App()


@pytest.fixture
def keeper(control, database):
    """Give a keeper beside the control database."""
    with Keeper(ControlSource(database)) as kept:
        yield kept


@pytest.fixture(params=[asks, asks_later])
def gated(request, app, keeper, served):
    """Give the address of a real server of the application behind its gate, whose `asks` is plain or async."""
    return served(Gate(app, keeper=keeper, asks=request.param, log_in_at="/login"))


def test_refused_and_exempt(gated, app, plan, soon):
    """In a downtime gated routes are refused with a problem document or a page, exempt ones and administrators pass."""
    assert fetch(gated, "/task").body == b"done"
    plan("HOTEL", end="now+PT1H", message="Stock <taking>.")
    soon(lambda: fetch(gated, "/task").status == 503)
    problem = fetch(gated, "/task", Accept="application/json")
    assert (problem.headers["Content-Type"], problem.headers["Cache-Control"]) == (
        "application/problem+json",
        "no-store",
    )
    assert (problem.json["status"], problem.json["code"]) == (503, "organization_downtime")
    assert 3590 < int(problem.headers["Retry-After"]) <= 3600
    page = fetch(gated, "/task", Accept="text/html,*/*;q=0.8")
    assert page.headers["Content-Type"].startswith("text/html")
    assert b"Stock &lt;taking&gt;." in page.body
    assert fetch(gated, "/task", method="HEAD").body == b""
    called = len(app.bodies)
    assert fetch(gated, "/task", method="POST", body="x").status == 503
    assert len(app.bodies) == called
    assert [fetch(gated, "/static/%2e%2e/task").status, fetch(gated, "/login").status] == [200, 200]
    assert fetch(gated, "/task", Admin="yes").status == 200
    assert fetch(gated, "/task", Organization="OTHER").status == 200


def test_other_refusals(gated, control, soon):
    """A link that asks for a log-in leads there, a setting is 403, an organization that moved is 409 with the place."""
    link = fetch(gated, "/link")
    assert (link.status, link.headers["Location"]) == (303, "/login")
    assert fetch(gated, "/setting").status == 403
    set_side(
        control, organization="HOTEL", side="source", state="reference only", lives_at="https://new.example", **WHO
    )
    soon(lambda: fetch(gated, "/task").status != 200)
    moved = fetch(gated, "/task", Accept="text/html")
    assert (moved.status, moved.headers["Link"]) == (409, '<https://new.example>; rel="alternate"')
    assert b'<a href="https://new.example">' in moved.body
    assert fetch(gated, "/task").json["lives_at"] == "https://new.example"


def test_no_known_end(gated, plan, soon):
    """Without a known end a client is told to come again after the recheck interval."""
    plan("HOTEL")
    soon(lambda: fetch(gated, "/task").status == 503)
    assert fetch(gated, "/task").headers["Retry-After"] == "300"


def test_judged_when_the_body_is_complete(gated, app, plan, keeper, soon):
    """A request whose body is complete after the start is refused, though it began before; nothing of it was done."""
    fetch(gated, "/task")
    parts = urlsplit(gated)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as client:
        client.sendall(b"POST /task HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nConnection: close\r\n\r\n12345")
        time.sleep(0.2)
        plan("HOTEL")
        soon(lambda: keeper.refusal(Ask(action=Action.OPEN_TASK, organization="HOTEL")) is not None)
        client.sendall(b"67890")
        assert client.recv(100).startswith(b"HTTP/1.1 503")
    assert app.bodies == [b""]


def test_a_body_arrives_as_it_was_sent(gated, app):
    """Small and large bodies, in one piece or many, reach the application as they were sent."""
    for body in (b"", b"x", b"y" * 65536, bytes(range(256)) * 20_000):
        assert fetch(gated, "/task", method="POST", body=body).status == 200
        pieces = iter([body[:10], body[10:]])
        assert fetch(gated, "/task", method="PUT", body=pieces).status == 200
        assert app.bodies[-2:] == [body, body]


def test_a_client_that_goes_while_it_sends(gated, app):
    """Where the client goes before its body is complete, the application is not called."""
    parts = urlsplit(gated)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as client:
        client.sendall(b"POST /task HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345")
        time.sleep(0.1)
    time.sleep(0.2)
    assert app.bodies == []


def test_a_stream_ends_at_the_boundary(gated, app, plan, soon):
    """A stream that is silent ends at the start of a downtime: of one known before it opened, told then, or now."""
    for known, start in ((True, "now+PT4S"), (False, "now+PT1S"), (False, "now")):
        begun = time.monotonic()
        if known:
            plan("HOTEL", "OTHER", start=start, end="start+PT1S")
        with streaming(gated, "/stream") as response:
            assert (response.status, response.readline(), response.readline()) == (200, b"0\n", b"1\n")
            if not known:
                plan("HOTEL", "OTHER", start=start, end="start+PT1S")
            response.read()
        assert time.monotonic() - begun < SILENT_SECONDS / 4
        soon(lambda: fetch(gated, "/task").status == 200)
    assert app.cancelled == 3


# -- WebSockets, by the protocol itself --------------------------------------------------------------------------------


class Socket:
    """A socket's server side: what it brings, and what is sent to it."""

    def __init__(self):
        """Begin with the client's wish to connect."""
        self.sent, self._coming = [], asyncio.Queue()
        self.bring({"type": "websocket.connect"})

    def bring(self, message):
        self._coming.put_nowait(message)

    async def receive(self):
        return await self._coming.get()

    async def send(self, message):
        self.sent.append(message | {"at": time.monotonic()})


async def echo(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def stubborn(scope, receive, send):
    """Go on for five seconds, whatever happens."""
    await send({"type": "websocket.accept"})
    for _ in range(100):
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0.05)
            await send({"type": "websocket.send", "text": "still here"})


def run(keeper, application, script, **scope):
    """Run a socket through a gate with a script that acts on it; give what was sent."""

    async def both():
        end = Socket()
        facts = {"type": "websocket", "path": "/task", "headers": [], **scope}
        gate = asyncio.ensure_future(Gate(application, keeper=keeper, asks=asks)(facts, end.receive, end.send))
        await script(end)
        await asyncio.wait_for(gate, 10)
        return end.sent

    return asyncio.run(both())


def test_a_socket_closes_in_silence(keeper, plan):
    """An open socket closes with 1013 when a downtime starts, though nobody says anything."""

    async def script(end):
        end.bring({"type": "websocket.receive", "text": "one"})
        await asyncio.sleep(0.1)
        await asyncio.to_thread(plan, "HOTEL")

    sent = run(keeper, echo, script)
    assert [message["type"].split(".")[1] for message in sent] == ["accept", "send", "close"]
    assert (sent[-1]["code"], "not available" in sent[-1]["reason"]) == (1013, True)


def test_a_socket_that_goes_on_closes_too(keeper, plan):
    """An application that does not heed its cancellation says nothing after the start."""

    async def script(end):
        await asyncio.sleep(0.1)
        await asyncio.to_thread(plan, "HOTEL")

    sent = run(keeper, stubborn, script)
    assert sent[-1]["at"] - sent[0]["at"] < 4
    assert sent[-1]["type"] == "websocket.close"


def test_a_socket_is_refused(keeper, plan, soon):
    """In a downtime a socket is not opened: closed, or answered as a request where the server can."""
    plan("HOTEL")
    soon(lambda: keeper.refusal(Ask(action=Action.OPEN_TASK, organization="HOTEL")) is not None)

    async def script(end):
        await asyncio.sleep(0)

    assert [message["type"] for message in run(keeper, echo, script)] == ["websocket.close"]
    sent = run(keeper, echo, script, extensions={"websocket.http.response": {}})
    assert (sent[0]["type"], sent[0]["status"]) == ("websocket.http.response.start", 503)
    assert json.loads(sent[1]["body"])["code"] == "organization_downtime"


def test_a_socket_goes_on(keeper, plan):
    """A socket of another organization is left alone, and ends when its client ends it."""

    async def script(end):
        await asyncio.to_thread(plan, "OTHER")
        for text in ("one", "two"):
            end.bring({"type": "websocket.receive", "text": text})
        await asyncio.sleep(1.2)
        end.bring({"type": "websocket.disconnect", "code": 1000})

    assert [message.get("text") for message in run(keeper, echo, script)] == [None, "one", "two"]


def test_what_fails_does_not_pass(keeper, app):
    """Where `asks` fails, the error is the application's and the request does not pass."""

    def broken(scope):
        raise LookupError(scope["path"])

    async def nothing(*_):
        raise AssertionError

    with pytest.raises(LookupError):
        asyncio.run(Gate(app, keeper=keeper, asks=broken)({"type": "http", "path": "/task"}, nothing, nothing))
    assert app.bodies == []
