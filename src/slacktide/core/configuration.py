"""What the environment and `slacktide.toml` say, read in one place.

SLACKTIDE_CONFIG names the file. Its keys are the names of the variables without `SLACKTIDE_`, in small letters; a table
is the first part of names (`[mail]` with `url` is `mail_url`). A variable that is set wins. A key that is not known is
refused, for it may be one that was misspelt.

Each setting is documented in `docs/reference/configuration.md`.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import msgspec

from slacktide.core.duration import parse_duration
from slacktide.core.errors import UsageError
from slacktide.core.size import parse_size

if TYPE_CHECKING:
    from collections.abc import Mapping


_KEY_FILE = "secret-key"
_SOURCE_LOG_LIMIT = "8GB"
_RETENTION = "P90D"
_MOVE_RETENTION = "P7D"
_CONTINGENCY_INTERVAL = "PT30M"
_WORKER_MOVES = "20"
_SHORTEST_CONTINGENCY_INTERVAL = timedelta(minutes=1)
_SHORTEST_RETENTION = timedelta(days=1)
_IN_FILE = (
    "SLACKTIDE_BASE_URL",
    "SLACKTIDE_CONTINGENCY_INTERVAL",
    "SLACKTIDE_MAIL_FROM",
    "SLACKTIDE_MAIL_URL",
    "SLACKTIDE_MOVE_RETENTION",
    "SLACKTIDE_OIDC_CLAIM",
    "SLACKTIDE_OIDC_CLIENT",
    "SLACKTIDE_OIDC_ISSUER",
    "SLACKTIDE_OIDC_SECRET",
    "SLACKTIDE_OIDC_TITLE",
    "SLACKTIDE_PROXY_SECRET",
    "SLACKTIDE_RETENTION",
    "SLACKTIDE_SECRET_KEY",
    "SLACKTIDE_SOURCE_LOG_LIMIT",
    "SLACKTIDE_TRUSTED_PROXIES",
    "SLACKTIDE_WEBHOOK_SECRET",
    "SLACKTIDE_WEBHOOK_URL",
    "SLACKTIDE_WORKER_MOVES",
)
_PORTS = {"smtp": 25, "smtps": 465}
_REFERENCES = ("env:", "file:")


class RetentionTooShort(UsageError):
    """{variable}={named} is shorter than a day: give P1D or more, or leave it out."""


class WorkerMovesTooFew(UsageError):
    """SLACKTIDE_WORKER_MOVES is {named!r}: give a whole number from 1, as in SLACKTIDE_WORKER_MOVES=20."""


class ContingencyIntervalTooShort(UsageError):
    """SLACKTIDE_CONTINGENCY_INTERVAL={named} is shorter than a minute: give PT1M or more, or leave it out."""


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


def base_url(environment: Mapping[str, str] = os.environ) -> str | None:
    """Give SLACKTIDE_BASE_URL, the address under which people reach the site, without a slash at its end."""
    return (_said(environment, "SLACKTIDE_BASE_URL") or "").rstrip("/") or None


def trusted_proxies(environment: Mapping[str, str] = os.environ) -> str | None:
    """Give SLACKTIDE_TRUSTED_PROXIES, the addresses whose word on where a request comes from is taken, with commas."""
    return _said(environment, "SLACKTIDE_TRUSTED_PROXIES")


def single_sign_on(environment: Mapping[str, str] = os.environ) -> dict[str, str] | None:
    """Give the OpenID provider: SLACKTIDE_OIDC_ISSUER, SLACKTIDE_OIDC_CLIENT, SLACKTIDE_OIDC_SECRET and more.

    None without an issuer. The secret may be the `env:NAME` or `file:PATH` that holds it. Raises UnknownReference.
    """
    issuer = _said(environment, "SLACKTIDE_OIDC_ISSUER")
    if not issuer:
        return None
    found = {
        "issuer": issuer,
        "client": _said(environment, "SLACKTIDE_OIDC_CLIENT") or "",
        "secret": resolve_address(_said(environment, "SLACKTIDE_OIDC_SECRET") or "", environment),
        "claim": _said(environment, "SLACKTIDE_OIDC_CLAIM") or "",
        "title": _said(environment, "SLACKTIDE_OIDC_TITLE") or "",
    }
    return {name: value for name, value in found.items() if value}


def secret_key(environment: Mapping[str, str] = os.environ) -> str:
    """Give SLACKTIDE_SECRET_KEY, or the `env:NAME` or `file:PATH` that holds it; unset, one that is made once and kept.

    It signs sessions and the links of mails. It is kept in the data folder, for its owner's eyes only. Raises
    UnknownReference.
    """
    named = _said(environment, "SLACKTIDE_SECRET_KEY")
    if named:
        return resolve_address(named, environment)
    path = data_folder(environment) / _KEY_FILE
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        made = path.with_name(f"{_KEY_FILE}.{os.getpid()}")
        with os.fdopen(os.open(made, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
        with contextlib.suppress(FileExistsError):  # another process was faster, and its key holds
            os.link(made, path)
        made.unlink()
    return path.read_text(encoding="ascii")


def source_log_limit(environment: Mapping[str, str] = os.environ) -> int:
    """Give SLACKTIDE_SOURCE_LOG_LIMIT: the bytes of log that a source may keep for a move. Raises BadSize."""
    return parse_size(_said(environment, "SLACKTIDE_SOURCE_LOG_LIMIT") or _SOURCE_LOG_LIMIT)


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


def retention(environment: Mapping[str, str] = os.environ) -> timedelta:
    """Give SLACKTIDE_RETENTION: how long ended sessions and leases are kept. Raises BadDuration, RetentionTooShort."""
    return _kept(environment, "SLACKTIDE_RETENTION", default=_RETENTION)


def move_retention(environment: Mapping[str, str] = os.environ) -> timedelta:
    """Give SLACKTIDE_MOVE_RETENTION: how long moves keep guests' data that they no longer need.

    Raises BadDuration, RetentionTooShort.
    """
    return _kept(environment, "SLACKTIDE_MOVE_RETENTION", default=_MOVE_RETENTION)


def _kept(environment: Mapping[str, str], variable: str, *, default: str) -> timedelta:
    named = _said(environment, variable) or default
    kept = parse_duration(named)
    if kept < _SHORTEST_RETENTION:
        raise RetentionTooShort(variable=variable, named=named)
    return kept


def worker_moves(environment: Mapping[str, str] = os.environ) -> int:
    """Give SLACKTIDE_WORKER_MOVES: how many moves one worker carries at the most. Raises WorkerMovesTooFew."""
    named = _said(environment, "SLACKTIDE_WORKER_MOVES") or _WORKER_MOVES
    if not named.isdecimal() or int(named) < 1:
        raise WorkerMovesTooFew(named=named)
    return int(named)


def contingency_interval(environment: Mapping[str, str] = os.environ) -> timedelta:
    """Give SLACKTIDE_CONTINGENCY_INTERVAL: how old a contingency pack gets before the next one is made.

    Raises BadDuration, ContingencyIntervalTooShort.
    """
    named = _said(environment, "SLACKTIDE_CONTINGENCY_INTERVAL") or _CONTINGENCY_INTERVAL
    every = parse_duration(named)
    if every < _SHORTEST_CONTINGENCY_INTERVAL:
        raise ContingencyIntervalTooShort(named=named)
    return every


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
