"""Notices of downtimes, in a process of the system's own: `python -m slacktide.worker.notice`.

It plans what is due and sends it; who plans and who sends what is decided in the control database, so that any number
of these processes may run. A channel that is not configured, or wrongly, is left alone: the others go on.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import TypeVar

import psycopg
from psycopg.rows import TupleRow

from slacktide.core.configuration import base_url, mail_server, secret_key, webhook
from slacktide.core.errors import SlacktideError
from slacktide.cutover import milestone
from slacktide.notice.planner import Planner
from slacktide.notice.sender import MailWay, Sender, WebhookWay
from slacktide.notice.store import Channel
from slacktide.worker import loop

MAIL_SENDERS = 2
_MILESTONE_SECONDS = 1.0
Found = TypeVar("Found")


def main() -> int:
    """Plan and send until told to end."""
    server, hook = _configured(mail_server), _configured(webhook)
    address, secret = _configured(base_url), _configured(secret_key)
    configured: dict[Channel, bool] = {"mail": server is not None, "webhook": hook is not None}

    def plan_notices(connection: psycopg.Connection[TupleRow], ended: threading.Event) -> None:
        Planner(connection, configured=configured).run(ended=ended.is_set)

    def tell_milestones(connection: psycopg.Connection[TupleRow], ended: threading.Event) -> None:
        while not ended.is_set():
            milestone.tell(connection, configured=configured)
            ended.wait(_MILESTONE_SECONDS)

    def send_mail(connection: psycopg.Connection[TupleRow], ended: threading.Event) -> None:
        if server is not None:
            Sender(connection, way=MailWay(server, address=address, secret=secret)).run(ended=ended.is_set)

    def send_webhook(connection: psycopg.Connection[TupleRow], ended: threading.Event) -> None:
        if hook is not None:
            Sender(connection, way=WebhookWay(hook)).run(ended=ended.is_set)

    mails, hooks = [send_mail] * MAIL_SENDERS if server else [], [send_webhook] if hook else []
    return loop.run([plan_notices, tell_milestones, *mails, *hooks])


def _configured(read: Callable[[], Found | None]) -> Found | None:
    """Read a part of the configuration; one that is wrong is said, and is as if it were not there."""
    try:
        return read()
    except SlacktideError as error:
        print(f"slacktide: notices: {error}", file=sys.stderr)  # noqa: T201 -- its worker's standard error
        return None


if __name__ == "__main__":
    sys.exit(main())
