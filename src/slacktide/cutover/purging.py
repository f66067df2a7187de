"""Purging: what a move keeps of guests goes a stated time after it was last needed (SLACKTIDE_MOVE_RETENTION).

| what | when it goes |
|---|---|
| a batch's file in both spools | so long after the batch was applied |
| the journal's entries | so long after their batch was applied, and when what was verified ahead is not behind it |
| messages, and all of the journal | so long after the property opened at the target |
| a contingency pack in the move's own folder | when it is older, and no down time is under way |
| the spool's folder, whole | when the move is cleaned: on each machine that has it |

What could go wrong:

1. A batch is not applied, for days: its file and its transactions stay, however old they are.
2. A file is written before its batch stands in the journal: one that no batch names goes by its own age only.
3. Several workers purge at once, on several machines: each takes rows that no other one has, and files that it sees.
4. A file cannot be removed: the others are, and the trail says which one is left and why.
5. A move cannot be purged, as its folder cannot be read: the others are, and the trail has what had gone of it by then.
6. The move ends while it is purged: nothing that a later step reads is touched, for what is verified stays.
"""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from slacktide.control.audit import record_audit
from slacktide.control.setting import control_now
from slacktide.cutover import contingency
from slacktide.postgres import sql
from slacktide.transfer.move import CLEAN, list_moves

if TYPE_CHECKING:
    from collections.abc import Iterable

    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.cutover.bulkhead import Bulkhead
    from slacktide.transfer.move import Move

_STATEMENTS = sql.load(__package__, "purging.sql")
_WHO = "the clean-up"
_PIECE = 1000


class Purged(msgspec.Struct):
    """What was purged of one move, and what could not be."""

    files: int = 0
    packs: int = 0
    journal: int = 0
    messages: int = 0
    left: list[str] = []


def purge(connection: psycopg.Connection[TupleRow], *, keep: timedelta, bulkhead: Bulkhead) -> None:
    """Delete what every move kept longer than it was needed; each is noted in the audit trail."""
    for move in list_moves(connection):
        with bulkhead.around(move.name, control=connection):
            _purge(connection, move, keep=keep)


def _purge(connection: psycopg.Connection[TupleRow], move: Move, *, keep: timedelta) -> None:
    facts = {"move_id": move.move_id, "keep": keep, "piece": _PIECE}
    purged = Purged(journal=_pieces(connection, "journal", facts), messages=_pieces(connection, "messages", facts))
    try:
        _files(connection, move, facts, purged, before=control_now(connection) - keep)
    finally:
        if purged != Purged():
            reason = f"needed no longer for {msgspec.to_builtins(keep)}"
            record_audit(connection, who=_WHO, what="move purge", object=move.name, after=purged, reason=reason)


def _pieces(connection: psycopg.Connection[TupleRow], statement: str, facts: dict[str, Any]) -> int:
    total = 0
    while deleted := connection.execute(_STATEMENTS[statement], facts).rowcount:
        total += deleted
    return total


def _files(
    connection: psycopg.Connection[TupleRow], move: Move, facts: dict[str, Any], purged: Purged, *, before: datetime
) -> None:
    if move.state == CLEAN:
        purged.files += sum(_remove(path, purged) for path in [Path(move.spool)] if path.exists())
        return
    needed = {name for (name,) in connection.execute(_STATEMENTS["needed"], facts)}
    spools = (path for folder in (move.source_spool, move.target_spool) for path in _older(folder, before))
    purged.files += sum(_remove(path, purged) for path in spools if path.name not in needed)
    down = connection.execute(_STATEMENTS["down_time"], facts).fetchone()
    packs = () if down else _older(contingency.folder_of(move), before)
    purged.packs += sum(_remove(path, purged) for path in packs)


def _older(folder: Path, before: datetime) -> Iterable[Path]:
    """Give what lies in a folder and was last written before an instant."""
    if not folder.is_dir():
        return []
    return [path for path in sorted(folder.iterdir()) if path.lstat().st_mtime < before.timestamp()]


def _remove(path: Path, purged: Purged) -> bool:
    try:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    except FileNotFoundError:
        return False  # another worker was faster
    except OSError as error:
        purged.left.append(f"{path}: {error.strerror}")
        return False
    return True
