"""Sizes in bytes, as text."""

from __future__ import annotations

import re

from slacktide.core.errors import UsageError

_UNITS = ("B", "kB", "MB", "GB", "TB")
_STEP = 1024  # a unit is 1024 of the one before it, as in PostgreSQL's settings


class BadSize(UsageError):
    """{text!r} is not a size: write one like 512MB or 8GB."""


def parse_size(text: str) -> int:
    """Read a size: a whole number and its unit (B, kB, MB, GB, TB). Raises BadSize."""
    found = re.fullmatch(r"(\d+) ?([kMGT]?B)", text.strip())
    if found is None:
        raise BadSize(text=text)
    return int(found[1]) * int(_STEP ** _UNITS.index(found[2]))


def format_size(count: float) -> str:
    """Write a size in its unit."""
    for unit in _UNITS[:-1]:
        if abs(count) < _STEP:
            return f"{count:.0f} {unit}"
        count /= _STEP
    return f"{count:.1f} {_UNITS[-1]}"
