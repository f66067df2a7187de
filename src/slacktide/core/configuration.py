"""What the environment says, read in one place.

Each setting is documented in `docs/reference/configuration.md`.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from slacktide.core.duration import parse_duration
from slacktide.core.errors import UsageError
from slacktide.core.size import parse_size

if TYPE_CHECKING:
    from collections.abc import Mapping


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
