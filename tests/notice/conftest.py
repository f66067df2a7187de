"""A control database with organizations and users, a real mail server and a real web server that hears the webhook."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from aiosmtpd.controller import Controller

from slacktide.control.downtime import (
    Wish,
    cancel_downtime,
    change_downtime,
    change_occurrence,
    end_downtime,
    schedule_downtime,
)
from slacktide.control.organization import add_organization
from slacktide.control.setting import control_now
from slacktide.control.setting_change import Times, Whose, add_setting
from slacktide.control.user import Change, add_user, change_user
from slacktide.core.configuration import MailServer, Webhook
from slacktide.notice.planner import Planner
from slacktide.notice.sender import MailWay, Sender, WebhookWay
from slacktide.postgres.connection import connect
from tests.migrated import migrate

WHO = {"who": "tester", "reason": "a test"}
BOTH = {"mail": True, "webhook": True}
SECRET = "whsec_c2xhY2t0aWRlLWlzLWEtc2VjcmV0LWZvci10ZXN0cw=="


class Mailbox:
    """What a mail server got; `refuse` and `hang` by the recipient's address, `answer` for all."""

    def __init__(self):
        self.mails, self.refuse, self.hang = [], {}, set()
        self.pause_seconds = 0.0

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: ARG002, N802 -- aiosmtpd's names
        if address in self.hang:
            server.transport.close()
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: ARG002, N802 -- aiosmtpd's names
        await asyncio.sleep(self.pause_seconds)
        self.mails.append((envelope.rcpt_tos[0], envelope.content.decode()))
        return "250 OK"

    def to(self, address):
        """Give the mails to an address, each as a dictionary of its headers, with the text as `text`."""
        return [_read(text) for recipient, text in [*self.mails] if recipient == address]

    @property
    def count(self):
        return len(self.mails)


def _read(text):
    import email  # noqa: PLC0415 -- the standard library's reader, not ours
    from email import policy  # noqa: PLC0415 -- see above

    mail = email.message_from_string(text, policy=policy.default)
    return {**mail, "text": mail.get_content()}


@dataclass
class Hook:
    """A web server that keeps what it is sent; `answers` are given in turn, then 204."""

    url: str = ""
    got: list[Any] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)


@dataclass
class Site:
    """A control database, and what tests do with it."""

    address: str
    connection: psycopg.Connection[Any]
    planner: Planner

    def user(self, name, *codes, email=None, admin=False):
        change = Change(email=email or f"{name}@example.com", admin=admin, organizations=dict.fromkeys(codes, "user"))
        add_user(self.connection, name=name, change=change, **WHO)

    def change_user(self, name, **change):
        change_user(self.connection, name=name, change=Change(**change), **WHO)

    def down(self, organization="SOUTH", **wish):
        """Schedule a downtime, of the site with None; give its ID."""
        whose = {"site": True} if organization is None else {"organizations": [organization]}
        if not {"end", "duration", "until_ended"} & set(wish):
            wish["duration"] = "PT1H"
        return schedule_downtime(self.connection, wish=Wish(**wish), **whose, **WHO).downtimes[0]["id"]

    def extend(self, key, by="PT1H"):
        change_downtime(self.connection, id=key, duration=by, only_later=True, **WHO)

    def end(self, key):
        end_downtime(self.connection, id=key, **WHO)

    def cancel(self, key):
        cancel_downtime(self.connection, id=key, **WHO)

    def occurrence(self, key, occurrence, to=None):
        change_occurrence(self.connection, id=key, occurrence=occurrence, to=to, **WHO)

    def set(self, parameter, value, organization=None):
        whose = Whose(site=organization is None, organization=organization)
        add_setting(self.connection, parameter=parameter, value=value, whose=whose, times=Times(), **WHO)

    def plan(self, after=None):
        """Plan what is due now, or so much later."""
        self.planner.plan(at=after and control_now(self.connection) + after)

    def kinds(self, key=None):
        """Give the kinds of the notices in their order, of one downtime or of all."""
        rows = self.connection.execute("select kind, content ->> 'downtime' from slacktide.notice order by id")
        return [kind for kind, downtime in rows if key in (None, downtime)]

    def states(self, channel="mail"):
        """Give the states of the deliveries by their notice's kind and recipient."""
        rows = self.connection.execute(
            "select n.kind, d.recipient, d.state from slacktide.notice_delivery d join slacktide.notice n "
            "on n.id = d.notice_id where d.channel = %s order by d.id", [channel]
        )  # fmt: skip
        return {(kind, recipient): state for kind, recipient, state in rows}

    def hurry(self):
        """Let everything that waits be tried now."""
        self.connection.execute("update slacktide.notice_delivery set next_try = clock_timestamp()")
        self.connection.execute("update slacktide.notice_channel set next_try = clock_timestamp()")

    def delivery(self, recipient, channel="mail"):
        row = self.connection.execute(
            "select state, attempts, repeats, because from slacktide.notice_delivery "
            "where recipient = %s and channel = %s order by id desc limit 1", [recipient, channel]
        ).fetchone()  # fmt: skip
        return dict(zip(("state", "attempts", "repeats", "because"), row, strict=True))


def until(holds, *, seconds=60.0):
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() - begun < seconds
        time.sleep(0.02)


@pytest.fixture
def site(database):
    """Give a site with the organizations SOUTH and NORTH, and nobody who plans or sends by itself."""
    migrate(address=database)
    with connect(database, name="test") as connection, connect(database, name="plan") as other:
        for code in ("SOUTH", "NORTH"):
            add_organization(connection, code=code, name=code.title(), **WHO)
        yield Site(database, connection, Planner(other, configured=BOTH))


@pytest.fixture
def postoffice():
    """Give a function that starts a mail server, on a port if one is named."""
    running = []

    def start(mailbox, port=0):
        controller = Controller(mailbox, hostname="127.0.0.1", port=port or free_port())
        controller.start()
        running.append(controller)
        return controller

    yield start
    for controller in running:
        with contextlib.suppress(RuntimeError):  # the test has stopped it
            controller.stop(no_assert=True)


def free_port():
    import socket  # noqa: PLC0415 -- for this alone

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture
def mailbox(postoffice):
    """Give a mailbox behind a running mail server, with its `server` as the configuration has it."""
    found = Mailbox()
    controller = postoffice(found)
    found.controller = controller
    found.server = MailServer("127.0.0.1", controller.port, False, "Slacktide <tide@example.com>")  # noqa: FBT003 -- not encrypted
    return found


@pytest.fixture
def hook():
    """Give a web server that hears the webhook."""
    found = Hook()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            found.got.append((self.path, dict(self.headers), body))
            answer = found.answers.pop(0) if found.answers else 204
            if callable(answer):
                answer(self)
                return
            self.send_response(answer)
            if answer == 302:
                self.send_header("Location", f"{found.url}/elsewhere")
            self.end_headers()

        def log_message(self, *_):
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=[0.05])
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


LINK_SECRET = "what links are signed with"


@pytest.fixture
def postman(site, mailbox):
    """Give a sender of mails."""
    with connect(site.address, name="send") as connection:
        sender = Sender(connection, way=MailWay(mailbox.server, address="https://tide.example.com", secret=LINK_SECRET))
        yield sender
        sender._way.rest()  # noqa: SLF001 -- so that no connection is left


@pytest.fixture
def caller(site, hook):
    """Give a sender of the webhook."""
    with connect(site.address, name="send") as connection:
        yield Sender(connection, way=WebhookWay(Webhook(f"{hook.url}/hook", SECRET)))


def send_all(sender):
    """Send whatever can be sent now; give how many were tried."""
    count = 0
    while sender.send_next():
        count += 1
    return count
