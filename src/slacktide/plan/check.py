"""Holds a plan against its two databases.

Everything that is found comes at once, each with the file, the line and the field of the plan that it is
about. An error stops the migration; a warning is shown. Both databases are asked the same, then the source
what only reading and the stream need, then the target what only writing needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from slacktide.plan import column_type
from slacktide.plan.catalog import Catalog, CatalogColumn, CatalogTable, read_catalog
from slacktide.plan.document import nearest
from slacktide.plan.problem import Notes, PlanProblem
from slacktide.plan.query import check_queries
from slacktide.plan.source import check_source
from slacktide.plan.target import check_target

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.plan.model import Column, Plan, Table


class Findings(msgspec.Struct, frozen=True):
    """What was found, in the order of the file's lines."""

    errors: tuple[PlanProblem, ...] = ()
    warnings: tuple[PlanProblem, ...] = ()


def check_plan(
    *,
    plan: Plan,
    source: psycopg.Connection[TupleRow] | None = None,
    target: psycopg.Connection[TupleRow] | None = None,
) -> Findings:
    """Hold a plan against the databases that are given; reads only."""
    sides = {"source": source, "target": target}
    catalogs: dict[str, Catalog] = {}
    notes: list[Notes] = []
    for side, connection in sides.items():
        if connection is not None:
            found = Notes(plan=plan, side=side)
            catalogs[side] = read_catalog(connection=connection, plan=plan)
            _check_side(plan, catalogs[side], found)
            (check_source if side == "source" else check_target)(plan=plan, catalog=catalogs[side], notes=found)
            check_queries(plan=plan, connection=connection, side=side, notes=found)
            notes.append(found)
    if len(catalogs) == len(sides):
        notes.append(_encodings(plan, catalogs["source"], catalogs["target"]))
        notes.append(_equal_keys(plan, catalogs["source"], catalogs["target"]))
    return _joined(notes)


def _joined(notes: list[Notes]) -> Findings:
    errors = [problem for each in notes for problem in each.errors.found]
    warnings = [problem for each in notes for problem in each.warnings.found]
    return Findings(
        errors=tuple(sorted(errors, key=lambda problem: problem.line)),
        warnings=tuple(sorted(warnings, key=lambda problem: problem.line)),
    )


def _equal_keys(plan: Plan, source: Catalog, target: Catalog) -> Notes:
    """Refuse a kept key of which one side calls two equal that are not the same, and the other does not."""
    notes = Notes(plan=plan, side="both")
    for entity in plan.late.moving:
        here, there = (_at(catalog, entity.root, entity.key) for catalog in (source, target))
        if here and there and not entity.root.drawn and here.folding != there.folding:
            folding, other = ("source", "target") if here.folding else ("target", "source")
            notes.error(
                f"{entity.root.field}.columns.{entity.key}",
                f"the collation of {entity.key} does not tell all keys apart at the {folding}, and does at the "
                f"{other}: give it the same one at both",
            )
    return notes


def _encodings(plan: Plan, source: Catalog, target: Catalog) -> Notes:
    notes = Notes(plan=plan, side="both")
    if source.encoding != target.encoding:
        notes.warning(
            "",
            f"the source's encoding is {source.encoding}, the target's {target.encoding}: "
            "a text that the target's cannot hold fails",
        )
    return notes


# -- what holds for both databases ------------------------------------------------------------------------


def _check_side(plan: Plan, catalog: Catalog, notes: Notes) -> None:
    _other_tables(plan, catalog, notes)
    for table in (table for entity in plan.entities for table in entity.tables):
        at = catalog.tables.get(table.qualified)
        if at is None:
            hint = nearest(table.qualified, catalog.tables)
            notes.error(f"{table.field}.table", f"the table {table.qualified} is not there{hint}")
            continue
        for column in table.columns:
            _column(table, column, at, catalog, notes)
        _key(table, at, notes)
        _foreign_keys(plan, table, at, notes)
        _collations(plan, table, catalog, notes)


def _column(table: Table, column: Column, at: CatalogTable, catalog: Catalog, notes: Notes) -> None:
    field = f"{table.field}.columns.{column.name}"
    there = at.columns.get(column.name)
    if there is None:
        notes.error(field, f"{table.qualified} has no column {column.name}{nearest(column.name, at.columns)}")
        return
    known = catalog.types[column.type]
    if known is None:
        notes.error(field, f"there is no type {column.type}; {column.name} is {there.written}")
    elif not _same_type(column, known, there):
        notes.error(field, f"{column.name} is {there.written}, and the plan says {column.type}")
    if there.nullable != column.nullable:
        is_so, mend = ("may be null", "add a '?'") if there.nullable else ("must not be null", "take the '?' away")
        notes.error(field, f"{column.name} {is_so} there: {mend}, or change the table")
    if there.generated:
        notes.error(field, f"{column.name} is generated, so it cannot be written: list it under left_out")


def _same_type(column: Column, known: str, there: CatalogColumn) -> bool:
    return known == there.type and column_type.modifier(column.type) == column_type.modifier(there.written)


def _key(table: Table, at: CatalogTable, notes: Notes) -> None:
    key = set(table.key)
    if key <= at.columns.keys() and not any(index.proves_unique and set(index.columns) == key for index in at.indexes):
        names = ", ".join(table.key)
        notes.error(f"{table.field}.key", f"no unique index of {table.qualified} is over just ({names}): make one")


def _foreign_keys(plan: Plan, table: Table, at: CatalogTable, notes: Notes) -> None:
    """Refuse a column that leads to an object and is no reference: its key would not be translated."""
    moved = {other.qualified: other for other in plan.late.table.values()}
    for key in at.foreign_keys if table.name in plan.late.table else ():
        other = moved.get(key.referred or "")
        if other is None or len(other.key) > 1 or other.key[0] not in key.referred_columns:
            continue
        column = key.columns[key.referred_columns.index(other.key[0])]
        named = table.reference_of.get(column)
        if column in table.by_name and (named is None or named.target != other.name):
            notes.error(
                f"{table.field}.columns.{column}",
                f"the foreign key {key.name} leads from {column} to {other.name}: add it to the references",
            )


def _collations(plan: Plan, table: Table, catalog: Catalog, notes: Notes) -> None:
    """Refuse what leads to a key and cannot be compared with it as the database's own foreign keys do.

    An equality of its own is not in force for us: what anybody may put into a schema is not called. Of a type of the
    schema's own it is not known whether it has a collation (see `source_sql`).
    """
    referred = {other.name: other for entity in plan.entities for other in entity.tables}
    for column, reference in table.reference_of.items():
        here, other = _at(catalog, table, column), referred[reference.target]
        key, field = _at(catalog, other, other.key[0]), f"{table.field}.columns.{column}"
        if here is None or key is None or column not in table.by_name:
            continue
        if here.own_equality:
            notes.error(
                field,
                f"{column} leads to {reference.target} and is {here.written}, whose equality is none of PostgreSQL's "
                "own, so that a row that spells the key otherwise would not be found: let both columns be text, in a "
                "collation that does not tell case apart (deterministic = false) where that is meant",
            )
        elif None not in (each := {here.collation, key.collation}) and len(each) > 1 and not _says_so(table, column):
            notes.error(
                field,
                f"{column} has the collation {here.collation}, and the key of {reference.target}, to which it leads, "
                f"{key.collation}: PostgreSQL cannot tell by which to compare them; give both columns the same one",
            )


def _says_so(table: Table, column: str) -> bool:
    return column_type.is_text(table.by_name[column].type)


def _at(catalog: Catalog, table: Table, column: str) -> CatalogColumn | None:
    at = catalog.tables.get(table.qualified)
    return at.columns.get(column) if at else None


def _other_tables(plan: Plan, catalog: Catalog, notes: Notes) -> None:
    """Tables that are named beside the entities: properties, lists, number ranges."""
    for field, name, columns in _named(plan):
        at = catalog.tables.get(name)
        if at is None:
            notes.error(f"{field}.table", f"the table {name} is not there{nearest(name, catalog.tables)}")
            continue
        for kind, (column, types) in columns.items():
            there = at.columns.get(column)
            if there is None:
                notes.error(f"{field}.{kind}", f"{name} has no column {column}{nearest(column, at.columns)}")
            elif types and there.type not in types:
                notes.error(
                    f"{field}.{kind}",
                    f"{column} is {there.written}, expected is {' or '.join(sorted(types))}",
                )


def _named(plan: Plan) -> Iterator[tuple[str, str, dict[str, tuple[str, frozenset[str]]]]]:
    """Give of every such table its field, its name, and its columns by field with the types they may have."""
    anything: frozenset[str] = frozenset()
    here = plan.property
    yield (
        "property",
        f"{here.schema}.{here.table}",
        {
            "column": (here.column, column_type.TEXT),
            "zone": (here.zone, column_type.TEXT),
            "business_date": (here.business_date, frozenset({"date"})),
            "end_of_day": (here.end_of_day, frozenset({"boolean"})),
        },
    )
    for item in plan.lists:
        columns = {"column": (item.column, column_type.TEXT)}
        if item.property_column:
            columns["property"] = (item.property_column, anything)
        yield f"lists.{item.name}", f"{item.schema}.{item.table}", columns
    for counter in plan.counters:
        yield (
            f"counters.{counter.name}",
            f"{counter.schema}.{counter.table}",
            {
                "property": (counter.property_column, anything),
                "key": (counter.key, anything),
                "value": (counter.value, column_type.WHOLE | {"numeric"}),
            },
        )
