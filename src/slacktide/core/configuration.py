"""What the environment and `slacktide.toml` say, read in one place.

SLACKTIDE_CONFIG names the file. Its keys are the names of the variables without `SLACKTIDE_`, in small letters; a table
is the first part of names (`[mail]` with `url` is `mail_url`). A variable that is set wins. A key that is not known is
refused, for it may be one that was misspelt.

Each setting is documented in `docs/reference/configuration.md`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import msgspec

from slacktide.core.errors import UsageError
from slacktide.core.size import parse_size

if TYPE_CHECKING:
    from collections.abc import Mapping


_SOURCE_LOG_LIMIT = "8GB"
_IN_FILE = (
    "SLACKTIDE_BASE_URL",
    "SLACKTIDE_MAIL_FROM",
    "SLACKTIDE_MAIL_URL",
    "SLACKTIDE_PROXY_SECRET",
    "SLACKTIDE_SOURCE_LOG_LIMIT",
    "SLACKTIDE_WEBHOOK_SECRET",
    "SLACKTIDE_WEBHOOK_URL",
)
_PORTS = {"smtp": 25, "smtps": 465}
_REFERENCES = ("env:", "file:")


class UnknownReference(UsageError):
    """The address {address!r} names the {kind} {name!r}, which is not there: set it, or give another address."""


class ConfigurationUnreadable(UsageError):
    """The file {file} that SLACKTIDE_CONFIG names cannot be read ({reason}): give one in TOML."""


class UnknownKey(UsageError):
    """{file} says {key!r}, which is not known: it is one of {known}."""


class BadMailServer(UsageError):
    """SLACKTIDE_MAIL_URL is no address of a mail server: give smtp://HOST:PORT or smtps://HOST:PORT, or env:NAME or file:PATH where that stands."""  # noqa: E501 -- the message is one sentence


class MailPasswordInline(UsageError):
    """SLACKTIDE_MAIL_URL contains a password: give env:NAME or file:PATH, where the whole address stands."""


class MailSenderMissing(UsageError):
    """SLACKTIDE_MAIL_URL is set, and SLACKTIDE_MAIL_FROM does not say from whom mails are: set it to an address."""


class BadWebhook(UsageError):
    """SLACKTIDE_WEBHOOK_URL is no address of a webhook: give http://HOST/PATH or https://HOST/PATH, without a name and password."""  # noqa: E501 -- the message is one sentence


class WebhookSecretMissing(UsageError):
    """SLACKTIDE_WEBHOOK_URL is set, and nothing to sign by: set SLACKTIDE_WEBHOOK_SECRET to env:NAME or file:PATH."""


class MailServer(msgspec.Struct, frozen=True):
    """Where mails go, and from whom they are; `encrypted` from the first byte on. Without a `user` nobody logs in."""

    host: str
    port: int
    encrypted: bool
    sender: str
    user: str = ""
    password: str = ""

    @property
    def shown(self) -> str:
        """The server as it may be shown."""
        return f"{'smtps' if self.encrypted else 'smtp'}://{self.host}:{self.port}"


class Webhook(msgspec.Struct, frozen=True):
    """Where documents go, and what they are signed by."""

    url: str
    secret: str

    @property
    def shown(self) -> str:
        """The place as it may be shown: what follows the host may be a secret too."""
        return "{0.scheme}://{0.netloc}".format(urlsplit(self.url))


def data_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Give the folder of the embedded server and the spools: SLACKTIDE_DATA, or the platform's user data folder."""
    named = environment.get("SLACKTIDE_DATA")
    if named:
        return Path(named).absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/slacktide")
    import platformdirs  # noqa: PLC0415 -- a gate alone does without it

    return Path(platformdirs.user_data_dir("slacktide"))


def control_address(environment: Mapping[str, str] = os.environ) -> str | None:
    """Give SLACKTIDE_DATABASE_URL, the control database's address; None means the embedded server."""
    return environment.get("SLACKTIDE_DATABASE_URL") or None


def proxy_secret(environment: Mapping[str, str] = os.environ) -> str | None:
    """Give SLACKTIDE_PROXY_SECRET, what proxies come with, or the `env:NAME` or `file:PATH` that holds it.

    None means that no proxy may ask. Raises UnknownReference.
    """
    named = _said(environment, "SLACKTIDE_PROXY_SECRET")
    return resolve_address(named, environment) or None if named else None


def source_log_limit(environment: Mapping[str, str] = os.environ) -> int:
    """Give SLACKTIDE_SOURCE_LOG_LIMIT: the bytes of log that a source may keep for a move. Raises BadSize."""
    return parse_size(_said(environment, "SLACKTIDE_SOURCE_LOG_LIMIT") or _SOURCE_LOG_LIMIT)


def base_url(environment: Mapping[str, str] = os.environ) -> str | None:
    """Give SLACKTIDE_BASE_URL, the address under which users reach the site, for links; None leaves them out."""
    return _said(environment, "SLACKTIDE_BASE_URL")


def mail_server(environment: Mapping[str, str] = os.environ) -> MailServer | None:
    """Give the mail server of SLACKTIDE_MAIL_URL and SLACKTIDE_MAIL_FROM; None means that mail is not configured.

    Raises BadMailServer, MailPasswordInline, MailSenderMissing, UnknownReference.
    """
    named = _said(environment, "SLACKTIDE_MAIL_URL")
    if named is None:
        return None
    sender = _said(environment, "SLACKTIDE_MAIL_FROM")
    try:
        url = urlsplit(resolve_address(named, environment))
        host, port, password = url.hostname, url.port, unquote(url.password or "")
    except ValueError:  # its text would quote the address
        raise BadMailServer from None
    if url.scheme not in _PORTS or not host:
        raise BadMailServer
    if password and not named.startswith(_REFERENCES):
        raise MailPasswordInline
    if sender is None or "@" not in sender or not sender.isprintable():
        raise MailSenderMissing
    encrypted, user = url.scheme == "smtps", unquote(url.username or "")
    return MailServer(host, port or _PORTS[url.scheme], encrypted, sender, user=user, password=password)


def webhook(environment: Mapping[str, str] = os.environ) -> Webhook | None:
    """Give SLACKTIDE_WEBHOOK_URL with SLACKTIDE_WEBHOOK_SECRET; None means that there is no webhook.

    Raises BadWebhook, WebhookSecretMissing, UnknownReference.
    """
    named = _said(environment, "SLACKTIDE_WEBHOOK_URL")
    if named is None:
        return None
    address = resolve_address(named, environment)
    url = urlsplit(address)
    if url.scheme not in ("http", "https") or not url.hostname or url.username:
        raise BadWebhook
    secret = resolve_address(_said(environment, "SLACKTIDE_WEBHOOK_SECRET") or "", environment)
    if not secret:
        raise WebhookSecretMissing
    return Webhook(address, secret)


def _said(environment: Mapping[str, str], name: str) -> str | None:
    """Give what is said for a variable: by the environment, else by the file that SLACKTIDE_CONFIG names."""
    file = environment.get("SLACKTIDE_CONFIG")
    return environment.get(name) or (_in_file(Path(file)).get(name) if file else None) or None


def _in_file(file: Path) -> dict[str, str]:
    """Give what a file says, by the names of variables. Raises ConfigurationUnreadable, UnknownKey."""
    import tomllib  # noqa: PLC0415 -- mostly there is no file

    try:
        found = _flat(tomllib.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:  # ValueError: no TOML, or no UTF-8
        raise ConfigurationUnreadable(file=file, reason=" ".join(str(error).split())) from error
    known = {name.removeprefix("SLACKTIDE_").lower(): name for name in _IN_FILE}
    for key in found:
        if key not in known:
            raise UnknownKey(file=file, key=key, known=", ".join(known))
    return {known[key]: str(value) for key, value in found.items()}


def _flat(table: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Give the keys of all tables, each with the table's name before it."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        found |= _flat(value, f"{before}{key}_") if isinstance(value, dict) else {f"{before}{key}": value}
    return found


def resolve_address(address: str, environment: Mapping[str, str] = os.environ) -> str:
    """Give the database address that `env:NAME` or `file:PATH` stands for; any other stands for itself.

    Each process resolves for itself, so that no secret is stored or passed on.
    """
    kind, _, name = address.partition(":")
    if kind == "env":
        if name not in environment:
            raise UnknownReference(address=address, kind="environment variable", name=name)
        return environment[name]
    if kind == "file":
        path = Path(name)
        if not path.is_file():
            raise UnknownReference(address=address, kind="file", name=name)
        return path.read_text(encoding="utf-8").strip()
    return address
