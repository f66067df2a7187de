"""The notices with their deliveries, and a test of the channels, as the commands ask for them."""

from __future__ import annotations

import uuid
from collections import defaultdict
from datetime import datetime
from typing import Any

import msgspec
import psycopg

from slacktide.core import clock
from slacktide.core.configuration import MailServer, Webhook
from slacktide.core.duration import format_instant
from slacktide.notice import store, webhook
from slacktide.notice.mail import Post
from slacktide.notice.state import State
from slacktide.notice.store import Asking, Milestone
from slacktide.notice.wording import Content, headline

_SHOWN = (State.WAITING, State.SENDING, State.GIVEN_UP)
LAST = 100


def notice_list(connection: psycopg.Connection[Any], *, state: str | None = None, last: int = LAST) -> dict[str, Any]:
    """Give the channels and the last notices, newest first, as `notice list` prints them.

    With a state the notices that have a delivery in it, with those. Without, the deliveries that wait or were given up
    stand by themselves, and all are counted.
    """
    rows = store.list_notices(connection, state=state, last=last)
    listed: dict[int, list[dict[str, Any]]] = defaultdict(list)
    states, notices = [state] if state else [*_SHOWN], [row[0] for row in rows]
    for notice, *facts in store.list_deliveries(connection, notices=notices, states=states):
        listed[notice].append(_delivery(*facts))
    return {
        "channels": [_channel(*row) for row in store.channels(connection)],
        "notices": [_notice(*row, deliveries=listed[row[0]]) for row in rows],
    }


def try_mail(server: MailServer, *, to: str) -> dict[str, Any]:
    """Send a mail that says that it is a test; give what happened."""
    post = Post(server)
    failed = post.send(
        to=to,
        subject="Slacktide: a test",
        text="This is a test of the mail server. Nobody else got it, and no downtime has to do with it.\n",
        key=str(uuid.uuid4()),
        at=clock.now(),
    )
    post.close()
    return {"channel": "mail", "to": to, "sent": failed is None, "because": failed.because if failed else None}


def try_webhook(hook: Webhook) -> dict[str, Any]:
    """Send a signed document of the type `test`; give what happened."""
    now = clock.now()
    told = {"type": "test", "timestamp": format_instant(now), "data": {}}
    failed = webhook.post(hook, document=told, key=str(uuid.uuid4()), at=now)
    return {
        "channel": "webhook",
        "to": hook.shown,
        "sent": failed is None,
        "because": failed.because if failed else None,
    }


def _channel(name: str, failures: int, because: str, next_try: datetime) -> dict[str, Any]:
    waits = failures > 0
    return {
        "channel": name,
        "works": not waits,
        "because": because,
        "next_try": format_instant(next_try) if waits else None,
    }


def _notice(
    id_: int, kind: str, content: str, planned_at: datetime, count: dict[str, int], *, deliveries: list[dict[str, Any]]
) -> dict[str, Any]:
    facts = {"planned_at": format_instant(planned_at), "count": count, "deliveries": deliveries}
    return {"id": str(id_), "kind": kind, **_told(kind, content), **facts}


def _told(kind: str, content: str) -> dict[str, Any]:
    if kind == "task":
        asking = msgspec.json.decode(content, type=Asking)
        return {"downtime": None, "occurrence": None, "organization": None, "text": asking.subject}
    if kind == "milestone":
        reached = msgspec.json.decode(content, type=Milestone)
        facts = {"downtime": None, "occurrence": None, "organization": reached.organization}
        return facts | {"text": reached.subject}
    told = msgspec.json.decode(content, type=Content)
    facts = {"downtime": told.downtime, "occurrence": told.occurrence or None, "organization": told.organization}
    return facts | {"text": headline(told)}


def _delivery(
    channel: str,
    recipient: str,
    state: str,
    attempts: int,
    repeats: int,
    because: str,
    next_try: datetime,
    ended_at: datetime | None,
) -> dict[str, Any]:
    waits = state == State.WAITING
    return {
        "channel": channel,
        "recipient": recipient or None,
        "state": state,
        "attempts": attempts,
        "repeats": repeats,
        "because": because,
        "next_try": format_instant(next_try) if waits else None,
        "ended_at": None if ended_at is None else format_instant(ended_at),
    }
