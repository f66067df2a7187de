"""Shared objects that the target has already, recognised by a unique value of theirs (`known_by` of the plan).

A member of a chain has one profile, whoever brought it: the chain's other hotels, or another property of this source
that moved before. Such an object is not the property's to change: it stays as it is at the target, is referred to,
and is neither written, compared nor deleted by this move. A warning names it. The events:

1. Another move brings the same object at the same moment: whoever comes second waits, and finds it.
2. The object that has the value at the target is one that this move wrote, and hands the value over: that is none of
   the target's own, and its value is set aside like any other.
3. It goes at the source: it is forgotten, and stays.
4. It goes at the target, by the move that brought it: the target's own foreign keys keep it, as rows refer to it.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING

from psycopg import errors
from psycopg.sql import SQL, Composed, Identifier, Literal

from slacktide.postgres import sql
from slacktide.postgres.halving import by_halves
from slacktide.transfer import target_sql
from slacktide.transfer.entry import Problem
from slacktide.transfer.message import NULL
from slacktide.transfer.source_sql import qualified, type_of
from slacktide.transfer.translation import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.plan.model import Entity, Plan
    from slacktide.transfer.message import BusinessObject
    from slacktide.transfer.translation import Name

_STATEMENTS = sql.load(__package__, "target.sql")


def recognise(
    connection: psycopg.Connection[TupleRow], *, move_no: int, batch: int, items: Iterable[BusinessObject]
) -> dict[Name, str]:
    """Write into the key map those of some objects, unknown to it, that the target has; give their keys there."""
    asked: dict[Entity, dict[str, str]] = defaultdict(dict)
    for item in items:
        if item.entity.known_by is not None:
            value = item.values[_at(item.entity, item.entity.known_by)]
            if value != NULL:
                asked[item.entity][item.key] = plain(value)
    found: dict[Name, str] = {}
    for entity, values in asked.items():
        connection.execute(_ALONE, {"table": entity.root.qualified})
        found |= {(entity.name, key): there for key, there in _found(connection, entity, values, move_no, batch)}
    return found


def _found(
    connection: psycopg.Connection[TupleRow], entity: Entity, values: dict[str, str], move_no: int, batch: int
) -> list[TupleRow]:
    """Give keys here and there; what the target's encoding lacks, or its type cannot hold, it does not have."""

    def ask(some: Sequence[tuple[str, str]]) -> list[TupleRow]:
        said = {"keys": [key for key, _ in some], "values": [value for _, value in some]}
        return connection.execute(_recognise(entity), said | {"move_no": move_no, "batch": batch}).fetchall()

    return by_halves(connection, [*values.items()], ask, unless=errors.DataError)


def stays(item: BusinessObject, target_key: str) -> Problem:
    """Say of an object that the target has it already."""
    value = plain(item.values[_at(item.entity, str(item.entity.known_by))])
    reason = f"the target has it already, as {target_key!r} by its {item.entity.known_by}"
    return Problem(item.entity.name, item.key, "warning", f"{reason} {value!r}: it stays as it is there")


def _at(entity: Entity, name: str) -> int:
    return next(at for at, column in enumerate(entity.root.columns) if column.name == name)


_ALONE = "select pg_advisory_xact_lock(hashtextextended('slacktide known by ' || %(table)s::text, 0))"


@cache
def _recognise(entity: Entity) -> Composed:
    root, column = entity.root, str(entity.known_by)
    return SQL(
        "insert into slacktide.key_map (move_no, name, source_key, target_key, outside, batch, native, stays) "
        "select %(move_no)s, {name}, o.key, {key}::text, true, %(batch)s, true, true "
        "from unnest(%(keys)s::text[], %(values)s::{kind}[]) o (key, value) join {table} t on {column} = o.value "
        "where not exists (select from slacktide.key_map k "
        "where k.move_no = %(move_no)s and k.name = {name} and k.target_key = {key}::text) "
        "returning source_key, target_key"
    ).format(
        name=Literal(entity.name), key=Identifier("t", entity.key), column=Identifier("t", column),
        table=qualified(root), kind=type_of(root, column),
    )  # fmt: skip


def let_go(
    connection: psycopg.Connection[TupleRow], *, plan: Plan, move_no: int, names: Sequence[Name]
) -> set[Name]:  # fmt: skip
    """Forget what is not the property's own and stood at the target before the mover came: there it stays; name it."""
    if not names:
        return set()
    facts = {"move_no": move_no, "names": [name for name, _ in names], "keys": [key for _, key in names]}
    rows = connection.execute(_STATEMENTS["let_go"], facts).fetchall()
    roots: dict[str, list[str]] = defaultdict(list)
    for name, _, target_key in rows:
        roots[name].append(target_key)
    for name, keys in roots.items():
        for part in plan.entity[name].parts:
            if part.mapped:
                connection.execute(target_sql.let_go_parts(plan, part), {"move_no": move_no, "keys": keys})
    return {(name, key) for name, key, _ in rows}
