"""What is set aside when unique values swap.

Objects A and B of one batch swap their numbers. One statement writes both rows, but PostgreSQL looks at a
unique index row by row: A cannot take B's number while B still has it. So every unique value that changes
or goes is first *parked*: one column of the index takes a value that nobody has. The upsert afterwards
writes the row as it is to be.

Which column: one that may be null takes null; else a text, a whole or exact number, a uuid, a date or a
timestamp takes a value far from any real one, made from a number that the caller gives and that no other
parked row has (the row's key, or one drawn from a sequence). Never a column of the key or of the property,
nor one that a foreign key rests on, unless it may be null. An index that contains the key needs no parking:
only the row itself has its values.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec
from psycopg import sql

from slacktide.plan import column_type
from slacktide.plan.catalog import Catalog, CatalogTable, Index, read_catalog

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.plan.model import Plan, Table

_TEXT_LENGTH = 9  # the marker and eight hexadecimal digits: numbers up to 2^32
_NUMBER_DIGITS = 9


class ParkingKind(StrEnum):
    """How a column's value is set aside, the better way first."""

    NULL = "null"
    TEXT = "text"
    INTEGER = "integer"
    BIGINT = "bigint"
    NUMERIC = "numeric"
    UUID = "uuid"
    DATE = "date"
    TIMESTAMP = "timestamp"


_KINDS = {
    "text": ParkingKind.TEXT,
    "character varying": ParkingKind.TEXT,
    "character": ParkingKind.TEXT,
    "citext": ParkingKind.TEXT,
    "integer": ParkingKind.INTEGER,
    "bigint": ParkingKind.BIGINT,
    "numeric": ParkingKind.NUMERIC,
    "uuid": ParkingKind.UUID,
    "date": ParkingKind.DATE,
    "timestamp without time zone": ParkingKind.TIMESTAMP,
    "timestamp with time zone": ParkingKind.TIMESTAMP,
}
# `{}` is a number from 1 that no other parked row of the table has. A number out of range fails, visibly.
_EXPRESSIONS = {
    ParkingKind.NULL: sql.SQL("null"),
    ParkingKind.TEXT: sql.SQL("chr(1) || to_hex(({})::bigint)"),
    ParkingKind.INTEGER: sql.SQL("(-2147483649 + ({})::bigint)::integer"),
    ParkingKind.BIGINT: sql.SQL("-9223372036854775807 + ({})::bigint"),
    ParkingKind.NUMERIC: sql.SQL("-({})::numeric"),
    ParkingKind.UUID: sql.SQL("gen_random_uuid()"),
    ParkingKind.DATE: sql.SQL("date '5874897-12-31' - ({})::integer"),
    ParkingKind.TIMESTAMP: sql.SQL("timestamp '294276-12-31' - ({})::bigint * interval '1 second'"),
}


class Parking(msgspec.Struct, frozen=True):
    """How the values of the unique index `index` over `columns` are set aside: by which column, in which way."""

    index: str
    column: str
    kind: ParkingKind
    columns: tuple[str, ...] = ()

    def expression(self, number: sql.Composable) -> sql.Composable:
        """Give the value to set; `number` is SQL for a number from 1 that no other parked row of the table has.

        A key drawn from a sequence is such a number.
        """
        if self.kind in {ParkingKind.NULL, ParkingKind.UUID}:
            return _EXPRESSIONS[self.kind]
        return _EXPRESSIONS[self.kind].format(number)


class ParkingChoice(msgspec.Struct, frozen=True):
    """What was chosen of each table; the indexes where nothing can be; what must take a parked value."""

    parking: dict[str, tuple[Parking, ...]]
    impossible: tuple[tuple[str, str, tuple[str, ...]], ...]
    doubtful: tuple[tuple[str, str, str], ...]


def parking_columns(*, connection: psycopg.Connection[TupleRow], plan: Plan) -> dict[str, tuple[Parking, ...]]:
    """Give, for every moving table by the key map's name, what is set aside at this target."""
    return parking_in(plan=plan, catalog=read_catalog(connection=connection, plan=plan)).parking


def parking_in(*, plan: Plan, catalog: Catalog) -> ParkingChoice:
    """Choose, for every moving table, the column of each unique index that is set aside."""
    parking: dict[str, tuple[Parking, ...]] = {}
    impossible: list[tuple[str, str, tuple[str, ...]]] = []
    doubtful: list[tuple[str, str, str]] = []
    for name, table in plan.table.items():
        at = catalog.tables.get(table.qualified)
        if at is None:
            continue
        chosen = {index.name: _choose(table, at, index, catalog) for index in at.indexes if _needs(index, table)}
        parking[name] = tuple(each for each in chosen.values() if each is not None)
        impossible += [(name, i.name, _plain(i)) for i in at.indexes if chosen.get(i.name, i) is None]
        for each in filter(None, chosen.values()):
            doubtful += [(name, each.index, doubt) for doubt in _doubts(at, each)]
    return ParkingChoice(parking=parking, impossible=tuple(impossible), doubtful=tuple(doubtful))


def _needs(index: Index, table: Table) -> bool:
    return (index.is_unique or index.exclusion) and not set(table.key) <= set(index.columns)


def _choose(table: Table, at: CatalogTable, index: Index, catalog: Catalog) -> Parking | None:
    """Take the best of the columns: one without a check before one with, then by kind, then by place."""
    plain = _plain(index)
    own = (*plain, *(column for column in index.uses if column not in plain and None in index.columns))
    kinds = {column: _kind(table, at, index, column, catalog) for column in own}
    moved = tuple(column for column in table.by_name if column in {*plain, *index.uses})
    found = [
        Parking(index=index.name, column=column, kind=kind, columns=moved) for column, kind in kinds.items() if kind
    ]
    ways = list(ParkingKind)
    return min(found, key=lambda each: (len(_doubts(at, each)), ways.index(each.kind)), default=None)


def _plain(index: Index) -> tuple[str, ...]:
    return tuple(column for column in index.columns if column is not None)


def _kind(table: Table, at: CatalogTable, index: Index, column: str, catalog: Catalog) -> ParkingKind | None:
    """Say how a column could be set aside; None if it must not be touched."""
    there = at.columns[column]
    fixed = {*table.key, table.property_column, table.root}
    if column in fixed or column not in table.by_name or there.generated or _is_referred(at, column, catalog):
        return None
    if there.nullable and (index.nulls_distinct or index.exclusion) and not _match_full(at, column):
        return ParkingKind.NULL
    refers = column in table.reference_of or any(column in key.columns for key in at.foreign_keys)
    if refers or index.exclusion:
        return None
    kind = _KINDS.get(there.type)
    return kind if kind is not None and _has_room(kind, column_type.modifier(there.written)) else None


def _has_room(kind: ParkingKind, modifier: tuple[int, ...]) -> bool:
    if kind is ParkingKind.TEXT and modifier:
        return modifier[0] >= _TEXT_LENGTH
    if kind is ParkingKind.NUMERIC and modifier:
        return modifier[0] - modifier[1] >= _NUMBER_DIGITS
    return True


def _is_referred(at: CatalogTable, column: str, catalog: Catalog) -> bool:
    keys = (key for table in catalog.tables.values() for key in table.foreign_keys)
    return any(key.referred == at.qualified and column in key.referred_columns for key in keys)


def _match_full(at: CatalogTable, column: str) -> bool:
    return any(key.match_full and len(key.columns) > 1 and column in key.columns for key in at.foreign_keys)


def _doubts(at: CatalogTable, parking: Parking) -> list[str]:
    """Name what may refuse the parked value, or not see it: checks, and an expression of the index."""
    doubts = [f"the check {name}" for name, columns in at.checks.items() if parking.column in columns]
    inside = any(index.name == parking.index and parking.column in _plain(index) for index in at.indexes)
    return doubts if inside else [*doubts, "its expression"]
