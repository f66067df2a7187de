"""Whether the target holds rows of the property that the mover did not write.

Asked before anything is put there, and again at Start: whoever wrote the property's rows at the target beside the
mover is told which they are. So is another move into the same property, which wrote nothing yet: beside each other two
would bring everything twice. The key map says what the mover wrote: the target's key of every root, and of every part
whose key the target draws. A part with its root's key in its own is as known as its root. Shared objects are nobody's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

from slacktide.core.errors import InputError
from slacktide.transfer.source_sql import property_of, qualified

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.plan.model import Entity, Plan, Table

_TAKEN = "select name, property from slacktide.mover_move where (name = %(move)s) <> (property = %(property)s) limit 1"


class TargetNotEmpty(InputError):
    """The target already holds data of the property {property!r} that this move did not write: {found}. Take these rows away, or choose another property with --target-property, then run `slacktide move property {move}`."""  # noqa: E501 -- the message is one sentence


class TargetTaken(InputError):
    """The target takes in the property {taken!r} by the move {other!r}, so the move {move!r} cannot bring {property!r} there: finish that one or give it up, then `slacktide move clean {other} --apply`; or choose another target, or another name."""  # noqa: E501 -- the message is one sentence


class Foreign(msgspec.Struct, frozen=True):
    """Rows of the property in one table that the mover did not write: how many, and the key of one of them."""

    table: str
    count: int
    example: str


def check(connection: psycopg.Connection[TupleRow], *, plan: Plan, target_property: str, move: str) -> list[Foreign]:
    """List the tables of the target with rows of the property that the key map of this move does not know."""
    known = connection.execute("select to_regclass('slacktide.key_map') is not null").fetchone() == (True,)
    found = []
    for entity in plan.late.moving:
        for table in [t for t in entity.tables if not entity.shared and t.mapped]:
            query = _foreign(plan, entity, table, key_map=known)
            row = connection.execute(query, {"property": target_property, "move": move}).fetchone()
            if row and row[0]:
                found.append(Foreign(table.qualified, *row))
    return found


def require_free(connection: psycopg.Connection[TupleRow], *, target_property: str, move: str) -> None:
    """Raise TargetTaken where another move brings the property there, or one of this name another property."""
    if connection.execute("select to_regclass('slacktide.mover_move') is not null").fetchone() == (True,):
        row = connection.execute(_TAKEN, {"move": move, "property": target_property}).fetchone()
        if row is not None:
            raise TargetTaken(other=row[0], taken=row[1], move=move, property=target_property)


def require_empty(connection: psycopg.Connection[TupleRow], *, plan: Plan, target_property: str, move: str) -> None:
    """Raise TargetNotEmpty where `check` finds something."""
    found = check(connection, plan=plan, target_property=target_property, move=move)
    if found:
        said = ", ".join(f"{one.count} of {one.table} (one has the key {one.example})" for one in found)
        raise TargetNotEmpty(property=target_property, found=said, move=move)


def _foreign(plan: Plan, entity: Entity, table: Table, *, key_map: bool) -> Composed:
    """Count the rows of the property that are not in the key map, and give one's key."""
    key = SQL("{}::text").format(Identifier("t", table.key[0]))
    unknown: Composable = SQL(
        "not exists (select from slacktide.key_map k join slacktide.mover_move m using (move_no) "
        "where m.name = %(move)s and k.name = {} and k.target_key = {})"
    ).format(Literal(table.name), key)
    return SQL("select count(*), min({}) from {} t{} where {} = %(property)s and {}").format(
        key,
        qualified(table),
        _to_root(entity, table),
        property_of(plan, entity, "t" if table is entity.root else "r"),
        unknown if key_map else SQL("true"),
    )


def _to_root(entity: Entity, table: Table) -> Composable:
    if table.root is None:
        return SQL("")
    return SQL(" join {} r on {} = {}").format(
        qualified(entity.root), Identifier("r", entity.key), Identifier("t", table.root)
    )
