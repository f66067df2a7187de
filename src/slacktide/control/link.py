"""The addresses that mails carry: a task and its user, signed.

1. Somebody changes the user or the task in an address: the signature does not fit, and the link is none of ours.
2. The link is used twice, or is refused first: it stays as good as it was; what it may do is judged each time.
3. The secret is changed: all links that were sent before are void.

Nothing is kept of a link: it is made from the task, the user and the secret, and always the same.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256

import msgspec

_PURPOSE = b"slacktide task link 1\0"
_SIGNATURE_BYTES = 18


class Link(msgspec.Struct, frozen=True, array_like=True):
    """Whose link it is, and to which task."""

    task: str
    user: str


def sign_link(link: Link, *, secret: str) -> str:
    """Give the token of a link, for an address."""
    body = msgspec.json.encode(link)
    return urlsafe_b64encode(_signature(body, secret) + body).decode().rstrip("=")


def read_link(token: str, *, secret: str) -> Link | None:
    """Give the link that a token stands for; None where it is not one that we signed."""
    try:
        signed = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        signature, body = signed[:_SIGNATURE_BYTES], signed[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, _signature(body, secret)):
            return None
        return msgspec.json.decode(body, type=Link)
    except (ValueError, msgspec.MsgspecError):
        return None


def _signature(body: bytes, secret: str) -> bytes:
    return hmac.digest(secret.encode(), _PURPOSE + body, sha256)[:_SIGNATURE_BYTES]
