"""The guard's SQL that is made from the names of tables. Nowhere else is any made."""

from __future__ import annotations

import hashlib
from typing import LiteralString

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from slacktide.guard.table import GuardedTable, Mode
from slacktide.postgres.sql import load

_STATEMENTS = load(__package__, "trigger.sql")
_NAME_LIMIT = 63  # bytes of an identifier in PostgreSQL
SCHEMA = "slacktide"
STATEMENT_TRIGGERS = ("insert", "update", "delete")


def function_name(table: GuardedTable) -> str:
    """Name the trigger function of a table; a long name is cut and told apart by a digest."""
    name = f"guard_on_{table.schema}_{table.table}"
    digest = hashlib.sha256(table.qualified.encode()).hexdigest()[:8]
    head = name.encode()[: _NAME_LIMIT - len(digest) - 1].decode(errors="ignore")
    return f"{head}_{digest}"


def trigger_name(event: str) -> str:
    """Name the trigger of one event: insert, update, delete, row or truncate."""
    return f"slacktide_guard_{event}"


def function_body(connection: Connection[TupleRow], *, table: GuardedTable) -> str:
    """Give the text of the table's trigger function, as pg_proc will hold it."""
    return (
        sql.SQL(_STATEMENTS["body"])
        .format(
            organization=sql.SQL(table.organization),
            interface=sql.Literal(table.mode is Mode.INTERFACE),
            relation=sql.Literal(table.qualified),
            new_rows=_rows("new_rows", table.keys),
            old_rows=_rows("old_rows", table.keys),
        )
        .as_string(connection)
    )


def _rows(transition: LiteralString, keys: tuple[str, ...]) -> sql.Composable:
    if not keys:
        return sql.SQL(transition)
    columns = sql.SQL(", ").join(sql.Identifier(key) for key in keys)
    return sql.SQL("(select distinct {columns} from {rows})").format(columns=columns, rows=sql.SQL(transition))


def create_function(connection: Connection[TupleRow], *, table: GuardedTable) -> sql.Composed:
    """Make the statement that makes the table's trigger function."""
    body = sql.Literal(function_body(connection, table=table))
    return sql.SQL(_STATEMENTS["function"]).format(function=_function(table), body=body)


def own_function(*, table: GuardedTable) -> sql.Composed:
    """Make the statement that keeps the table's trigger function to its owner."""
    return sql.SQL(_STATEMENTS["own"]).format(function=_function(table))


def create_trigger(*, table: GuardedTable, relation: tuple[str, str], event: str) -> sql.Composed:
    """Make the statement that makes one trigger on the table itself or on a relation below it."""
    return sql.SQL(_STATEMENTS[event]).format(relation=sql.Identifier(*relation), function=_function(table))


def enable_always(*, relation: tuple[str, str], event: str) -> sql.Composed:
    """Make the statement that lets a trigger fire whatever session_replication_role says."""
    return sql.SQL(_STATEMENTS["always"]).format(
        relation=sql.Identifier(*relation), trigger=sql.Identifier(trigger_name(event))
    )


def drop_trigger(*, relation: tuple[str, str], name: str) -> sql.Composed:
    """Make the statement that drops one trigger."""
    return sql.SQL(_STATEMENTS["drop_trigger"]).format(relation=sql.Identifier(*relation), trigger=sql.Identifier(name))


def drop_function(*, table: GuardedTable) -> sql.Composed:
    """Make the statement that drops the table's trigger function."""
    return sql.SQL(_STATEMENTS["drop_function"]).format(function=_function(table))


def _function(table: GuardedTable) -> sql.Identifier:
    return sql.Identifier(SCHEMA, function_name(table))


def grant(*, what: LiteralString, names: list[tuple[str, ...]], kind: LiteralString, role: str) -> sql.Composed:
    """Make the statement that grants rights (`what`) on tables, sequences or schemas (`kind`)."""
    return sql.SQL("grant {what} on {kind} {names} to {role}").format(
        what=sql.SQL(what), kind=sql.SQL(kind), names=_names(names), role=sql.Identifier(role)
    )


def revoke(*, names: list[tuple[str, ...]], kind: LiteralString, role: str) -> sql.Composed:
    """Make the statement that takes all rights on tables, sequences or schemas (`kind`) back."""
    return sql.SQL("revoke all on {kind} {names} from {role}").format(
        kind=sql.SQL(kind), names=_names(names), role=sql.Identifier(role)
    )


def _names(names: list[tuple[str, ...]]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(*name) for name in names)


def rollback_prepared(gid: str) -> sql.Composed:
    """Make the statement that ends a prepared transaction; it takes no parameter."""
    return sql.SQL("rollback prepared {}").format(sql.Literal(gid))
