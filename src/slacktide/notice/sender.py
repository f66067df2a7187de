"""The sending: one delivery after the other of a channel, each claimed before it is sent and noted after.

The claim commits before the first byte is sent, with the attempt counted; the note commits after the server's answer.
In between nobody else takes the delivery while the claimer's connection lives. What that guarantees, and what not, is
told in the package's events 3 to 6.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import psycopg
from psycopg.rows import TupleRow

from slacktide.control.link import Link, sign_link
from slacktide.control.schedule import CHANNEL
from slacktide.core import clock
from slacktide.core.configuration import MailServer, Webhook
from slacktide.notice import failure, store, task, webhook
from slacktide.notice.failure import Failure, Whose
from slacktide.notice.mail import Post
from slacktide.notice.state import Event
from slacktide.notice.store import Asking, Delivery, Milestone, milestone_document
from slacktide.notice.wording import document, headline, text

_WAIT_SECONDS = 1.0
_LOOK_SECONDS = 0.5
_LEAST_SECONDS = 0.1
_GONE = "the user is not concerned any more, or has no address"


class Way(Protocol):
    """How a delivery of a channel is sent."""

    channel: store.Channel

    def send(self, connection: psycopg.Connection[TupleRow], delivery: Delivery) -> Failure | None:
        """Send it; give None if it arrived, or why not. Raises Unconcerned."""

    def rest(self) -> None:
        """Nothing is to be sent for a while."""


class Unconcerned(Exception):
    """The user is not concerned any more; never seen outside."""


class MailWay:
    """By mail: to the address that the user has now."""

    channel: store.Channel = "mail"

    def __init__(self, server: MailServer, *, address: str | None = None, secret: str | None = None) -> None:
        """Take the server, the site's own address for links, and what links to tasks are signed with."""
        self._post = Post(server)
        self._address, self._secret = address, secret

    def send(self, connection: psycopg.Connection[TupleRow], delivery: Delivery) -> Failure | None:
        """Send it to whoever is concerned now. Raises Unconcerned."""
        told, user = delivery.content, delivery.recipient
        if isinstance(told, Asking):
            asked = task.asked(connection, told, user=user)
            to = None if asked is None else task.address_of(connection, asked, user=user)
            subject, body = told.subject, told.text + self._link(told.task, user)
        elif isinstance(told, Milestone):
            to = store.address_of(connection, user=user, organization=told.organization)
            subject, body = told.subject, told.text
        else:
            to = store.address_of(connection, user=user, organization=told.organization)
            subject, body = headline(told), text(told, address=self._address)
        if to is None:
            raise Unconcerned
        return self._post.send(to=to, subject=subject, text=body, key=delivery.key, at=delivery.planned_at)

    def _link(self, task: str, user: str) -> str:
        if self._address is None or self._secret is None:
            return ""
        return f"\n\n{self._address}/task/link/{sign_link(Link(task, user), secret=self._secret)}\n"

    def rest(self) -> None:
        """Leave the server."""
        self._post.close()


class WebhookWay:
    """By the webhook."""

    channel: store.Channel = "webhook"

    def __init__(self, hook: Webhook) -> None:
        """Take where it goes, and the secret."""
        self._hook = hook

    def send(self, connection: psycopg.Connection[TupleRow], delivery: Delivery) -> Failure | None:  # noqa: ARG002 -- as the other way
        """Send it."""
        if isinstance(delivery.content, Asking):
            raise Unconcerned
        if isinstance(delivery.content, Milestone):
            told = milestone_document(delivery.content, notice=delivery.notice, at=delivery.planned_at)
        else:
            told = document(delivery.content, notice=delivery.notice, at=delivery.planned_at)
        return webhook.post(self._hook, document=told, key=delivery.key, at=clock.now())

    def rest(self) -> None:
        """Nothing is kept open."""


class Sender:
    """Sends the deliveries of one channel, over a connection to the control database of its own."""

    def __init__(self, connection: psycopg.Connection[TupleRow], *, way: Way) -> None:
        """Take the connection, in autocommit mode, and how it is sent."""
        self._connection = connection
        self._way = way
        self._number = store.new_sender(connection)
        self._failed = True  # the channel may have failed before
        for channel in (CHANNEL, store.NOTICE_CHANNEL):
            connection.execute(f"listen {channel}".encode())

    def run(self, *, ended: Callable[[], bool]) -> None:
        """Send until `ended` says so. Raises psycopg.OperationalError where the control database is lost."""
        try:
            while not ended():
                if not self.send_next():
                    self._way.rest()
                    store.tidy(self._connection)
                    self._wait(ended)
        finally:
            self._way.rest()

    def send_next(self) -> bool:
        """Send the next delivery; tell whether there was one."""
        delivery = store.claim(self._connection, channel=self._way.channel, sender=self._number)
        if delivery is None:
            return False
        pause = task.pause_of(self._connection, delivery)
        if pause is not None:
            self._happen(delivery, Event.HOLD, because=pause.because, pause=pause.length)
            return True
        try:
            self._note(delivery, self._way.send(self._connection, delivery))
        except Unconcerned:
            self._happen(delivery, Event.WITHDRAW, because=_GONE)
        return True

    def _note(self, delivery: Delivery, failed: Failure | None) -> None:
        """Write down what became of it, and of the channel."""
        if failed is None:
            self._happen(delivery, Event.ARRIVE)
        elif failed.whose is Whose.CHANNEL:
            store.channel_failed(self._connection, channel=self._way.channel, because=failed.because)
            self._happen(delivery, Event.PUT_BACK)
            self._failed = True
            return
        elif failed.whose is Whose.REFUSED or failure.used_up(delivery.attempts):
            self._happen(delivery, Event.GIVE_UP, because=failed.because)
        else:
            pause = failure.pause(delivery.attempts)
            self._happen(delivery, Event.RETRY, because=failed.because, pause=pause)
        if self._failed:
            store.channel_works(self._connection, channel=self._way.channel)
            self._failed = False

    def _happen(self, delivery: Delivery, event: Event, **facts: object) -> None:
        store.happen(self._connection, delivery, event, sender=self._number, **facts)  # type: ignore[arg-type]  # as given above

    def _wait(self, ended: Callable[[], bool]) -> None:
        """Wait until something may be sent, or until somebody says that something was planned."""
        seconds = store.pause_seconds(self._connection, channel=self._way.channel)
        longest = _WAIT_SECONDS if seconds is None else min(max(seconds, _LEAST_SECONDS), _WAIT_SECONDS)
        until = clock.monotonic_seconds() + longest
        while (left := until - clock.monotonic_seconds()) > 0 and not ended():
            for _ in self._connection.notifies(timeout=min(left, _LOOK_SECONDS), stop_after=1):
                return
