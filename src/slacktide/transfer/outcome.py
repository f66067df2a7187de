"""What became of a batch, and the form in which the target keeps it.

The target's encoding may not hold the key or the text of what it refused, not even behind an escape of JSON's own. So
what is kept is one string of ASCII: JSON inside of JSON.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from slacktide.transfer.entry import Problem
from slacktide.transfer.translation import Name

if TYPE_CHECKING:
    from slacktide.transfer.message import BusinessObject


class Applied(msgspec.Struct):
    """What became of a batch: objects written, everything that has arrived, and what did not."""

    written: int = 0
    arrived: list[Name] = []
    problems: list[Problem] = []


def to_keep(applied: Applied) -> str:
    """Write what became of a batch as JSON for `mover_move.outcome`."""
    return json.dumps(json.dumps(msgspec.to_builtins(applied)))


def from_kept(stored: Any) -> Applied:
    """Read what `to_keep` wrote, or what an earlier version did: the object itself."""
    return msgspec.convert(json.loads(stored) if isinstance(stored, str) else stored or {}, Applied)


def waiting(item: BusinessObject, missing: Name) -> Problem:
    """Say that an object waits for another one."""
    reason = f"it refers to {missing[0]} {missing[1]!r}, which has not arrived"
    return Problem(item.entity.name, item.key, "waiting", reason, missing)


def warning(item: BusinessObject) -> Problem:
    """Say which codes of an object were left out."""
    codes = item.unmapped.replace(";", ", ")
    return Problem(item.entity.name, item.key, "warning", f"left out, for want of a mapping: {codes}")
