"""What the environment says, read in one place.

Each setting is documented in `docs/reference/configuration.md`.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from slacktide.core.duration import parse_duration
from slacktide.core.errors import UsageError
from slacktide.core.size import parse_size

if TYPE_CHECKING:
    from collections.abc import Mapping


_KEY_FILE = "secret-key"
_SOURCE_LOG_LIMIT = "8GB"
_RETENTION = "P90D"
_SHORTEST_RETENTION = timedelta(days=1)


class RetentionTooShort(UsageError):
    """SLACKTIDE_RETENTION={named} is shorter than a day: give P1D or more, or leave it out."""


class UnknownReference(UsageError):
    """The address {address!r} names the {kind} {name!r}, which is not there: set it, or give another address."""


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
    named = environment.get("SLACKTIDE_PROXY_SECRET")
    return resolve_address(named, environment) or None if named else None


def base_url(environment: Mapping[str, str] = os.environ) -> str | None:
    """Give SLACKTIDE_BASE_URL, the address under which people reach the site, without a slash at its end."""
    return (environment.get("SLACKTIDE_BASE_URL") or "").rstrip("/") or None


def trusted_proxies(environment: Mapping[str, str] = os.environ) -> str | None:
    """Give SLACKTIDE_TRUSTED_PROXIES, the addresses whose word on where a request comes from is taken, with commas."""
    return environment.get("SLACKTIDE_TRUSTED_PROXIES") or None


def single_sign_on(environment: Mapping[str, str] = os.environ) -> dict[str, str] | None:
    """Give the OpenID provider: SLACKTIDE_OIDC_ISSUER, SLACKTIDE_OIDC_CLIENT, SLACKTIDE_OIDC_SECRET and more.

    None without an issuer. The secret may be the `env:NAME` or `file:PATH` that holds it. Raises UnknownReference.
    """
    issuer = environment.get("SLACKTIDE_OIDC_ISSUER")
    if not issuer:
        return None
    found = {
        "issuer": issuer,
        "client": environment.get("SLACKTIDE_OIDC_CLIENT", ""),
        "secret": resolve_address(environment.get("SLACKTIDE_OIDC_SECRET", ""), environment),
        "claim": environment.get("SLACKTIDE_OIDC_CLAIM", ""),
        "title": environment.get("SLACKTIDE_OIDC_TITLE", ""),
    }
    return {name: value for name, value in found.items() if value}


def secret_key(environment: Mapping[str, str] = os.environ) -> str:
    """Give SLACKTIDE_SECRET_KEY, or the `env:NAME` or `file:PATH` that holds it; unset, one that is made once and kept.

    It signs sessions and the links of mails. It is kept in the data folder, for its owner's eyes only. Raises
    UnknownReference.
    """
    named = environment.get("SLACKTIDE_SECRET_KEY")
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
    return parse_size(environment.get("SLACKTIDE_SOURCE_LOG_LIMIT") or _SOURCE_LOG_LIMIT)


def retention(environment: Mapping[str, str] = os.environ) -> timedelta:
    """Give SLACKTIDE_RETENTION: how long ended sessions and leases are kept. Raises BadDuration, RetentionTooShort."""
    named = environment.get("SLACKTIDE_RETENTION") or _RETENTION
    kept = parse_duration(named)
    if kept < _SHORTEST_RETENTION:
        raise RetentionTooShort(named=named)
    return kept


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
