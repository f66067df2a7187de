"""The gate in somebody else's Django project, under WSGI and ASGI."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
import uuid
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from slacktide.control import downtime
from slacktide.control.organization import add_organization
from slacktide.postgres.connection import connect
from tests.docs.documents import ROOT
from tests.gates.conftest import WHO, fetch, streaming
from tests.gates.django_project import PIECES
from tests.migrated import migrate

TOKEN = "a" * 32
FORM = {
    "Content_Type": "application/x-www-form-urlencoded",
    "Cookie": f"csrftoken={TOKEN}",
    "X_CSRFToken": TOKEN,
}
HTML = {"Accept": "text/html"}


class Shop:
    """The project that runs, and its control database."""

    def __init__(self, url, control):
        """Keep both."""
        self.url, self._control = url, control

    def get(self, path, **headers):
        return fetch(self.url, path, **headers)

    def post(self, path, body=b"x=1", **headers):
        return fetch(self.url, path, method="POST", body=body, **(FORM | headers))

    def ran(self):
        return self.get("/ran").json

    def cookie(self, name):
        entered = self.post("/login", body=f"user={name}".encode())
        lines = entered.headers.get_all("Set-Cookie")
        return {"Cookie": next(line for line in lines if line.startswith("sessionid")).partition(";")[0]}

    def plan(self, **wish):
        wish = downtime.Wish(**({"until_ended": "end" not in wish, "users": "out"} | wish))
        return downtime.schedule_downtime(self._control, wish=wish, organizations=["HOTEL"], **WHO).downtimes[0]["id"]

    @contextmanager
    def down(self, soon, **wish):
        key = self.plan(**wish)
        soon(lambda: self.get("/task/HOTEL").status == 503)
        try:
            yield
        finally:
            self.end(key, soon)

    def end(self, key, soon):
        downtime.end_downtime(self._control, id=key, **WHO)
        soon(lambda: self.get("/task/HOTEL").status == 200)


@pytest.fixture(scope="module", params=["wsgi", "asgi"])
def running(request, server, tmp_path_factory):
    """Give the project in a process of its own, once for all tests of a kind."""
    name = f"shop_{request.param}_{os.getpid()}"
    server.create_database(name)
    address = server.address(name)
    migrate(address=address)
    command = [sys.executable, "-m", "tests.gates.django_project", request.param, address]
    folder = str(tmp_path_factory.mktemp("shop"))
    with connect(address, name="test") as control:
        add_organization(control, code="HOTEL", **WHO)
        add_organization(control, code="OTHER", **WHO)
        facts = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "cwd": ROOT, "text": True}
        with subprocess.Popen([*command, folder], **facts) as process:
            yield Shop(json.loads(process.stdout.readline()), control), request.param
            process.stdin.close()
            assert process.wait(30) == 0


@pytest.fixture
def shop(running, soon):
    """Give the project, open."""
    soon(lambda: running[0].get("/task/HOTEL").status == 200)
    return running[0]


def sent_slowly(shop, path, before, between, after):
    """Send a request whose body ends after something has happened; give the answer's beginning."""
    parts = urlsplit(shop.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as client:
        length = len(before) + len(after)
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in FORM.items()]
        lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {length}", "Connection: close", *lines, "", ""]
        head = "\r\n".join(lines)
        client.sendall(head.encode() + before)
        between()
        client.sendall(after)
        return client.recv(4096)


def test_views(shop, soon):
    """Views of both kinds are refused for the closed organization, and do not run; exempt ones answer."""
    before = shop.ran()
    with shop.down(soon):
        shop_ran = [one for one in shop.ran() if one not in before]
        for path in ("/task/HOTEL", "/atask/HOTEL", "/cached", "/stream", "/astream"):
            refused = shop.get(path)
            assert (refused.status, refused.json["code"]) == (503, "organization_downtime"), path
            assert (refused.headers["Retry-After"], refused.headers["Cache-Control"]) == ("300", "no-store")
            assert shop.post(path).status == 503
        assert [shop.get(path).status for path in ("/task/OTHER", "/atask/OTHER", "/health")] == [200] * 3
        assert shop.get("/%74ask/HOTEL").status == 503
        assert shop.get("/task/HOTEL?next=/health").status == 503
        assert [one for one in shop.ran() if one not in before and "OTHER" not in one] == shop_ran


def test_a_page_of_ones_own(shop, soon):
    """Who reads HTML gets the project's own page, with the headers of every refusal; a link leads to its log-in."""
    with shop.down(soon):
        page = shop.get("/task/HOTEL", **HTML)
        assert b"The shop is closed" in page.body
        assert b"<p>task</p>" in page.body
        assert (page.status, page.headers["Retry-After"], page.headers["Cache-Control"]) == (503, "300", "no-store")
        link = shop.get("/link/OTHER", **HTML)
        assert (link.status, link.headers["Location"]) == (303, "/login")


def test_roles(shop, soon):
    """An administrator passes by the project's current data, and no more from the next request on."""
    ada, grace = shop.cookie("ada"), shop.cookie("grace")
    with shop.down(soon):
        assert [shop.get("/task/HOTEL", **who).status for who in (ada, grace)] == [200, 503]
        assert shop.get("/role").status == 200
        assert shop.get("/task/HOTEL", **ada).status == 503
        shop.get("/role?staff")
        assert shop.get("/task/HOTEL", **ada).status == 200


def test_errors(shop, soon):
    """An error of `asks` is the project's own answer, and the view does not run."""
    assert [shop.get(path).status for path in ("/broken", "/gone", "/nothing")] == [500, 404, 404]
    with shop.down(soon):
        assert [shop.get(path).status for path in ("/broken", "/gone", "/nothing")] == [500, 404, 404]


def test_a_cache_behind_the_gate(shop, soon):
    """A page that the project has in its cache is not given out in a downtime, and neither is a refusal kept."""
    first = shop.get("/cached")
    assert shop.get("/cached").body == first.body  # out of the cache
    with shop.down(soon):
        assert shop.get("/cached").status == 503
        assert shop.get("/cached", Cache_Control="max-age=9999", If_None_Match="*").status == 503
    assert shop.get("/cached").body == first.body


def test_a_cache_and_an_address_without_a_view(shop, soon):
    """What a cache behind the gate finds for an address that no view has is not given out."""
    around = "/health/../task/HOTEL"
    assert shop.get("/task/HOTEL").status == 200  # it is in the cache now, which takes the other address for this one
    with shop.down(soon):
        answer = shop.get(around)
        assert answer.status in (404, 500, 503)
        assert b"HOTEL" not in answer.body


def test_another_view_than_it_seemed(shop, soon):
    """A middleware behind the gate that believes X-Original-URL leads to a view that is judged by itself."""
    assert shop.get("/health?1", X_Original_URL="/task/HOTEL").json["code"] == "HOTEL"
    with shop.down(soon):
        assert shop.get("/health?2", X_Original_URL="/task/HOTEL").status == 503
        assert shop.get("/health?3", X_Original_URL="/task/OTHER").status == 200
        assert shop.get("/task/HOTEL?4", X_Original_URL="/health").status == 503


def test_judged_when_the_body_is_complete(shop, soon):
    """A body that is sent slowly across the start is refused, and the view does not run."""
    for path in ("/task/HOTEL", "/atask/HOTEL", "/upload"):
        keys = []

        def start(keys=keys):
            time.sleep(0.2)
            keys.append(shop.plan())
            soon(lambda: shop.get("/task/HOTEL").status == 503)

        before = shop.ran()
        assert b" 503 " in sent_slowly(shop, path, b"12345", start, b"67890"), path
        assert shop.ran() == before
        shop.end(keys[0], soon)


@pytest.mark.parametrize("reads", ["", "post", "some", "files"])
def test_cut_off(shop, running, reads):
    """A request whose connection ends before its body was whole is not done, whatever was read of it before."""
    before, headers = shop.ran(), {"X_Reads": reads.replace("files", "post")} if reads else {}
    body = b"a=12345"
    if reads == "files":
        headers["Content_Type"] = "multipart/form-data; boundary=xx"
        body = b'--xx\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--xx--\r\n'
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in (FORM | headers).items()]
    head = "\r\n".join(["POST /task/OTHER HTTP/1.1", "Host: x", f"Content-Length: {len(body) + 5}", *lines, "", ""])
    parts = urlsplit(shop.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as client:
        client.sendall(head.encode() + body)
        client.shutdown(socket.SHUT_WR)
        answer = client.recv(100)
    assert (b" 400 " in answer) == (running[1] == "wsgi")  # an ASGI server has nobody to answer
    assert shop.ran() == before


@pytest.mark.parametrize("reads", ["", "post", "some"])
def test_bodies(shop, running, reads):
    """Small and large bodies arrive as they were sent, whatever a middleware before the gate has read of them."""
    for size in (0, 5, 1_500_000):
        body = b"a=" + b"x" * size
        answer = shop.post("/task/OTHER", body=body, **({"X_Reads": reads} if reads else {}))
        if not reads or (reads == "post" and running[1] == "asgi"):
            assert answer.json["bytes"] == len(body)
        else:
            assert answer.status in (200, 500)  # Django's own: the view asks for a body that was read before


def test_a_form_of_elsewhere(shop):
    """The project's own protection against forged forms reads the body before the view does, and goes on to refuse."""
    assert shop.post("/task/OTHER").json["bytes"] == 3
    assert shop.post("/task/OTHER", X_CSRFToken="b" * 32).status == 403


def test_uploads(shop, soon):
    """A file above the memory limit arrives whole; in a downtime it is refused after its last byte."""
    file = os.urandom(3_000_000)
    parts = (b'name="title"\r\n\r\nlinen', b'name="file"; filename="f"\r\n\r\n' + file)
    border = b"--" + uuid.uuid4().hex.encode()  # long, for it must not stand in the file
    body = b"".join(border + b"\r\nContent-Disposition: form-data; " + part + b"\r\n" for part in parts)
    body += border + b"--\r\n"
    kind = {"Content_Type": f"multipart/form-data; boundary={border[2:].decode()}"}
    answer = shop.post("/upload", body=body, **kind)
    assert answer.json == {"sum": hashlib.sha256(file).hexdigest(), "title": "linen"}
    with shop.down(soon):
        assert shop.post("/upload", body=body, **kind).status == 503


@pytest.mark.parametrize("path", ["/stream", "/astream"])
def test_a_stream_ends(shop, running, soon, path):
    """A stream that was opened before the start ends at it, though it would go on for long."""
    gathered = running[1] == "wsgi" and path == "/astream"  # Django sends nothing of it before it has all
    key = shop.plan(start="now+PT3S") if gathered else None
    with streaming(shop.url, path) as response:
        assert (response.status, response.readline(), response.readline()) == (200, b"0\n", b"1\n")
        key = key or shop.plan(start="now+PT0.5S")
        assert len(response.read().splitlines()) < PIECES - 2
    shop.end(key, soon)


def test_silence(shop, running, soon):
    """Under ASGI a silent stream ends too, and its view is told."""
    if running[1] == "wsgi":
        pytest.skip("a WSGI stream is judged at its pieces")
    before = shop.ran().count("ended")
    with streaming(shop.url, "/astream?silent") as response:
        assert response.readline() == b"0\n"
        key = shop.plan(start="now+PT0.5S")
        begun = time.monotonic()
        assert response.read() == b""
        assert time.monotonic() - begun < 15
    soon(lambda: shop.ran().count("ended") == before + 1)
    shop.end(key, soon)
