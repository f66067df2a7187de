"""Mails, by SMTP: one connection for as long as there is something to send, and whose failure it is if one fails.

`smtps://` is encrypted from the beginning, `smtp://` as soon as the server offers it; with a name and a password it has
to. The password is in no message: an address that contains one is given by reference, and what a server says is shown
without it.
"""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from collections.abc import Callable
from datetime import datetime
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

from slacktide.core.configuration import MailServer
from slacktide.notice.deadline import within
from slacktide.notice.failure import Failure, Whose, failure

_TIMEOUT_SECONDS = 20.0
_LONGEST_SECONDS = 60.0
_READY = 220
_FINE = 250
_NOT_ENCRYPTED = "it offers no encryption (STARTTLS), so that no password is sent to it"
_FOR_GOOD = 500


class Post:
    """Sends mails; connects when there is one, and anew after a failure."""

    def __init__(self, server: MailServer) -> None:
        """Take the server and the sender's address."""
        self._server = server
        self._smtp: smtplib.SMTP | None = None

    def close(self) -> None:
        """Leave the server, politely if it is still there."""
        if self._smtp is not None:
            with contextlib.suppress(smtplib.SMTPException, OSError):
                self._smtp.quit()
            self._drop()

    def send(self, *, to: str, subject: str, text: str, key: str, at: datetime) -> Failure | None:
        """Send a mail; give None once the server has taken it over, or why it has not.

        `key` makes the Message-ID and `at` the date, so that a repeat is the same mail.
        """
        with within(_LONGEST_SECONDS, lambda: self._smtp.sock if self._smtp else None):
            try:
                mail = message(sender=self._server.sender, to=to, subject=subject, text=text, key=key, at=at)
            except (ValueError, MessageError):
                return failure(Whose.REFUSED, f"{to!r} cannot be an address")
            sender = parseaddr(self._server.sender)[1]  # a server without SMTPUTF8 takes a name in the header alone
            return self._connected() or self._said(lambda smtp: smtp.send_message(mail, sender, [to]))

    def _connected(self) -> Failure | None:
        if self._smtp is not None:
            try:
                if self._smtp.noop()[0] == _FINE:
                    return None
            except (smtplib.SMTPException, OSError):
                pass  # it has closed an idle connection
            self._drop()
        try:
            self._connect()
        except (smtplib.SMTPException, OSError) as error:
            self._drop()
            return failure(Whose.CHANNEL, f"{self._server.shown}: {_words(error)}", secret=self._server.password)
        return None

    def _connect(self) -> None:
        server, context = self._server, ssl.create_default_context()
        self._smtp = _Encrypted(server.host, context) if server.encrypted else _Plain(server.host)
        code, said = self._smtp.connect(server.host, server.port)
        if code != _READY:
            raise smtplib.SMTPConnectError(code, said)
        self._smtp.ehlo_or_helo_if_needed()
        if not server.encrypted and self._smtp.has_extn("starttls"):
            self._smtp.starttls(context=context)
        elif not server.encrypted and server.user:
            raise smtplib.SMTPException(_NOT_ENCRYPTED)
        if server.user:
            self._smtp.login(server.user, server.password)

    def _said(self, send: Callable[[smtplib.SMTP], object]) -> Failure | None:
        """Send over the connection; tell whose failure it is where it fails."""
        smtp, whose, because = self._smtp, Whose.DELIVERY, ""
        try:
            if smtp is not None:
                send(smtp)
        except smtplib.SMTPRecipientsRefused as error:
            code, said = next(iter(error.recipients.values()))
            whose, because = _by_code(code), f"{code} {_text(said)}"
        except smtplib.SMTPSenderRefused as error:
            whose, because = Whose.CHANNEL, f"{error.smtp_code} {_text(error.smtp_error)}"
        except smtplib.SMTPResponseException as error:
            whose, because = _by_code(error.smtp_code), f"{error.smtp_code} {_text(error.smtp_error)}"
        except (smtplib.SMTPNotSupportedError, UnicodeError) as error:
            whose, because = Whose.REFUSED, _words(error)
        except (smtplib.SMTPException, OSError) as error:
            because = _words(error)
        else:
            return None
        self._drop()
        return failure(whose, because, secret=self._server.password)

    def _drop(self) -> None:
        if self._smtp is not None:
            self._smtp.close()
            self._smtp = None


class _Plain(smtplib.SMTP):
    """Known before it is connected, so that it can be left while the server makes it wait for that."""

    def __init__(self, host: str) -> None:
        super().__init__(timeout=_TIMEOUT_SECONDS)
        self._host = host  # the name that its certificate has to have


class _Encrypted(smtplib.SMTP_SSL):
    """As the plain one."""

    def __init__(self, host: str, context: ssl.SSLContext) -> None:
        super().__init__(timeout=_TIMEOUT_SECONDS, context=context)
        self._host = host


def message(*, sender: str, to: str, subject: str, text: str, key: str, at: datetime) -> EmailMessage:
    """Give a mail as it is sent. Raises ValueError for an address that is none."""
    host = parseaddr(sender)[1].rpartition("@")[2]
    if "@" not in to or parseaddr(to)[1] != to:
        raise ValueError(to)
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = to
    mail["Subject"] = " ".join(subject.split())  # a name in it may have a line break
    mail["Date"] = format_datetime(at)
    mail["Message-ID"] = f"<{key}@{host}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(text)
    return mail


def _by_code(code: int) -> Whose:
    return Whose.REFUSED if code >= _FOR_GOOD else Whose.DELIVERY


def _words(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {_text(error.smtp_error)}"
    return str(error) or type(error).__name__


def _text(said: bytes | str) -> str:
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else said
