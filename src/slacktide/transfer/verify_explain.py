"""Says in which columns an object differs, for the operator; of guests' data nothing is shown.

The object is read again, field by field, in the same two snapshots.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from slacktide.transfer import verify_sql

if TYPE_CHECKING:
    from slacktide.plan.model import Entity, Table
    from slacktide.transfer.verify_read import Reader, SourceReader, TargetReader

Fields = dict[str, str | None]
_LISTED = 5  # columns that are named


def explained(source: SourceReader, target: TargetReader, *, entity: Entity, key: str) -> str:
    """Say what differs of an object that both sides have."""
    target_key = target.known(entity.name, [key]).get(key)
    pieces: list[str] = []
    for table in entity.tables:
        here = _rows(source, entity, table, key)
        there = _rows(target, entity, table, target_key)
        for row in sorted(here.keys() | there.keys()):
            pieces += _row(table, row, here.get(row), there.get(row))
    more = f" and {len(pieces) - _LISTED} more" if len(pieces) > _LISTED else ""
    return "; ".join(pieces[:_LISTED]) + more if pieces else "its content differs"


def _rows(side: Reader, entity: Entity, table: Table, key: str | None) -> dict[tuple[str, ...], Fields]:
    """Read an object's rows of one table, by the key within the object."""
    statement = verify_sql.contents(side.subject.plan, entity, table, side.side)
    names = [column.name for column in table.columns]
    found = {}
    for (values,) in side.connection.execute(statement, side.values | {"keys": [key]}):
        row = dict(zip(names, values, strict=True))
        found[tuple(str(row[column]) for column in table.key if column != table.root_column)] = row
    return found


def _row(table: Table, row: tuple[str, ...], here: Fields | None, there: Fields | None) -> list[str]:
    where = " ".join([table.element, *row]) if table.root else ""
    if here is None or there is None:
        return [f"{where} is not at the {'source' if here is None else 'target'}"]
    left_out = {table.root_column}
    return [
        f"{where} {column} {_how(here[column], there[column])}".lstrip()
        for column in here
        if column not in left_out and here[column] != there[column]
    ]


def _how(here: str | None, there: str | None) -> str:
    if here is not None and here.startswith("!"):
        return f"has the code {here[1:]!r}, which has no mapping"
    if here is not None and here.startswith("="):
        return f"is to be {here[1:]!r} and is {there and there[1:]!r}"
    if there is not None and there.startswith("?"):
        return f"refers to the target's {there[1:]}, which is not in the key map"
    if here is None or there is None:
        return f"is null at the {'source' if here is None else 'target'} only"
    return "differs"
