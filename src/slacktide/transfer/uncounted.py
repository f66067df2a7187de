"""What Steady does not count, and the window shows beside it: who writes at the source, and the log it keeps for us.

The events:

1. A transaction of the source stays open for an hour. Nothing of it arrives, and Steady cannot see it; a new slot and
   the closing of a down time would wait for it. So the oldest one is shown.
2. We are slow, or 1: the source keeps its log for our slot until its disk is full. The source's disk comes before the
   move, so at a limit the slot is given up; the next start makes a new one and reads everything again. From half of the
   limit on that is said beforehand.

Synchronization looks, with its panel. While it is stopped nobody does: then only the source's own limit stands
(`max_slot_wal_keep_size`).
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from slacktide.core.configuration import source_log_limit
from slacktide.core.errors import OutsideError
from slacktide.core.size import format_size
from slacktide.postgres import sql
from slacktide.transfer import slot

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.transfer.journal import Journal

_STATEMENTS = sql.load(__package__, "slot.sql")


class LogLimitReached(OutsideError):
    """The source kept {kept} of log for the slot {slot}, and the limit is {limit}: the slot was given up, for the source's disk comes before the move. {held}See that it can go on, or raise SLACKTIDE_SOURCE_LOG_LIMIT; then `slacktide move processes start {move}` makes a new slot and reads everything again."""  # noqa: E501 -- the message is one text


class OpenTransaction(msgspec.Struct, frozen=True):
    """An open transaction that has written: its session's process number, or the name under which it is prepared."""

    database: str
    session: int | None
    prepared: str | None
    user: str
    since: datetime
    age_seconds: float
    query: str | None

    def __str__(self) -> str:
        """Write it as the operator reads it."""
        who = f"session {self.session}" if self.prepared is None else f"prepared {self.prepared}"
        query = f": {' '.join(self.query.split())}" if self.query else ""
        return f"{who} of {self.user} in {self.database}, open for {self.age_seconds:,.0f} s{query}"


class Uncounted(msgspec.Struct, frozen=True):
    """What was seen at the source at one moment."""

    at: datetime
    oldest_transaction: OpenTransaction | None
    log_kept_bytes: int
    log_limit_bytes: int
    log_warning: bool


def look(connection: psycopg.Connection[TupleRow], *, slot_name: str, limit_bytes: int) -> Uncounted:
    """Look at the source, outside a transaction."""
    row = connection.execute(_STATEMENTS["oldest_writer"]).fetchone()
    at, kept = connection.execute(_STATEMENTS["log_kept"], {"slot": slot_name}).fetchone() or ()
    return Uncounted(at, OpenTransaction(*row) if row else None, kept, limit_bytes, 2 * kept >= limit_bytes)


def note(journal: Journal, connection: psycopg.Connection[TupleRow], *, slot_name: str, move: str) -> None:
    """Look, write it down for the window, and give the slot up at the limit. Raises LogLimitReached."""
    found = look(connection, slot_name=slot_name, limit_bytes=source_log_limit())
    journal.note_uncounted(msgspec.json.encode(found).decode())
    if found.log_kept_bytes < found.log_limit_bytes:
        return
    slot.drop(connection, slot=slot_name)
    oldest = found.oldest_transaction
    error = LogLimitReached(
        kept=format_size(found.log_kept_bytes),
        limit=format_size(found.log_limit_bytes),
        slot=slot_name,
        held=f"The oldest transaction that writes there: {oldest}. " if oldest else "",
        move=move,
    )
    journal.remember(str(error))
    raise error
