"""The little of HTTP that the hot paths need: requests and answers as plain ASGI has them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

from slacktide.gates.refusal import Headers, Reply, problem

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

JSON: Headers = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))
LARGEST_BODY_BYTES = 64 * 1024


def header(scope: Scope, name: bytes) -> str:
    """Give a header of a request, empty if it has none."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return ""


def headers_of(scope: Scope) -> dict[str, str]:
    """Give all headers of a request by their names in small letters; of one that comes twice the first.

    Proxies write the names of users and organizations in UTF-8.
    """
    found: dict[str, str] = {}
    for key, value in scope["headers"]:
        found.setdefault(str(key, "latin-1"), str(value, "utf-8", "replace"))
    return found


class BodyTooLarge(Exception):
    """A request's body is larger than it can be."""


async def body_of(receive: Receive, *, largest_bytes: int = LARGEST_BODY_BYTES) -> bytes | None:
    """Receive a request's body to its end; None if the client went before. Raises BodyTooLarge."""
    body = bytearray()
    while (message := await receive())["type"] == "http.request":
        body += message.get("body", b"")
        if len(body) > largest_bytes:
            raise BodyTooLarge
        if not message.get("more_body", False):
            return bytes(body)
    return None


async def say(reply: Reply, send: Send) -> None:
    """Send an answer."""
    headers = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in reply.headers]
    await send({"type": "http.response.start", "status": int(reply.status), "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


def json_reply(body: bytes, *, status: int = HTTPStatus.OK, headers: Headers = JSON) -> Reply:
    """Give an answer in JSON."""
    return Reply(status, (*headers, ("Content-Length", str(len(body)))), body)


def unadmitted(scope: str) -> Reply:
    """Answer who is not admitted: 401, with what would be."""
    detail = f"This needs `Authorization: Bearer TOKEN` with a live token of scope {scope}: `slacktide token add`."
    challenge = (("WWW-Authenticate", f'Bearer scope="{scope}"'),)
    return problem(status=HTTPStatus.UNAUTHORIZED, title="Not admitted", detail=detail, headers=challenge)
