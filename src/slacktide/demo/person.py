"""A person at a browser, as a demonstration needs one: pages are fetched, and forms sent as the pages have them."""

from __future__ import annotations

import re
import urllib.error
import urllib.parse
import urllib.request
from html import unescape
from http.client import HTTPResponse
from http.cookiejar import CookieJar
from typing import Any

import msgspec

_SECONDS = 20
_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')
_SPACE = re.compile(r"\s+")
_TAG = re.compile(r"<[^>]*>")


class Page(msgspec.Struct, frozen=True):
    """What came back, after all redirects: the status, the path that it is of, and the text as it is read."""

    status: int
    path: str
    text: str


class Person:
    """One person, with cookies of its own."""

    def __init__(self, url: str) -> None:
        """Sit down at the site."""
        self._url = url
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        self._token = ""

    def log_in(self, name: str, password: str, **fields: str) -> Page:
        """Log in by the form."""
        self.get("/login")
        return self.post("/login", user=name, password=password, **fields)

    def get(self, path: str) -> Page:
        """Go to a page."""
        return self._ask(path, None)

    def post(self, path: str, **fields: str) -> Page:
        """Send a form, with the token that the last page had."""
        return self._ask(path, {"csrfmiddlewaretoken": self._token, **fields})

    def _ask(self, path: str, form: dict[str, str] | None) -> Page:
        body = None if form is None else urllib.parse.urlencode(form).encode()
        request = urllib.request.Request(self._url + path, body, {"Accept": "text/html"})  # noqa: S310 -- our own site
        answer: HTTPResponse | urllib.error.HTTPError
        try:
            answer = self._opener.open(request, timeout=_SECONDS)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return self._page(answer, answer.read().decode())

    def _page(self, answer: Any, html: str) -> Page:
        if (found := _TOKEN.search(html)) is not None:
            self._token = found[1]
        text = _SPACE.sub(" ", unescape(_TAG.sub(" ", html.partition('<main id="content">')[2])))
        return Page(answer.status, urllib.parse.urlsplit(answer.url).path, text)
