"""What the mover and testers may do in a guarded database beyond passing the guard: use the plan's tables."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from slacktide.guard import ddl

MOVER = "slacktide_mover"
TESTER = "slacktide_tester"

Name = tuple[str, str]


def grant_mover(connection: Connection[TupleRow], *, tables: Sequence[Name], sequences: Sequence[Name] = ()) -> None:
    """Let the mover select, insert, update and delete in the tables and draw from and raise the sequences.

    Both are given as (schema, name).
    """
    rights: list[sql.Composed] = []
    if tables or sequences:
        schemas = _schemas(tables, sequences)
        rights.append(ddl.grant(what="usage", kind="schema", names=schemas, role=MOVER))
    if tables:
        rights.append(ddl.grant(what="select, insert, update, delete", kind="table", names=[*tables], role=MOVER))
    if sequences:
        rights.append(ddl.grant(what="usage, select, update", kind="sequence", names=[*sequences], role=MOVER))
    _all(connection, rights)


def revoke_mover(connection: Connection[TupleRow], *, tables: Sequence[Name], sequences: Sequence[Name] = ()) -> None:
    """Take back what `grant_mover` gave."""
    rights: list[sql.Composed] = []
    if tables:
        rights.append(ddl.revoke(kind="table", names=[*tables], role=MOVER))
    if sequences:
        rights.append(ddl.revoke(kind="sequence", names=[*sequences], role=MOVER))
    if rights:
        rights.append(ddl.revoke(kind="schema", names=_schemas(tables, sequences), role=MOVER))
    _all(connection, rights)


def grant_tester(
    connection: Connection[TupleRow], *, read: Sequence[Name], write: Sequence[Name], sequences: Sequence[Name]
) -> None:
    """Let testers read and write tables and draw from sequences, as long as they are in."""
    rights = [ddl.grant(what="usage", kind="schema", names=_schemas(read, write, sequences), role=TESTER)]
    rights.append(ddl.grant(what="select", kind="table", names=[*read, *write], role=TESTER))
    rights.append(ddl.grant(what="insert, update, delete", kind="table", names=[*write], role=TESTER))
    if sequences:
        rights.append(ddl.grant(what="usage, select", kind="sequence", names=[*sequences], role=TESTER))
    _all(connection, rights)


def revoke_tester(connection: Connection[TupleRow], *, tables: Sequence[Name], sequences: Sequence[Name]) -> None:
    """Take back what `grant_tester` gave."""
    rights = [ddl.revoke(kind="table", names=[*tables], role=TESTER)]
    if sequences:
        rights.append(ddl.revoke(kind="sequence", names=[*sequences], role=TESTER))
    rights.append(ddl.revoke(kind="schema", names=_schemas(tables, sequences), role=TESTER))
    _all(connection, rights)


def _schemas(*names: Sequence[Name]) -> list[tuple[str, ...]]:
    return [(schema,) for schema in sorted({schema for group in names for schema, _ in group})]


def _all(connection: Connection[TupleRow], statements: Sequence[sql.Composed]) -> None:
    with connection.transaction():
        for statement in statements:
            connection.execute(statement)
