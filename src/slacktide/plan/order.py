"""The order of references: what is referred to comes before what refers to it.

Where references go in a circle no such order exists. The circle is cut at a nullable column: it *closes the
cycle*, is written after all rows are there, and is cleared before rows are deleted. A reference of a table to
itself needs no cut, for one statement writes the whole table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from slacktide.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from slacktide.plan.model import Entity


class UncuttableCycle(InputError):
    """The references of {entities} go in a circle without a nullable column: leave one out of the plan."""


def _needs(entity: Entity, *, hard: bool) -> set[str]:
    """Name the entities that this one must come after; `hard` leaves out references that may be null."""
    return {
        reference.entity
        for table, reference in entity.references
        if reference.entity != entity.name and not (hard and table.by_name[reference.column].nullable)
    }


def in_order(entities: Iterable[Entity]) -> tuple[Entity, ...]:
    """Put entities in the order of references, keeping the given order where there is a choice."""
    left = list(entities)
    names = {entity.name for entity in left}
    placed: list[Entity] = []
    while left:
        done = {entity.name for entity in placed}
        ready = [e for e in left if not (_needs(e, hard=False) & names) - done] or [
            e for e in left if not (_needs(e, hard=True) & names) - done
        ]
        if not ready:
            raise UncuttableCycle(entities=", ".join(entity.name for entity in _circle(left)))
        placed.append(ready[0])
        left.remove(ready[0])
    return tuple(placed)


def _circle(left: list[Entity]) -> list[Entity]:
    """Leave out those that only come after the circle, for nothing in it needs them."""
    needed = {name for entity in left for name in _needs(entity, hard=True)}
    inner = [entity for entity in left if entity.name in needed]
    return inner if len(inner) == len(left) else _circle(inner)


def closing_columns(ordered: Iterable[Entity]) -> dict[str, tuple[str, ...]]:
    """Give, for every table by its key map name, the columns that close cycles in this order."""
    closing: dict[str, tuple[str, ...]] = {}
    before: set[str] = set()
    for entity in ordered:
        for table in entity.tables:
            before.add(table.name)  # one statement writes a table, and its own references are checked at the end
            closing[table.name] = tuple(
                reference.column
                for reference in table.references
                if reference.column != table.root and reference.target not in before
            )
    return closing
