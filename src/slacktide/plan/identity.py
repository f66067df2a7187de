"""Which replica identity a table needs, so that every change in the stream leads to its object.

An update or delete in the stream holds, of the old row, only the columns of the replica identity. A root's
has to hold its key and the column that says whose it is; a part's the column that leads to its root. A
unique index serves if PostgreSQL takes it (over columns that are never null, immediate, not partial,
without expressions); where none holds what is needed, the identity is FULL: the whole old row.

FULL has two limits. A generated column is not in the stream, so PostgreSQL refuses updates of a table that
has one in its identity; and a row with a type without equality (json, xml, point) cannot be found again by
itself.

Of a partitioned table the partition that holds the row decides, and it inherits nothing: one that is made or
attached later has its own identity, the primary key, whatever the table above it and its other partitions have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slacktide.plan.catalog import Catalog, CatalogTable, Index
    from slacktide.plan.model import Plan, Table

UNLOGGED = {"u": "unlogged", "t": "temporary"}


def needed_columns(table: Table) -> frozenset[str]:
    """Name the columns that the stream has to show of every old row."""
    if table.root is not None:
        return frozenset({table.root})
    return frozenset({*table.key, *filter(None, [table.property_column])})


def usable_index(*, table: Table, at: CatalogTable) -> Index | None:
    """Give the index with the fewest columns that serves as the identity of a table, or of its partition."""
    serving = [index for index in at.indexes if _serves(index, at) and needed_columns(table) <= set(index.columns)]
    return min(serving, key=lambda index: len(index.columns), default=None)


def _serves(index: Index, at: CatalogTable) -> bool:
    columns = [at.columns[name] for name in index.columns if name is not None]
    return index.proves_unique and not any(column.nullable or column.generated for column in columns)


def full_refused(*, at: CatalogTable) -> str | None:
    """Say why FULL cannot serve as a table's identity; None if it can."""
    for column in at.columns.values():
        if column.generated:
            return f"the column {column.name} is generated, and the identity would hold it"
        if not column.comparable:
            return f"the column {column.name} is {column.written}, which cannot be compared"
    return None


def present_index(at: CatalogTable) -> Index | None:
    """Give the index that is a table's identity now; None where it is FULL, or where there is none."""
    using = {"d": "is_primary", "i": "is_identity"}.get(at.identity)
    return next((index for index in at.indexes if using and getattr(index, using) and index.immediate), None)


def shown_columns(at: CatalogTable) -> frozenset[str]:
    """Name the columns that the stream shows of an old row, by the identity that a table has now."""
    index = present_index(at)
    shown = index.columns if index else at.columns if at.identity == "f" else ()
    return frozenset(name for name in shown if name is not None)


def holding(*, plan: Plan, catalog: Catalog) -> Iterator[tuple[Table, CatalogTable]]:
    """Give every table of the catalog that holds rows which move, with its table of the plan."""
    for table in plan.table.values():
        at = catalog.tables.get(table.qualified)
        for leaf in catalog.holding_rows(at) if at else ():
            yield table, leaf


def unseen(*, plan: Plan, catalog: Catalog) -> Iterator[tuple[CatalogTable, str]]:
    """Give the tables whose changes do not lead to their objects as things stand, and why."""
    for table, at in holding(plan=plan, catalog=catalog):
        lacking = needed_columns(table) - shown_columns(at)
        if at.persistence in UNLOGGED:
            yield at, f"it is {UNLOGGED[at.persistence]}, so its changes are not in the log"
        elif lacking:
            yield at, f"its replica identity does not show {', '.join(sorted(lacking))}"
