"""What only the source of a migration has to fulfil: nothing is forgotten, and every change can be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slacktide.plan import identity
from slacktide.plan.document import nearest

if TYPE_CHECKING:
    from slacktide.plan.catalog import Catalog, CatalogTable
    from slacktide.plan.model import Entity, Plan, Table
    from slacktide.plan.problem import Notes


def check_source(*, plan: Plan, catalog: Catalog, notes: Notes) -> None:
    """Note what the source lacks."""
    _tables(plan, catalog, notes)
    for entity in plan.entities:
        for table in entity.tables:
            at = catalog.tables.get(table.qualified)
            if at is not None:
                _columns(table, at, notes)
    for entity in plan.moving:
        for table in entity.tables:
            at = catalog.tables.get(table.qualified)
            if at is not None:
                _stream(table, at, catalog, notes)
    for entity in plan.late.moving:
        for table in entity.tables:
            at = catalog.tables.get(table.qualified)
            if at is not None:
                _leading_index(entity, table, at, notes)


def _tables(plan: Plan, catalog: Catalog, notes: Notes) -> None:
    """Every table of the schemas that move is moved or left out by name."""
    moved = {table.qualified: table.schema for entity in plan.entities for table in entity.tables}
    spoken_of = moved.keys() | plan.left_out.keys()
    spoken_of |= {f"{counter.schema}.{counter.table}" for counter in plan.counters}
    spoken_of |= {f"{plan.property.schema}.{plan.property.table}"}
    for name, table in catalog.tables.items():
        if table.schema in moved.values() and table.top is None and name not in spoken_of:
            notes.error("entities", f"the table {name} is neither moved nor left out: say one of them")
    for name in plan.left_out:
        if name not in catalog.tables:
            notes.error(f"left_out.{name}", f"the table {name} is not there{nearest(name, catalog.tables)}")


def _columns(table: Table, at: CatalogTable, notes: Notes) -> None:
    """Every column is moved or left out by name."""
    for column in at.columns:
        if column not in table.by_name and column not in table.left_out:
            notes.error(f"{table.field}.columns", f"{table.qualified}.{column} is neither moved nor left out")
    for column in table.left_out:
        if column not in at.columns:
            hint = nearest(column, at.columns)
            notes.error(f"{table.field}.left_out.{column}", f"{table.qualified} has no column {column}{hint}")


def _stream(table: Table, at: CatalogTable, catalog: Catalog, notes: Notes) -> None:
    """Every change is in the stream under the table's name and leads to its object, on every partition."""
    field = f"{table.field}.table"
    if at.top and at.partitioned:
        notes.error(field, f"{at.qualified} is a partition with partitions of its own: name {at.top}")
    if at.child:
        notes.error(field, f"{at.child} inherits from {at.qualified}: its rows are logged under its own name")
    for holding in catalog.holding_rows(at):
        if holding.persistence in identity.UNLOGGED:
            kind = identity.UNLOGGED[holding.persistence]
            notes.error(field, f"{holding.qualified} is {kind}, so its changes are not in the log")
        needed = ", ".join(sorted(identity.needed_columns(table)))
        refused = identity.full_refused(at=holding)
        if identity.usable_index(table=table, at=holding) is None and refused is not None:
            notes.error(
                field,
                f"{holding.qualified} has no usable replica identity: {refused}. "
                f"Make a unique index over columns that are never null, with {needed} among them",
            )


def _leading_index(entity: Entity, table: Table, at: CatalogTable, notes: Notes) -> None:
    """Look for the index that reads a key range of one property; else each reads the whole table."""
    if table.root is not None:
        wanted: tuple[str, ...] = (table.root,)
    elif entity.shared:
        wanted = table.key
    else:
        wanted = (table.property_column or entity.via or "", *table.key)
    leading = (index.columns[: len(wanted)] for index in at.indexes if index.valid and not index.partial)
    if wanted not in leading:
        names = ", ".join(wanted)
        notes.warning(
            f"{table.field}.table", f"no index of {table.qualified} begins with ({names}), so reading is slow"
        )
