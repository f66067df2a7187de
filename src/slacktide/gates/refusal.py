"""What a refused request gets: an RFC 9457 problem document, or a page for who reads one.

Downtimes are 503 with `Retry-After`, `not_administrator` is 403, `reference_only` 409 with the new place as a link. Who
has to log in first is sent to the log-in where the gate knows it, else told so with 403. Nothing of it may be stored.
Texts of administrators are shown as plain text.
"""

from __future__ import annotations

from html import escape
from http import HTTPStatus
from typing import Any

import msgspec

from slacktide.core.link import is_link
from slacktide.downtime.decision import Decision

Headers = tuple[tuple[str, str], ...]
_STATUS = {
    "site_downtime": HTTPStatus.SERVICE_UNAVAILABLE,
    "organization_downtime": HTTPStatus.SERVICE_UNAVAILABLE,
    "schedule_unknown": HTTPStatus.SERVICE_UNAVAILABLE,
    "reference_only": HTTPStatus.CONFLICT,
    "not_administrator": HTTPStatus.FORBIDDEN,
}
_TITLE = {
    "site_downtime": "Not available: scheduled downtime",
    "organization_downtime": "Not available: scheduled downtime",
    "schedule_unknown": "Not available at the moment",
    "reference_only": "Moved: for reference only",
    "not_administrator": "For administrators only",
}
_LOG_IN = "Log in first"
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title></head><body><main><h1>{title}</h1>
{text}</main></body></html>
"""


class Reply(msgspec.Struct, frozen=True):
    """An answer over HTTP."""

    status: int
    headers: Headers = ()
    body: bytes = b""


def status_of(decision: Decision) -> int:
    """Give the status of an answer: 200 if it is allowed."""
    if decision.allowed:
        return HTTPStatus.OK
    return _STATUS[decision.code] if decision.code is not None else HTTPStatus.FORBIDDEN


def title_of(decision: Decision) -> str:
    """Give the heading of a refusal's page."""
    return _TITLE[decision.code] if decision.code else _LOG_IN


def refuse(decision: Decision, *, accept: str = "", log_in_at: str | None = None) -> Reply:
    """Give the answer to a request that was refused; a page if the reader accepts HTML."""
    if decision.decision == "login" and log_in_at is not None:
        return Reply(HTTPStatus.SEE_OTHER, (("Location", log_in_at), ("Cache-Control", "no-store")))
    page = "text/html" in accept
    kind = "text/html; charset=utf-8" if page else "application/problem+json"
    body = _page(decision) if page else _problem(decision)
    return Reply(status_of(decision), (("Content-Type", kind), *common_headers(decision), *_length(body)), body)


def problem(*, status: int, title: str, detail: str, headers: Headers = ()) -> Reply:
    """Give a problem document that is about no decision."""
    body = msgspec.json.encode({"type": "about:blank", "title": title, "status": int(status), "detail": detail})
    fixed = (("Content-Type", "application/problem+json"), ("Cache-Control", "no-store"))
    return Reply(int(status), (*fixed, *headers, *_length(body)), body)


def common_headers(decision: Decision) -> Headers:
    """Give the headers of every refusal: nothing is stored, when to try again, where it lives now."""
    headers: list[tuple[str, str]] = [
        ("Cache-Control", "no-store"),
        ("Vary", "Accept"),
        ("X-Content-Type-Options", "nosniff"),
    ]
    if decision.retry_after_seconds is not None:
        headers.append(("Retry-After", str(decision.retry_after_seconds)))
    if (place := _place(decision)) is not None:
        headers.append(("Link", f'<{place}>; rel="alternate"'))
    return tuple(headers)


def _problem(decision: Decision) -> bytes:
    code = decision.code
    facts: dict[str, Any] = {
        "type": f"urn:slacktide:{code or 'log_in'}",
        "title": title_of(decision),
        "status": status_of(decision),
        "detail": decision.message or "This link can be used after a log-in.",
    }
    place = {"lives_at": decision.reason.lives_at} if decision.reason and decision.reason.lives_at else {}
    return msgspec.json.encode(facts | decision.answer() | place)


def _page(decision: Decision) -> bytes:
    title = title_of(decision)
    lines = (decision.message or "This link can be used after a log-in.").split("\n")
    text = "".join(f"<p>{escape(line)}</p>\n" for line in lines)
    if (place := _place(decision)) is not None:
        text += f'<p><a href="{escape(place)}">{escape(place)}</a></p>\n'
    return _PAGE.format(title=escape(title), text=text).encode()


def _place(decision: Decision) -> str | None:
    """Give where an organization lives now, if that can be a link and be written into a header."""
    place = decision.reason.lives_at if decision.reason is not None else None
    return place if place is not None and is_link(place) else None


def _length(body: bytes) -> Headers:
    return (("Content-Length", str(len(body))),)
