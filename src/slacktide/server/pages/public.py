"""What needs no log-in: the way to the first page, the calendar, and the files of the pages."""

from __future__ import annotations

from importlib import resources
from urllib.parse import urlsplit

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from slacktide.control.calendar import calendar
from slacktide.control.organization import list_organizations
from slacktide.control.setting import control_now, list_settings
from slacktide.control.token import CALENDAR, Token, hash_of, live_tokens
from slacktide.server.pages.gate import exempt
from slacktide.server.pages.house import connected, house_of
from slacktide.server.pages.visitor import for_nobody, visitor_of

_FILES = {"site.css": "text/css; charset=utf-8", "task.js": "text/javascript; charset=utf-8"}


@exempt
def home(request: HttpRequest) -> HttpResponse:
    """Lead to the visitor's first page."""
    return redirect("/overview" if visitor_of(request).admin else "/worklist")


@for_nobody
@exempt
def file(request: HttpRequest, name: str) -> HttpResponse:
    """Give a file of the pages."""
    del request
    if name not in _FILES:
        raise Http404
    body = (resources.files(__package__) / "files" / name).read_bytes()
    return HttpResponse(body, content_type=_FILES[name], headers={"Cache-Control": "public, max-age=300"})


@exempt
def feed(request: HttpRequest, token: str, code: str | None = None) -> HttpResponse:
    """Give the calendar that a token stands for: of the organizations that it may see, or of one of them."""
    with connected(request) as connection:
        known = live_tokens(connection).get(hash_of(token))
        if known is None or CALENDAR not in known.scopes or not _sees(known, code):
            raise Http404
        organizations = {one.code: one for one in list_organizations(connection)}
        seen = {key: one for key, one in organizations.items() if known.may_see(key) and code in (None, key)}
        if code is not None and not seen:
            raise Http404
        site = urlsplit(house_of(request).base_url or "").hostname or "slacktide"
        body = calendar(settings=list_settings(connection), organizations=seen, site=site, now=control_now(connection))
    return HttpResponse(body, content_type="text/calendar; charset=utf-8")


def _sees(token: Token, code: str | None) -> bool:
    return code is None or token.may_see(code)
