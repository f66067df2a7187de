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


async def body_of(receive: Receive) -> bytes | None:
    """Receive a request's body; None if it is too large or the client went."""
    body: bytes = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if len(body) > LARGEST_BODY_BYTES:
            return None
        if not message.get("more_body", False):
            return body


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
