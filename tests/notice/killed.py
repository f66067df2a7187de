"""A worker's notices, in a process that kills itself with -9 at a named moment.

`python killed.py ADDRESS MAIL-PORT HOOK MOMENT`: it plans, and sends mails and the webhook; without a moment it goes on
until it is killed from outside. With a moment it sends by that moment's channel only, and by none where the planner
dies behind its commit: what another thread had sent when the process died would be chance.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from slacktide.core.configuration import MailServer, Webhook
from slacktide.notice import mail, planner, store, webhook
from slacktide.notice.planner import Planner
from slacktide.notice.sender import MailWay, Sender, WebhookWay
from slacktide.postgres.connection import connect

SECRET = "a secret of the tests"
MOMENTS = {
    "before anything is told": (store, "tell", "before"),
    "told, and not committed": (store, "tell", "after"),
    "looked at, and not committed": (store, "looked_at", "after"),
    "planned": (planner, "_seconds", "before"),
    "before the claim": (store, "claim", "before"),
    "claimed a mail": (mail.Post, "send", "before"),
    "connected": (mail.Post, "_said", "before"),
    "sent a mail": (mail.Post, "send", "after"),
    "noted": (store, "happen", "after"),
    "claimed the webhook": (webhook, "post", "before"),
    "sent the webhook": (webhook, "post", "after"),
    "tidied": (store, "tidy", "after"),
}
BETWEEN_SENDING_AND_NOTE = ("sent a mail", "sent the webhook")


def at(moment):
    """Let this process die where the moment is."""
    where, name, when = MOMENTS[moment]
    function = getattr(where, name)

    def dying(*arguments, **named):
        if when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        function(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(where, name, dying)


def main(address, port, hook, moment=""):
    if moment:
        at(moment)
    configured = {"mail": True, "webhook": True}
    ways = [
        MailWay(MailServer("127.0.0.1", int(port), False, "tide@example.com")),  # noqa: FBT003 -- not encrypted
        WebhookWay(Webhook(hook, SECRET)),
    ]
    if moment:
        channel = "none" if moment == "planned" else "webhook" if "webhook" in moment else "mail"
        ways = [way for way in ways if way.channel == channel]

    def keep_on(loop):
        with connect(address, name="test") as connection:
            loop(connection).run(ended=lambda: False)

    loops = [lambda connection: Planner(connection, configured=configured)]
    loops += [lambda connection, way=way: Sender(connection, way=way) for way in ways]
    for loop in loops:
        threading.Thread(target=keep_on, args=[loop]).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
