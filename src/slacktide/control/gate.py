"""Gates, as they report with each look: which schedule they have, how far off their clock is, how old it is."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
import psycopg

from slacktide.core.duration import format_instant
from slacktide.postgres.sql import load

_sql = load("slacktide.control", "gate.sql")


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One look of a gate. `age_seconds` is how old its knowledge had become before it."""

    token: str
    name: str
    version: str
    seen_at: datetime
    schedule: str | None = None
    offset_seconds: float | None = None
    age_seconds: float | None = None


def note_gates(connection: psycopg.Connection[Any], *, seen: Iterable[Seen]) -> None:
    """Note looks of gates, and forget the gates that are gone for long."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(_sql["note"], [msgspec.structs.asdict(one) for one in seen])
        cursor.execute(_sql["forget"])


def list_gates(connection: psycopg.Connection[Any]) -> list[dict[str, Any]]:
    """Give the gates as `gate list` prints them; `age_seconds` is how long ago a gate last had the schedule."""
    names = ("token", "name", "version", "schedule", "offset_seconds", "age_seconds", "seen_at")
    rows = [dict(zip(names, row, strict=True)) for row in connection.execute(_sql["list"])]
    return [
        row | {"age_seconds": round(row["age_seconds"], 1), "seen_at": format_instant(row["seen_at"])} for row in rows
    ]
