"""What the guard knows of writes after a move: the first one at the target, and how many the source has refused.

The events:

1. Two users write for the first time at once: each notes it, and neither waits for the other; the earlier one counts.
2. The first write is rolled back: so is the note of it, and nobody has written yet.
3. A write is refused: its transaction is undone, and so would be any note of it in a table. It is counted by a
   sequence, which no rollback undoes. After a crash a sequence may have gone on by up to 32; it never goes back.
4. Everybody writes: once the first write is known, who writes is not asked any more (`first_write` sees to that).
5. What is miscellaneous comes to the open target, judged like everybody's: its transaction takes its own note back.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from slacktide.postgres.sql import load

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.rows import TupleRow

_STATEMENTS = load(__package__, "written.sql")


class FirstWrite(msgspec.Struct, frozen=True):
    """The first write of a user: when, by which login, into which table."""

    at: datetime
    login: str
    relation: str


def first_write(connection: Connection[TupleRow], *, organization: str) -> FirstWrite | None:
    """Give the first write of a user since the organization was opened in this database, if there was one."""
    row = connection.execute(_STATEMENTS["first_write"], {"organization": organization}).fetchone()
    if row is None:
        return None
    connection.execute(_STATEMENTS["stop_awaiting"], {"organization": organization})
    return FirstWrite(*row)


def disown(connection: Connection[TupleRow], *, organization: str) -> None:
    """Take back the first write that this transaction has noted: it is not a user's."""
    connection.execute(_STATEMENTS["disown"], {"organization": organization})


def refused(connection: Connection[TupleRow], *, organization: str) -> int:
    """Give how many writes were refused since the organization was last open in this database."""
    row = connection.execute(_STATEMENTS["refused"], {"organization": organization}).fetchone()
    return int(row[0]) if row else 0
