from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest

from slacktide.downtime.table import Action
from slacktide.gates.ask import Ask
from slacktide.gates.control_source import ControlSource
from slacktide.gates.keeper import Keeper
from slacktide.gates.wsgi import Gate
from tests.gates.conftest import fetch, streaming

PIECES = 400
ASKED = Ask(action=Action.OPEN_TASK, organization="HOTEL")


class Server(ThreadingMixIn, WSGIServer):
    """A server that takes several requests at once."""

    daemon_threads = True


class Quiet(WSGIRequestHandler):
    """A handler without a log."""

    def log_message(self, *_):
        """Say nothing."""


@contextmanager
def serving(application):
    """Serve a WSGI application by a real server."""
    with make_server("127.0.0.1", 0, application, server_class=Server, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class App:
    """An application that keeps what it was sent, and streams where it is asked to."""

    def __init__(self):
        """Begin with nothing."""
        self.bodies, self.closed = [], 0

    def __call__(self, environ, start_response):
        length = int(environ.get("CONTENT_LENGTH") or 0)
        self.bodies.append(environ["wsgi.input"].read(length))
        start_response("200 OK", [("Content-Type", "text/plain")])
        return self.pieces() if environ["PATH_INFO"] == "/stream" else [b"done"]

    def pieces(self):
        try:
            for number in range(PIECES):
                yield b"%d\n" % number
                time.sleep(0.05)
        finally:
            self.closed += 1


def asks(environ):
    """Say what the application's routes are about."""
    if environ["PATH_INFO"] not in ("/task", "/stream"):
        return None
    admin = "HTTP_ADMIN" in environ
    return Ask(action=Action.OPEN_TASK, organization="HOTEL", admin=admin, stream=environ["PATH_INFO"] == "/stream")


@pytest.fixture
def app():
    """Give the application."""
    return App()


@pytest.fixture
def keeper(control, database):
    """Give a keeper beside the control database."""
    with Keeper(ControlSource(database)) as kept:
        yield kept


@pytest.fixture
def gated(app, keeper):
    """Give the address of a real server of the application behind its gate."""
    with serving(Gate(app, keeper=keeper, asks=asks)) as url:
        yield url


def test_refused_and_exempt(gated, app, plan, keeper, soon):
    """In a downtime gated routes are refused, exempt ones and administrators pass."""
    assert fetch(gated, "/task").body == b"done"
    plan("HOTEL")
    soon(lambda: keeper.refusal(ASKED) is not None)
    refused = fetch(gated, "/task", method="POST", body="x", Accept="text/html")
    assert (refused.status, refused.headers["Retry-After"], len(app.bodies)) == (503, "300", 1)
    assert refused.headers["Content-Type"].startswith("text/html")
    assert fetch(gated, "/task").json["code"] == "organization_downtime"
    assert fetch(gated, "/task", method="HEAD").body == b""
    assert [fetch(gated, "/login").status, fetch(gated, "/task", Admin="yes").status] == [200, 200]


def test_a_body_arrives_as_it_was_sent(gated, app):
    """Small and large bodies reach the application as they were sent."""
    for body in (b"", b"x", bytes(range(256)) * 10_000):
        assert fetch(gated, "/task", method="POST", body=body).status == 200
        assert app.bodies[-1] == body


def test_judged_when_the_body_is_complete(gated, app, plan, keeper, soon):
    """A request whose body is complete after the start is refused, though it began before."""
    parts = urlsplit(gated)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as client:
        client.sendall(b"POST /task HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345")
        time.sleep(0.2)
        plan("HOTEL")
        soon(lambda: keeper.refusal(ASKED) is not None)
        client.sendall(b"67890")
        assert b" 503 " in client.recv(100)
    assert app.bodies == []


def test_cut_off(gated, app):
    """A request whose connection ends before its body was whole is refused, and the application does not run."""
    parts = urlsplit(gated)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as client:
        client.sendall(b"POST /task HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345")
        client.shutdown(socket.SHUT_WR)
        assert b" 400 " in client.recv(100)
    assert app.bodies == []


def test_a_stream_ends(gated, app, plan, soon):
    """A stream ends at the first piece after a start, and the application's pieces are closed."""
    with streaming(gated, "/stream") as response:
        assert (response.readline(), response.readline()) == (b"0\n", b"1\n")
        plan("HOTEL", start="now+PT0.5S")
        assert len(response.read().splitlines()) < PIECES - 2
    soon(lambda: app.closed == 1)


def test_a_body_without_a_length(keeper):
    """A body that the server ends itself is read to its end."""

    class Input:
        def __init__(self):
            self.pieces = [b"123", b"45"]

        def read(self, _):
            return self.pieces.pop(0) if self.pieces else b""

    app = App()
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/task", "wsgi.input_terminated": True, "wsgi.input": Input()}
    gate = Gate(lambda env, _: [env["wsgi.input"].read()], keeper=keeper, asks=asks)
    assert gate(environ, lambda *_: None) == [b"12345"]
    assert app.bodies == []
