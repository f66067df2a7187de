"""What gates say of themselves when they fetch, kept until the keeper's next look writes it down."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import psycopg

from slacktide.control.gate import Seen, note_gates
from slacktide.control.token import Token

_LONGEST = 100
_MOST = 10_000
_EVERY_SECONDS = 1.0


class SeenGates:
    """The looks that are not written down yet, the latest of each gate."""

    def __init__(self) -> None:
        """Begin with none."""
        self._seen: dict[tuple[str, str], Seen] = {}
        self._written = float("-inf")

    def note(self, headers: Mapping[str, str], *, token: Token, now: datetime) -> None:
        """Note a gate's look; one that says no name is not a gate."""
        name = headers.get("x-slacktide-gate", "")[:_LONGEST]
        if not name or len(self._seen) >= _MOST:
            return
        self._seen[token.name, name] = Seen(
            token=token.name,
            name=name,
            version=headers.get("x-slacktide-gate-version", "")[:_LONGEST],
            schedule=headers.get("x-slacktide-gate-schedule", "")[:_LONGEST].strip('"') or None,
            offset_seconds=_number(headers.get("x-slacktide-gate-offset")),
            age_seconds=_number(headers.get("x-slacktide-gate-age")),
            seen_at=now,
        )

    def write(self, connection: psycopg.Connection[Any], *, monotonic: float) -> None:
        """Write them down, at most once a second."""
        if not self._seen or monotonic - self._written < _EVERY_SECONDS:
            return
        seen, self._seen = self._seen, {}
        note_gates(connection, seen=seen.values())
        self._written = monotonic


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
