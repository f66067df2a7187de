"""Ways in to an application behind a gate. The whole list is docs/explanation/ways-in.md."""

from __future__ import annotations

import pytest

from slacktide.downtime.table import Action
from slacktide.gates.ask import Ask
from slacktide.gates.control_source import ControlSource
from slacktide.gates.keeper import Keeper
from slacktide.gates.wsgi import Gate
from tests.gates.conftest import fetch
from tests.gates.test_wsgi import serving

# What the application's router finds, and what each route is about.
ROUTES = {
    "/token": Action.LOGIN,
    "/reset": Action.LOGIN,
    "/remembered": Action.LOGIN,
    "/login": None,
    "/second-factor": None,
    "/static/app.css": None,
    "/export": Action.OPEN_TASK,
}


class App:
    """An application with refresh tokens and reset links, each good for once."""

    def __init__(self):
        """Begin with one of each."""
        self.good, self.sessions = {b"refresh-1", b"reset-1"}, 0

    def __call__(self, environ, start_response):
        sent = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        path = environ["PATH_INFO"]
        used = path in ("/token", "/reset")
        allowed = not used or sent in self.good
        if used and allowed:
            self.good.remove(sent)
        self.sessions += allowed and ROUTES.get(path) is Action.LOGIN
        start_response("200 OK" if allowed else "400 Bad Request", [("Content-Type", "text/plain")])
        return [b"done"]


def asks(environ):
    """Say what a route is about."""
    action = ROUTES.get(environ["PATH_INFO"])
    if action is None:
        return None
    return Ask(action=action, organization="HOTEL", admin="HTTP_ADMIN" in environ, session="none")


@pytest.fixture
def app():
    """Give the application."""
    return App()


@pytest.fixture
def url(app, control, database):
    """Give its address, behind a gate."""
    with Keeper(ControlSource(database)) as keeper, serving(Gate(app, keeper=keeper, asks=asks)) as url:
        yield url


def test_what_is_good_for_once_is_not_burnt(url, app, plan, end, soon):
    """A refresh token and a reset link that are refused in a downtime of the site make no session and stay good."""
    key = plan()
    soon(lambda: fetch(url, "/remembered", method="POST").status == 503)
    before = app.sessions
    for path, secret in (("/token", b"refresh-1"), ("/reset", b"reset-1")):
        refused = fetch(url, path, method="POST", body=secret)
        assert (refused.status, refused.json["code"], secret in app.good) == (503, "site_downtime", True)
    assert app.sessions == before
    end(key)
    soon(lambda: fetch(url, "/remembered", method="POST").status == 200)
    for path, secret in (("/token", b"refresh-1"), ("/reset", b"reset-1")):
        assert fetch(url, path, method="POST", body=secret).status == 200
        assert fetch(url, path, method="POST", body=secret).status == 400


def test_an_administrator_is_not_locked_out(url, plan, soon):
    """Log-in, second factor and static files are exempt by route, and an administrator's refresh goes through."""
    plan()
    soon(lambda: fetch(url, "/remembered").status == 503)
    assert [fetch(url, path).status for path in ("/login", "/second-factor", "/static/app.css")] == [200] * 3
    assert fetch(url, "/token", method="POST", body=b"refresh-1", Admin="yes").status == 200
    assert fetch(url, "/export", Admin="yes").status == 200


def test_other_routes_of_the_same_thing(url, plan, soon):
    """Verbs, queries and headers change nothing about what a route is judged as."""
    plan("HOTEL")
    soon(lambda: fetch(url, "/export").status == 503)
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"):
        assert fetch(url, "/export?/login", method=method, X_Original_URL="/login").status == 503
    assert fetch(url, "/%65xport").status == 503
    assert fetch(url, "/export", method="GET", X_HTTP_Method_Override="OPTIONS").status == 503
