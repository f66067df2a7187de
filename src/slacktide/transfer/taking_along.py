"""What goes with an object on the way back: what is miscellaneous and refers to it, which only the old source has.

It stood there before the move, and no process carries it; whoever deleted the object where the property lives could
not see it. It goes in the transaction of the batch in which the object goes, and a warning names it. The events:

1. The object is refused for another reason: what referred to it is gone all the same, as the object will be.
2. What refers to it has been moved later (`miscellaneous`): the same, as it cannot refer to what is not there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.sql import SQL, Composed, Identifier

from slacktide.postgres import sql
from slacktide.transfer.entry import Problem
from slacktide.transfer.source_sql import qualified, type_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.plan.model import Plan, Table

_STATEMENTS = sql.load(__package__, "target.sql")


def take_along(
    connection: psycopg.Connection[TupleRow], *, plan: Plan, move_no: int, gone: Mapping[str, Mapping[str, str]]
) -> list[Problem]:
    """Delete what refers to objects that go (by entity: keys there and here); give a warning for each such object."""
    taken: dict[tuple[str, str], list[str]] = {}
    for table, column, entity in _references(plan):
        keys = {target: key for key, target in gone.get(entity, {}).items()}
        if not keys:
            continue
        rows = connection.execute(_delete(plan, table, column, entity), {"keys": [*keys]}).fetchall()
        for own, target in rows:
            taken.setdefault((entity, keys[target]), []).append(f"{table.name} {own}")
        facts = {"move_no": move_no, "name": table.name, "keys": [own for own, _ in rows]}
        connection.execute(_STATEMENTS["forget"], facts)
    return [
        Problem(entity, key, "warning", f"it went, and with it what was not moved: {', '.join(names)}")
        for (entity, key), names in taken.items()
    ]


def _references(plan: Plan) -> Iterator[tuple[Table, str, str]]:
    """Give the columns of what is miscellaneous that lead to what moves: table, column, entity."""
    moving = {entity.name for entity in plan.moving}
    for entity in plan.miscellaneous:
        for table, reference in entity.references:
            if reference.part is None and reference.entity in moving and table.root is None:
                yield table, reference.column, reference.entity


def _delete(plan: Plan, table: Table, column: str, entity: str) -> Composed:
    to = plan.entity[entity].root
    return SQL("delete from {} t where {} = any (%(keys)s::{}[]) returning {}::text, {}::text").format(
        qualified(table), Identifier("t", column), type_of(to, to.key[0]), Identifier("t", table.key[0]),
        Identifier("t", column),
    )  # fmt: skip
