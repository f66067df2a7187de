from __future__ import annotations

import json
import signal
import socket

import pytest

from tests.cutover.moving import until
from tests.gates.conftest import fetch


@pytest.mark.parametrize("worker", [[], ["--no-worker"]])
def test_up(slacktide, started, worker):
    """`up` says ready with the site's address, answers there at once, and SIGTERM ends it with 0."""
    running = started("up", "--port", "0", *worker, "--json")
    ready = json.loads(running.stdout.readline())
    assert ready["state"] == "ready"
    assert "host=" in ready["database"]
    assert fetch(ready["url"], "/livez").status == 200
    assert fetch(ready["url"], "/readyz").json["ready"]
    secret = slacktide("token", "add", "web", "--scope", "schedule").out.strip()
    asked = f"GET /api/schedule/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\n\r\n"
    until(lambda: fetch(ready["url"], "/api/schedule", Authorization=f"Bearer {secret}").status == 200)
    with socket.create_connection(ready["url"].removeprefix("http://").split(":")) as connection:
        connection.sendall(asked.encode())
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=15) == 0
    assert running.stdout.read() == ""


def test_the_port_is_taken(slacktide):
    """A port that is taken is refused with the way out."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = slacktide("up", "--no-worker", "--port", taken.getsockname()[1])
    assert said.status == 1
    assert "--port 0 takes one that is free" in said.err
