"""What became of a batch, and the form in which the target keeps it.

The target's encoding may not hold the key or the text of what it refused, not even behind an escape of JSON's own. So
what is kept is one string of ASCII: JSON inside of JSON.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from slacktide.transfer.entry import Problem
from slacktide.transfer.translation import Name


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
