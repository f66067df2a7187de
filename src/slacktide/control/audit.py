"""The audit trail: every change of state writes a row in its own transaction. No row ever changes or goes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import psycopg
from psycopg.types.json import Jsonb

from slacktide.core.duration import format_instant
from slacktide.core.errors import UsageError
from slacktide.postgres.sql import load

_sql = load("slacktide.control", "audit.sql")


class ReasonMissing(UsageError):
    """`{what}` needs a reason, for the audit trail: add --reason TEXT."""


def record_audit(
    connection: psycopg.Connection[Any],
    *,
    who: str,
    what: str,
    object: str,  # noqa: A002 -- the word of the interface
    before: object = None,
    after: object = None,
    reason: str,
) -> None:
    """Note a change in the caller's transaction.

    `before` and `after` are structs or plain values; None where there is none.
    """
    facts = {"before": _json(before), "after": _json(after)}
    connection.execute(_sql["add"], facts | {"who": who, "what": what, "object": object, "reason": reason})


def list_audit(connection: psycopg.Connection[Any], *, since: datetime | None = None) -> list[dict[str, Any]]:
    """Give the trail, oldest first, as `audit` prints it."""
    names = ("at", "who", "what", "object", "before", "after", "reason")
    rows = [dict(zip(names, row, strict=True)) for row in connection.execute(_sql["list"], {"since": since})]
    return [row | {"at": format_instant(row["at"])} for row in rows]


def require_reason(reason: str, *, what: str) -> None:
    """Refuse an empty reason where one is required."""
    if not reason.strip():
        raise ReasonMissing(what=what)


def _json(value: object) -> Jsonb | None:
    return None if value is None else Jsonb(msgspec.to_builtins(value))
