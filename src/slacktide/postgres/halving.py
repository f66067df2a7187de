"""Asks about many values at once of which a database may not be able to take one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import psycopg
from psycopg import errors
from psycopg.rows import TupleRow

TOO_LARGE = (errors.ProgramLimitExceeded, errors.InternalError_)  # if `is_too_large` says so
Item = TypeVar("Item")
Row = TypeVar("Row")


def by_halves(
    connection: psycopg.Connection[TupleRow],
    items: Sequence[Item],
    ask: Callable[[Sequence[Item]], list[Row]],
    *,
    unless: type[Exception],
) -> list[Row]:
    """Give what `ask` answers about items; by halves where it raises `unless`, down to who alone is answered nothing.

    Each question has a savepoint of its own. About no items nothing is asked.
    """
    if not items:
        return []
    try:
        with connection.transaction():
            return ask(items)
    except unless:
        half = len(items) // 2
        parts = (items[:half], items[half:]) if half else ()
        return [row for part in parts for row in by_halves(connection, part, ask, unless=unless)]


def is_too_large(error: psycopg.Error) -> bool:
    """Tell whether a value would have been too large; what is written for whoever looks for bugs is not translated."""
    return isinstance(error, errors.ProgramLimitExceeded) or "invalid memory alloc request size" in str(error)
