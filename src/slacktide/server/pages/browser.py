"""What a browser is remembered by: the link that it came with, and for which users it needs no log-in for links.

With the security level `medium` one log-in is enough for seven days, for the links of that user in that browser. It is
a signed cookie of its own, outside the session, and counts no more once the user's role or password has changed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.core import signing
from django.http import HttpRequest, HttpResponse

from slacktide.server.pages.house import house_of

LINK = "link"
COOKIE = "slacktide-links"
LASTS = timedelta(days=7)
_SALT = "slacktide.links"
_MOST = 10


def remembered_at(request: HttpRequest, *, user: str) -> datetime | None:
    """Tell when the user logged in here last, if that is not longer ago than a browser is remembered."""
    since = _read(request).get(user)
    if since is None:
        return None
    at = datetime.fromisoformat(since)
    now = house_of(request).keeper.moment().now
    return at if at <= now < at + LASTS else None


def after_log_in(request: HttpRequest, *, user: str) -> str:
    """Give the cookie that remembers a user who has just logged in."""
    now = house_of(request).keeper.moment().now
    others = [(name, at) for name, at in _read(request).items() if name != user]
    return signing.dumps(dict([*others[-_MOST + 1 :], (user, now.isoformat())]), salt=_SALT)


def remember(response: HttpResponse, cookie: str, request: HttpRequest) -> HttpResponse:
    """Set the cookie."""
    secure = request.is_secure() or (house_of(request).base_url or "").startswith("https://")
    response.set_cookie(COOKIE, cookie, max_age=LASTS, httponly=True, secure=secure, samesite="Lax", path="/")
    return response


def _read(request: HttpRequest) -> dict[str, str]:
    try:
        found: Any = signing.loads(request.COOKIES.get(COOKIE, ""), salt=_SALT, max_age=LASTS)
    except signing.BadSignature:
        return {}
    return found if isinstance(found, dict) else {}
