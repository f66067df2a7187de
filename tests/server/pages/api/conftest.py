"""A program that calls the API with a token, for itself or for a user."""

from __future__ import annotations

import json

import pytest

from slacktide.control.user import Change, add_user
from tests.gates.conftest import fetch
from tests.server.pages.conftest import WHO


class Program:
    """A caller: its token, and the user and session that it names."""

    def __init__(self, url, secret, **named):
        """Take the site's address and the token."""
        self._url, self._secret, self._named = url, secret, named

    def ask(self, method, path, body=None, **headers):
        named = {f"slacktide_{name}": value for name, value in self._named.items()}
        if self._secret is not None:
            named["authorization"] = f"Bearer {self._secret}"
        text = None if body is None else json.dumps(body)
        return fetch(self._url, f"/api/{path}", method=method, body=text, **(named | headers))

    def get(self, path, **headers):
        return self.ask("GET", path, **headers)

    def post(self, path, /, **body):
        return self.ask("POST", path, body)

    def with_session(self):
        """Give the same caller in a new session of its user."""
        return Program(self._url, self._secret, **self._named, session=self.post("sessions").json["id"])


@pytest.fixture
def people(control):
    """Give the same users as the pages have, without passwords: nobody logs in by one here."""
    both = {"HOTEL": "user", "OTHER": "user"}
    roles = {"grace": both, "heidi": {"HOTEL": "administrator"}, "oscar": {"OTHER": "user"}}
    add_user(control, name="ada", change=Change(admin=True), **WHO)
    for name, organizations in roles.items():
        add_user(control, name=name, change=Change(organizations=organizations), **WHO)


@pytest.fixture
def program(site, people, token):
    """Give a function that makes a program with a token of scope api, for a user if one is named."""

    def make(user=None, *, admin=False, secret=None, organizations=(), name=None):
        scopes = ("api", "assert-admin") if admin else ("api",)
        named = {} if user is None else {"user": user}
        return Program(site, secret or token(*scopes, organizations=organizations, name=name), **named)

    return make
