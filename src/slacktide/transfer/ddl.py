"""DDL on tables in which others trade: one table a transaction, with a short lock timeout and another try.

1. Two tables in one transaction: we hold A and wait for B, a clerk holds B and waits for A.
2. We wait for a long writer of a table, and everybody else waits behind us.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from psycopg import errors

from slacktide.core import clock
from slacktide.core.errors import OutsideError

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg
    from psycopg.rows import TupleRow

TRIES = 60
PAUSE_SECONDS = 0.5


class TableBusy(OutsideError):
    """The table {table!r} stayed locked by others: end what holds it, or run the command again."""


def change(connection: psycopg.Connection[TupleRow], *, table: str, work: Callable[[], object]) -> None:
    """Do what locks a table in one transaction, once more where others hold it. Raises TableBusy."""
    for _ in range(TRIES):
        with contextlib.suppress(errors.LockNotAvailable, errors.DeadlockDetected), connection.transaction():
            connection.execute("set local lock_timeout = '500ms'")
            work()
            return
        clock.sleep(PAUSE_SECONDS)
    raise TableBusy(table=table)
