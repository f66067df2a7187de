"""What only the target of a migration has to fulfil: rows can be written, and nothing else happens by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slacktide.plan.parking import parking_in

if TYPE_CHECKING:
    from slacktide.plan.catalog import Catalog, CatalogTable, ForeignKey
    from slacktide.plan.model import Entity, Plan, Table
    from slacktide.plan.problem import Notes

_ACTION = {"c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}


def check_target(*, plan: Plan, catalog: Catalog, notes: Notes) -> None:
    """Note what the target lacks, and what it would do by itself."""
    for entity in plan.entities:
        _known_by(entity, catalog.tables.get(entity.root.qualified), notes)
        for table in entity.tables:
            at = catalog.tables.get(table.qualified)
            if at is not None:
                _filled(table, at, notes)
                _sequence(table, at, notes)
                _triggers(table, at, catalog, notes)
    _cascades(plan, catalog, notes)
    _parking(plan, catalog, notes)


def _filled(table: Table, at: CatalogTable, notes: Notes) -> None:
    """Columns that do not move must not need a value."""
    for column in at.columns.values():
        needs = not (column.nullable or column.filled or column.generated)
        if column.name not in table.by_name and needs:
            notes.error(
                f"{table.field}.columns",
                f"{table.qualified}.{column.name} does not move, is not null and has no default: give it one",
            )


def _sequence(table: Table, at: CatalogTable, notes: Notes) -> None:
    key = at.columns.get(table.key[0])
    if table.drawn and key is not None and key.sequence is None:
        notes.error(
            f"{table.field}.key",
            f"no sequence belongs to {table.qualified}.{key.name}: give it one, or say `drawn: false`",
        )


def _known_by(entity: Entity, at: CatalogTable | None, notes: Notes) -> None:
    if at is None or entity.known_by is None:
        return
    if not any(index.proves_unique and index.columns == (entity.known_by,) for index in at.indexes):
        notes.error(
            f"{entity.root.field}.known_by",
            f"no unique index is over just {at.qualified}.{entity.known_by}, so that it tells nobody apart: make one",
        )


def _triggers(table: Table, at: CatalogTable, catalog: Catalog, notes: Notes) -> None:
    for holding in {each.qualified: each for each in (at, *catalog.holding_rows(at))}.values():
        for trigger in holding.triggers:
            notes.warning(
                f"{table.field}.table",
                f"writing fires the trigger {trigger.name} of {holding.qualified} ({trigger.function})",
            )


def _cascades(plan: Plan, catalog: Catalog, notes: Notes) -> None:
    """Refuse what deletes or changes rows besides: a batch names each of its deletions."""
    moved = {table.qualified: table for table in plan.late.table.values()}
    for at in catalog.tables.values():
        for key in at.foreign_keys:
            other = moved.get(key.referred or "")
            actions = [_ACTION[action] for action in (key.on_delete, key.on_update) if action in _ACTION]
            if other is not None and actions:
                _cascade(moved.get(at.qualified), at, other, key, f"{' and '.join(actions)}", notes)


def _cascade(table: Table | None, at: CatalogTable, other: Table, key: ForeignKey, actions: str, notes: Notes) -> None:
    says = f"the foreign key {key.name} of {at.qualified} to {other.qualified} says {actions}"
    if table is None:
        notes.warning(f"{other.field}.table", f"{says}, so a deletion there changes a table that does not move")
        return
    inside = table.root is not None and table.root in key.columns and other.name == table.name.partition(".")[0]
    if not inside and key.name not in table.cascades:
        notes.error(
            f"{table.field}.table",
            f"{says}, from one object into another: change it to NO ACTION, or name it under cascades",
        )


def _parking(plan: Plan, catalog: Catalog, notes: Notes) -> None:
    parking = parking_in(plan=plan, catalog=catalog)
    for name, index, columns in parking.impossible:
        table = plan.table[name]
        notes.error(
            f"{table.field}.table",
            f"the values of {index} cannot be set aside while rows swap them: let one of its columns be "
            f"nullable, or take them as the key ([{', '.join(columns)}])",
        )
    for name, index, constraint in parking.doubtful:
        table = plan.table[name]
        notes.warning(
            f"{table.field}.table",
            f"while objects swap values of {index}, {constraint} has to accept the values that are set aside",
        )
