"""The webhook, to a real web server: signed, tried again and given up, never redirected."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time

import pytest

from slacktide.core.configuration import Webhook
from slacktide.notice import failure, store, webhook
from slacktide.notice.sender import Sender, WebhookWay
from slacktide.postgres.connection import connect
from tests.notice.conftest import SECRET, send_all


@pytest.fixture
def told(site):
    """Give a site of which a downtime is announced."""
    site.down(start="now+PT30M")
    site.plan()
    return site


def test_signed(told, hook, caller):
    """The document says type and facts, and its signature is that of Standard Webhooks, worked out anew here."""
    assert send_all(caller) == 1
    ((path, headers, body),) = hook.got
    headers = {name.lower(): value for name, value in headers.items()}
    found = json.loads(body)
    assert path == "/hook"
    assert (found["type"], found["data"]["organization"], found["data"]["users"]) == ("downtime.ahead", "SOUTH", "out")
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    secret = base64.b64decode(SECRET.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert told.delivery("", "webhook")["state"] == "sent"


def test_published_example():
    """The signature of the specification's own example comes out."""
    secret, key, second = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330
    body = b'{"test": 2432232314}'
    expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert webhook.sign(secret=secret, key=key, second=second, body=body) == expected


@pytest.mark.parametrize("status", [500, 404, 302])
def test_tried_again(told, hook, caller, status):
    """Whatever is not 2xx is tried again, later each time, under the same ID; a redirect is not followed."""
    hook.answers = [status, status]
    for _ in range(4):
        send_all(caller)
        told.hurry()
    assert [path for path, *_ in hook.got] == ["/hook"] * 3
    assert len({headers["webhook-id"] for _, headers, _ in hook.got}) == 1
    assert len({body for *_, body in hook.got}) == 1
    assert told.delivery("", "webhook")["state"] == "sent"


def test_given_up(told, hook, caller):
    """One that always answers 500 is given up after its last attempt, and says so."""
    hook.answers = [500] * 20
    for _ in range(failure.ATTEMPTS + 2):
        send_all(caller)
        told.hurry()
    assert len(hook.got) == failure.ATTEMPTS
    found = told.delivery("", "webhook")
    assert (found["state"], found["because"]) == ("given up", "it answered 500")


def test_not_in_time(told, hook, caller, monkeypatch):
    """A server that does not answer, or a byte now and then without an end, is left after its time."""

    def drip(request):
        for _ in range(200):
            request.wfile.write(b"H")
            time.sleep(0.05)

    monkeypatch.setattr(webhook, "_LONGEST_SECONDS", 0.5)
    monkeypatch.setattr(webhook, "_TIMEOUT_SECONDS", 0.3)
    hook.answers = [lambda _: time.sleep(5), drip]
    for _ in range(2):
        begun = time.monotonic()
        assert send_all(caller) == 1
        assert time.monotonic() - begun < 5
        assert told.delivery("", "webhook")["state"] == "waiting"
        told.hurry()
    send_all(caller)
    assert told.delivery("", "webhook")["state"] == "sent"


def test_cannot_be_reached(told):
    """Where nobody listens the channel waits, and the delivery uses up no attempt."""
    with connect(told.address, name="send") as connection:
        send_all(Sender(connection, way=WebhookWay(Webhook("http://127.0.0.1:1/hook", SECRET))))
    assert told.delivery("", "webhook")["attempts"] == 0
    name, failures, because, _ = store.channels(told.connection)[1]
    assert (name, failures) == ("webhook", 1)
    assert "refused" in because


def test_mail_is_not_kept_back(told, hook, caller, mailbox, postman):
    """A webhook that fails keeps no mail back, and the other way round."""
    told.user("ada", "NORTH")
    told.down("NORTH", start="now+PT30M")
    told.plan()
    hook.answers = [500] * 5
    send_all(caller)
    send_all(postman)
    assert mailbox.count == 1
