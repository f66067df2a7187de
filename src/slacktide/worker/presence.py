"""Whether a worker lives: each holds a shared lock on the control database for as long as its connection lives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slacktide.core.errors import OutsideError
from slacktide.postgres import sql

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

_CLASS = 0x51AD
_STATEMENTS = sql.load(__package__, "worker.sql")


class NoWorker(OutsideError):
    """No worker is running, so nothing would happen: start one with `slacktide worker`, or `slacktide up`."""


def live(connection: psycopg.Connection[TupleRow]) -> None:
    """Say that a worker lives, for as long as this connection does."""
    connection.execute(_STATEMENTS["live"], {"class": _CLASS})


def require_worker(connection: psycopg.Connection[TupleRow]) -> None:
    """Raise NoWorker where none lives."""
    if count_workers(connection) == 0:
        raise NoWorker


def count_workers(connection: psycopg.Connection[TupleRow]) -> int:
    """Give how many live."""
    (count,) = connection.execute(_STATEMENTS["workers"], {"class": _CLASS}).fetchone() or (0,)
    return int(count)
