"""The site with users and tasks, and browsers that speak HTTP as plainly as possible."""

from __future__ import annotations

import http.client
import re
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urlsplit

import pytest

from slacktide.control import user
from slacktide.control.link import Link, sign_link
from slacktide.control.task import add_task
from slacktide.guard.closing import begin_closing
from slacktide.guard.install import install
from slacktide.guard.table import GuardedTable
from slacktide.postgres.connection import connect
from slacktide.server.asgi import Site
from slacktide.server.run import serving
from slacktide.transfer.move import create_move
from tests.gates.conftest import control, end, fetch, plan, soon, token
from tests.memory import drop_from_memory

__all__ = ["control", "end", "fetch", "plan", "soon", "token"]

WHO = {"who": "tester", "reason": "a test"}
SECRET = "the site's own, long enough"
PASSWORD = "correct horse"


class Page:
    """What came back."""

    def __init__(self, status, headers, text):
        """Take what came over HTTP."""
        self.status, self.headers, self.text = status, headers, text

    @property
    def location(self):
        return self.headers["location"]

    def says(self, words):
        return words in re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", self.text))


class Browser:
    """A client with cookies; forms are sent as a page of the site has them, with its token."""

    def __init__(self, url):
        """Begin without cookies."""
        self._url, self.cookies = url, {}

    def get(self, path, *, method="GET", **headers):
        return self.ask(method, path, None, headers)

    def post(self, path, *, csrf=True, **fields):
        form = [(name, value) for name, value in fields.items() if not isinstance(value, list)]
        form += [(name, each) for name, value in fields.items() if isinstance(value, list) for each in value]
        if csrf:
            form.append(("csrfmiddlewaretoken", self.token()))
        kind = {"content-type": "application/x-www-form-urlencoded"}
        return self.ask("POST", path, urlencode(form), kind)

    def log_in(self, name, password=PASSWORD, **fields):
        return self.post("/login", user=name, password=password, **fields)

    def token(self):
        if "slacktide-csrf" not in self.cookies:
            self.get("/login")
        return self.cookies["slacktide-csrf"]

    def ask(self, method, path, body, headers):
        parts = urlsplit(self._url)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
        named = {"accept": "text/html", "cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())}
        try:
            connection.request(method, path, body, named | headers)
            answer = connection.getresponse()
            for line in answer.headers.get_all("set-cookie") or []:
                for name, morsel in SimpleCookie(line).items():
                    self._keep(name, morsel)
            return Page(answer.status, answer.headers, answer.read().decode())
        finally:
            connection.close()

    def _keep(self, name, morsel):
        if morsel["max-age"] == "0" or not morsel.value:
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = morsel.value


@pytest.fixture
def people(control):
    """Give users: ada administers, grace works for both organizations, heidi runs HOTEL, oscar works for OTHER."""
    both = {"HOTEL": "user", "OTHER": "user"}
    for name, change in (
        ("ada", user.Change(admin=True, password=PASSWORD)),
        ("grace", user.Change(organizations=both, password=PASSWORD)),
        ("heidi", user.Change(organizations={"HOTEL": "administrator"}, password=PASSWORD)),
        ("oscar", user.Change(organizations={"OTHER": "user"}, password=PASSWORD)),
    ):
        user.add_user(control, name=name, change=change, **WHO)


@pytest.fixture
def tasks(control, people):
    """Give two tasks of HOTEL and one of OTHER, by their IDs."""
    named = (("HOTEL", "Pay the linen"), ("HOTEL", "Pay the eggs"), ("OTHER", "Pay the rent"))
    return [add_task(control, organization=code, title=title, **WHO).id for code, title in named]


@pytest.fixture
def site(control, database):
    """Give the address of a real server with the site of the control database."""
    with serving(Site(database, secret=SECRET), host="127.0.0.1", port=0) as url:
        yield url


@pytest.fixture
def browser(site, people):
    """Give a function that opens a browser, and logs a user in."""

    def open_one(name=None):
        opened = Browser(site)
        if name is not None:
            assert opened.log_in(name).status == 302
        return opened

    return open_one


@pytest.fixture
def clerk(control, server, database):
    """Give a clerk's connection whose transaction holds the closing of HOTEL up, in a database that HOTEL leaves."""
    name = f"{control.info.dbname}_source"
    server.create_database(name)
    source = server.address(name)
    with connect(source, name="owner") as owner, connect(source, name="clerk", autocommit=False) as clerk:
        owner.execute("create table public.stay (code text)")
        install(owner, tables=[GuardedTable(schema="public", table="stay", organization="r.code")])
        texts = {"plan_file": "hotel", "plan_text": "", "property": "HOTEL", "target_property": "NEW", "spool": ""}
        create_move(control, name="move", source=source, target=server.address("there_is_none"), **texts)
        clerk.execute("insert into public.stay values ('HOTEL')")
        begin_closing(owner, organization="HOTEL")
        yield clerk
    drop_from_memory(source)


@pytest.fixture
def link():
    """Give a function that makes the path of an e-mail link."""
    return lambda task, name: f"/task/link/{sign_link(Link(task, name), secret=SECRET)}"
