"""Requests that come slowly, too large, or not whole: no thread waits for one, and nothing of it is done."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack
from urllib.parse import urlencode, urlsplit

import pytest

from slacktide.control.setting import list_settings
from slacktide.control.task import task_of
from slacktide.control.user import Change, change_user
from slacktide.server.asgi import Site
from slacktide.server.pages.application import Pages
from slacktide.server.pages.house import CONNECTIONS, House
from tests.server.pages.conftest import SECRET, WHO

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def within(database, people):
    """Give the site as the application that it is, without a connection between."""
    site = Site(database, secret=SECRET)
    site.keeper.start(wait_seconds=10)
    yield site
    site.end()


def cookies_of(browser):
    """Give a browser's cookies as it sends them."""
    return "; ".join(f"{name}={value}" for name, value in browser.cookies.items())


def ask(app, path, receive, **headers):
    """Have an application answer a form, whose messages come by a function; give the status, None without one."""
    said = []

    async def send(message):
        said.append(message)

    listed = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "http_version": "1.1"}
    asyncio.run(asyncio.wait_for(app(scope | {"headers": [(b"host", b"x"), *listed]}, receive, send), 20))
    return said[0]["status"] if said else None


def in_two(app, browser, path, between, **fields):
    """Have an application answer a form of which a part comes, and after something has happened the rest."""
    body = urlencode({"csrfmiddlewaretoken": browser.token(), **fields}).encode()
    pieces = [{"type": "http.request", "body": body[:-20], "more_body": True}, between]

    async def receive():
        piece = pieces.pop(0)
        return piece if isinstance(piece, dict) else piece(body[-20:])

    return ask(app, path, receive, content_type=FORM, content_length=str(len(body)), cookie=cookies_of(browser))


@pytest.fixture
def begun(site):
    """Give a function that begins a form and does not end it."""
    with ExitStack() as opened:

        def begin(browser, path):
            lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Type: {FORM}", "Content-Length: 100",
                     f"Cookie: {cookies_of(browser)}", "", "user=a"]  # fmt: skip
            parts = urlsplit(site)
            client = opened.enter_context(socket.create_connection((parts.hostname, parts.port)))
            client.sendall("\r\n".join(lines).encode())

        yield begin


def test_many_who_send_slowly(browser, begun):
    """Whoever begins forms and does not end them keeps nobody from the log-in."""
    slow = browser()
    slow.token()
    for _ in range(2 * CONNECTIONS):
        begun(slow, "/login")
    assert browser("ada").get("/overview").status == 200


def test_too_large(browser):
    """A form of more than 1 MB is refused; one just below it is read."""
    grace = browser("grace")
    assert grace.post("/worklist/act", note="x" * 1_000_000).status == 302
    assert grace.post("/worklist/act", note="x" * 1_100_000).status == 413


def test_too_slow(database):
    """A form that is not complete in time is refused."""
    pages = Pages(House(database, keeper=None, secret=SECRET), body_seconds=0.01)

    async def nothing_comes():
        await asyncio.Event().wait()

    assert ask(pages, "/login", nothing_comes) == 408
    pages.close()


def test_pieces_without_a_length(browser, tasks):
    """A form in pieces, without its length, is read like any other."""
    grace = browser("grace")
    body = [urlencode({"csrfmiddlewaretoken": grace.token()}).encode()]
    answer = grace.ask("POST", f"/task/{tasks[0]}/open", iter(body), {"content-type": FORM})
    assert answer.location == f"/task/{tasks[0]}"


def test_cut_off(within, browser, tasks, control):
    """A save whose connection ends before it was whole changes nothing."""
    grace, task = browser("grace"), tasks[0]
    grace.post(f"/task/{task}/open")

    def gone(_):
        return {"type": "http.disconnect"}

    assert in_two(within, grace, f"/task/{task}/save", gone, version=1, note="the whole long note, all of it") is None
    assert task_of(control, id=task).note == ""


def test_disabled_while_it_is_sent(within, browser, control):
    """An administrator who is disabled while a form is on its way changes nothing by it."""

    def disabled(rest):
        change_user(control, name="ada", change=Change(disabled=True), **WHO)
        return {"type": "http.request", "body": rest, "more_body": False}

    fields = {"level": "site", "value": "N", "reason": "mine", "confirm": "1"}
    assert in_two(within, browser("ada"), "/parameters/disable_user_access/new", disabled, **fields) == 302
    assert list_settings(control) == []
