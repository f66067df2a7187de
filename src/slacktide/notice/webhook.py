"""The webhook: a POST of JSON, signed as Standard Webhooks say, so that who gets it knows who sent it, and when.

The signature is over the ID, the second of this attempt and the body. The ID stays the same in a repeat. A redirect is
not followed: it would take the document to a place that nobody has named.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import http.client
import json
import ssl
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from slacktide.core.configuration import Webhook
from slacktide.notice.deadline import within
from slacktide.notice.failure import Failure, Whose, failure

_TIMEOUT_SECONDS = 10.0
_LONGEST_SECONDS = 20.0
_PREFIX = "whsec_"
_LAST_2XX = 299


def sign(*, secret: str, key: str, second: int, body: bytes) -> str:
    """Give the value of `webhook-signature`.

    The secret is `whsec_` and its bytes in base64, or any text.
    """
    signed = b".".join([key.encode(), str(second).encode(), body])
    return "v1," + base64.b64encode(hmac.new(_bytes(secret), signed, hashlib.sha256).digest()).decode()


def post(webhook: Webhook, *, document: dict[str, Any], key: str, at: datetime) -> Failure | None:
    """Send a document; give None once it was answered with 2xx, or why not. `at` is the time of this attempt."""
    url, body, second = urlsplit(webhook.url), json.dumps(document).encode(), int(at.timestamp())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "slacktide",
        "webhook-id": key,
        "webhook-timestamp": str(second),
        "webhook-signature": sign(secret=webhook.secret, key=key, second=second, body=body),
    }
    connection = _connection(url.scheme, url.hostname or "", url.port)
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    try:
        with within(_LONGEST_SECONDS, lambda: connection.sock):
            try:
                connection.connect()
            except OSError as error:
                return failure(Whose.CHANNEL, f"{url.hostname}: {error}")
            connection.request("POST", target, body=body, headers=headers)
            status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return failure(Whose.DELIVERY, str(error) or type(error).__name__)
    finally:
        connection.close()
    return None if http.client.OK <= status <= _LAST_2XX else failure(Whose.DELIVERY, _said(status))


def _connection(scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
    if scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_SECONDS, context=context)
    return http.client.HTTPConnection(host, port, timeout=_TIMEOUT_SECONDS)


def _said(status: int) -> str:
    redirected = http.client.MULTIPLE_CHOICES <= status < http.client.BAD_REQUEST
    return f"it answered {status}{', and a redirect is not followed' if redirected else ''}"


def _bytes(secret: str) -> bytes:
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        return secret.encode()
