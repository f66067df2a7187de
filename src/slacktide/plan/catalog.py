"""What a database says of its tables, read once and then looked at as values.

Only the schemas that a plan uses are read. The rules of `check`, the choice of a replica identity and the
choice of what can be parked all look at a `Catalog` and ask the database nothing more.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
from psycopg.rows import dict_row

from slacktide.plan import column_type
from slacktide.postgres import sql

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg.rows import TupleRow

    from slacktide.plan.model import Plan, Table

_SQL = sql.load(__package__, "catalog.sql")


class CatalogColumn(msgspec.Struct, frozen=True):
    """A column: `type` without its modifier, `written` with it; `filled` says that it has a default.

    `collation` is its own: None where that is the database's, and where it has none; a `folding` one calls texts equal
    that are not the same. `own_equality` says that its type's is none of PostgreSQL's own, as that of `citext`. Of a
    domain `base` is what it is made from, with its modifier; else as `written`.

    No update can give one that is `always` drawn, or `generated`, a value.
    """

    name: str
    type: str
    written: str
    base: str
    nullable: bool
    generated: bool
    always: bool
    filled: bool
    sequence: str | None
    comparable: bool
    collation: str | None
    folding: bool
    own_equality: bool


class Index(msgspec.Struct, frozen=True):
    """An index: its `columns` in order (None for an expression), and all columns that it `uses`.

    `is_identity` says that the table was told to use it as its replica identity.
    """

    name: str
    is_unique: bool
    is_primary: bool
    is_identity: bool
    exclusion: bool
    immediate: bool
    valid: bool
    partial: bool
    nulls_distinct: bool
    columns: tuple[str | None, ...]
    uses: tuple[str, ...]

    @property
    def proves_unique(self) -> bool:
        """Tell whether no two rows ever have equal columns."""
        return self.is_unique and self.immediate and self.valid and not self.partial and None not in self.columns


class ForeignKey(msgspec.Struct, frozen=True):
    """A foreign key; `referred` is the qualified table that it leads to; None outside the schemas read."""

    name: str
    columns: tuple[str, ...]
    referred: str | None
    referred_columns: tuple[str, ...]
    on_delete: str
    on_update: str
    match_full: bool


class Trigger(msgspec.Struct, frozen=True):
    """A trigger and the function that it calls."""

    name: str
    function: str


class CatalogTable(msgspec.Struct, frozen=True):
    """A table with all that stands on it. `top` is, for a partition, the table that the plan knows.

    `child` is one that inherits from it without being a partition.
    `persistence` and `identity` are as in pg_class: p, u or t; d, n, f or i.
    """

    schema: str
    name: str
    partitioned: bool
    persistence: str
    identity: str
    top: str | None
    child: str | None
    columns: dict[str, CatalogColumn]
    indexes: tuple[Index, ...]
    foreign_keys: tuple[ForeignKey, ...]
    checks: dict[str, tuple[str, ...]]
    triggers: tuple[Trigger, ...]

    @property
    def qualified(self) -> str:
        """The table's name with its schema."""
        return f"{self.schema}.{self.name}"


class Catalog(msgspec.Struct, frozen=True, dict=True):
    """The tables of the plan's schemas in one database, by qualified name."""

    tables: dict[str, CatalogTable]
    types: dict[str, str | None]
    encoding: str

    @cached_property
    def partitions(self) -> dict[str, tuple[CatalogTable, ...]]:
        """The partitions that hold rows, by the table at their top."""
        found: dict[str, tuple[CatalogTable, ...]] = {}
        for table in self.tables.values():
            if table.top is not None and not table.partitioned:
                found[table.top] = (*found.get(table.top, ()), table)
        return found

    def holding_rows(self, table: CatalogTable) -> tuple[CatalogTable, ...]:
        """Give the table itself, or the partitions that hold its rows."""
        return self.partitions.get(table.qualified, ()) if table.partitioned else (table,)


def schemas_of(plan: Plan) -> list[str]:
    """Name the schemas of all that a plan speaks of."""
    named = {table.schema for entity in plan.entities for table in entity.tables}
    named |= {
        plan.property.schema,
        *(item.schema for item in plan.lists),
        *(item.schema for item in plan.counters),
    }
    return sorted(named | {name.partition(".")[0] for name in plan.left_out})


def read_catalog(*, connection: psycopg.Connection[TupleRow], plan: Plan) -> Catalog:
    """Read what a database says of the plan's schemas."""
    return _Reader(connection, schemas_of(plan)).catalog(_types(plan))


def read_whole_catalog(*, connection: psycopg.Connection[TupleRow]) -> Catalog:
    """Read what a database says of every schema that is neither PostgreSQL's nor ours; for no plan, so of no types."""
    schemas = [name for (name,) in connection.execute(_SQL["schemas"])]
    return _Reader(connection, schemas).catalog(iter(()))


class _Reader:
    def __init__(self, connection: psycopg.Connection[TupleRow], schemas: list[str]) -> None:
        self._connection, self._schemas = connection, schemas
        self._tables: list[int] = []

    def catalog(self, types: Iterator[str]) -> Catalog:
        rows = self._rows("tables")
        self._tables = [row["oid"] for row in rows]
        name = {row["oid"]: f"{row['schema']}.{row['name']}" for row in rows}
        stands_on = {
            kind: self._by_table(kind)
            for kind in ("columns", "indexes", "foreign_keys", "check_constraints", "triggers")
        }
        tables = (_table(row, name, {kind: on.get(row["oid"], []) for kind, on in stands_on.items()}) for row in rows)
        encoding = self._connection.execute(_SQL["encoding"]).fetchone()
        return Catalog(
            tables={table.qualified: table for table in tables},
            types={written: self._type(written) for written in sorted(types)},
            encoding=encoding[0] if encoding else "",
        )

    def _rows(self, statement: str) -> list[dict[str, Any]]:
        with self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(_SQL[statement], {"schemas": self._schemas, "tables": self._tables}).fetchall()

    def _by_table(self, statement: str) -> dict[int, list[dict[str, Any]]]:
        found: dict[int, list[dict[str, Any]]] = {}
        for row in self._rows(statement):
            found.setdefault(row.pop("oid"), []).append(row)
        return found

    def _type(self, written: str) -> str | None:
        try:
            with self._connection.transaction():
                plain = column_type.without_modifier(written)
                row = self._connection.execute(_SQL["type_name"], {"type": plain}).fetchone()
                return row[0] if row else None
        except psycopg.errors.SyntaxError:  # what is no type at all, up to PostgreSQL 16
            return None


def _types(plan: Plan) -> Iterator[str]:
    tables: Iterator[Table] = (table for entity in plan.entities for table in entity.tables)
    return iter({column.type for table in tables for column in table.columns})


def _table(row: dict[str, Any], name: dict[int, str], on: dict[str, list[dict[str, Any]]]) -> CatalogTable:
    keys = ({**key, "referred": name.get(key["referred"])} for key in on["foreign_keys"])
    return CatalogTable(
        schema=row["schema"],
        name=row["name"],
        partitioned=row["partitioned"],
        persistence=row["persistence"],
        identity=row["identity"],
        top=name.get(row["top"]),
        child=row["child"],
        columns={column["name"]: msgspec.convert(column, CatalogColumn) for column in on["columns"]},
        indexes=tuple(msgspec.convert(index, Index) for index in on["indexes"]),
        foreign_keys=tuple(msgspec.convert(key, ForeignKey) for key in keys),
        checks={check["name"]: tuple(check["columns"]) for check in on["check_constraints"]},
        triggers=tuple(msgspec.convert(trigger, Trigger) for trigger in on["triggers"]),
    )
