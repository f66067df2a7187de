"""Ways to a mail server: encrypted and with a log-in, and servers that are not what they should be."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from slacktide.core.configuration import MailServer
from slacktide.notice import mail
from slacktide.notice.failure import Whose
from tests.notice.conftest import Mailbox, free_port

CERTIFICATE = Path(__file__).with_name("localhost.pem")  # with its key, for tests alone
MAIL = {"to": "ada@example.com", "subject": "s", "text": "t\n", "key": "17", "at": datetime(2027, 3, 1, tzinfo=UTC)}


def admits(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login, data.password) == (b"tide", b"hu:sh"), handled=False)


@pytest.fixture
def encrypted(monkeypatch):
    """Give a function that starts a mail server with a log-in, encrypted from the first byte on or when asked."""
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    running = []

    def start(*, at_once):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(CERTIFICATE)
        mailbox, port = Mailbox(), free_port()
        ways = {"ssl_context": context} if at_once else {"tls_context": context, "require_starttls": True}
        # A connection that is encrypted from the first byte on is none by STARTTLS, which is what aiosmtpd looks for.
        ways |= {"authenticator": admits, "auth_required": not at_once, "auth_require_tls": not at_once}
        running.append(Controller(mailbox, hostname="localhost", port=port, **ways))
        running[-1].start()
        return mailbox, port

    yield start
    for controller in running:
        controller.stop()


def send(port, *, at_once=False, host="localhost", user="tide", wrong=""):
    post = mail.Post(MailServer(host, port, at_once, "tide@example.com", user=user, password=wrong or "hu:sh"))
    try:
        return post.send(**MAIL)
    finally:
        post.close()


@pytest.mark.parametrize("at_once", [True, False])
def test_encrypted(encrypted, at_once):
    """A mail goes encrypted, by smtps or by STARTTLS, after a log-in."""
    mailbox, port = encrypted(at_once=at_once)
    assert send(port, at_once=at_once) is None
    assert mailbox.count == 1


def test_wrong_password(encrypted):
    """A log-in that is refused is the channel's failure, and the password is not in what is said of it."""
    mailbox, port = encrypted(at_once=False)
    failed = send(port, wrong="another")
    assert failed.whose is Whose.CHANNEL
    assert "535" in failed.because
    assert "another" not in failed.because
    assert mailbox.count == 0


def test_not_to_be_trusted(encrypted, monkeypatch):
    """To a server whose certificate nobody vouches for nothing is sent, no password either."""
    mailbox, port = encrypted(at_once=True)
    monkeypatch.delenv("SSL_CERT_FILE")
    failed = send(port, at_once=True)
    assert failed.whose is Whose.CHANNEL
    assert "certificate verify failed" in failed.because
    assert mailbox.count == 0


def test_a_server_that_drips(monkeypatch):
    """A server that greets a byte now and then without an end is left after its time."""
    monkeypatch.setattr(mail, "_LONGEST_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip():
            caller, _ = server.accept()
            with caller:
                for _ in range(200):
                    try:
                        caller.sendall(b"2")
                    except OSError:
                        return
                    time.sleep(0.05)

        thread = threading.Thread(target=drip)
        thread.start()
        begun = time.monotonic()
        failed = send(server.getsockname()[1], host="127.0.0.1", user="")
        assert time.monotonic() - begun < 5
        thread.join()
    assert failed.whose is Whose.CHANNEL


@pytest.mark.parametrize("sender", ["Zürich <tide@example.com>", "Zurich <tide@example.com>", "tide@example.com"])
def test_a_sender_with_a_name(sender):
    """The envelope has the sender's address alone: its name may have letters that the server's SMTP cannot take."""
    heard, port = Mailbox(), free_port()
    server = Controller(heard, hostname="localhost", port=port, enable_SMTPUTF8=False)
    server.start()
    post = mail.Post(MailServer("localhost", port, encrypted=False, sender=sender))
    try:
        assert post.send(**MAIL) is None
    finally:
        post.close()
        server.stop()
    assert heard.to(MAIL["to"])[0]["From"] == sender
