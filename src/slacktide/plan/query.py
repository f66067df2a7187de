"""The plan's own queries, asked of a database for their columns only: an error shows before the night."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from psycopg.rows import TupleRow

    from slacktide.plan.model import Plan
    from slacktide.plan.problem import Notes

_PARAMETERS = {"property": "", "business_date": "2000-01-01"}


def check_queries(*, plan: Plan, connection: psycopg.Connection[TupleRow], side: str, notes: Notes) -> None:
    """Note the control totals and checks that this database cannot answer."""
    for total in plan.totals:
        columns = _columns(connection, total.sql, field=f"totals.{total.name}.sql", notes=notes)
        if columns is not None and columns != ["key", "label", "value"]:
            notes.error(f"totals.{total.name}.sql", f"it gives {', '.join(columns)}, and not key, label, value")
    for field, check in plan.asked:
        if check.database == side:
            columns = _columns(connection, check.sql, field=f"{field}.sql", notes=notes)
            if columns is not None and len(columns) != 1:
                notes.error(f"{field}.sql", f"it gives {len(columns)} columns, and not one text")


def _columns(connection: psycopg.Connection[TupleRow], query: str, *, field: str, notes: Notes) -> list[str] | None:
    try:
        with connection.transaction(force_rollback=True):
            shape = sql.SQL("select * from (\n{}\n) as answer limit 0").format(sql.SQL(query))
            cursor = connection.execute(shape, _PARAMETERS)
            return [column.name for column in cursor.description or ()]
    except psycopg.Error as error:
        notes.error(field, f"the query fails: {error.diag.message_primary or error}")
        return None
