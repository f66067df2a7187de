"""SQL over sequences and the keys that come from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.sql import SQL, Composed, Identifier

from slacktide.transfer.source_sql import qualified

if TYPE_CHECKING:
    from slacktide.plan.model import Table


def last(schema: str, name: str) -> Composed:
    """Read what a sequence gave out last, or, if it has given nothing yet, what it will give first."""
    return SQL("select last_value, is_called from {}").format(Identifier(schema, name))


def farthest(table: Table, column: str, *, upwards: bool) -> Composed:
    """Read the largest key that there is, or the least."""
    return SQL("select {}({}) from {}").format(SQL("max" if upwards else "min"), Identifier(column), qualified(table))
