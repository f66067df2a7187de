"""Keys that are equal and not the same: a kept key in `citext`, or in a collation that does not tell case apart.

The key map, the journal and the messages know a key by its bytes; the databases' foreign keys do not. The events:

1. A root's key is spelled anew ("abc" becomes "ABC"): at the source the one is gone, and the other is new. The target
   cannot hold both, and what refers to its row may go on spelling the old one: before anything else the row is given
   its new key as it stands, and the key map with it. So what is gone is not known any more.
2. What refers to an object spells its key otherwise: it leads there all the same, and stays as it is spelled.
3. The target refuses the new key: then the one should go, the other one fails, and says why.

That the source does not hold both either, `plan.check` has seen: both sides call the same keys equal.
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

from psycopg.sql import SQL, Composed, Identifier, Literal

from slacktide.postgres.halving import by_halves
from slacktide.transfer.refusal import Refused, refusals
from slacktide.transfer.source_sql import qualified, type_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.plan.model import Entity, Plan
    from slacktide.transfer.message import BusinessObject
    from slacktide.transfer.translation import Name, Translation


def rename(
    connection: psycopg.Connection[TupleRow], *, plan: Plan, move_no: int, coming: Iterable[Name]
) -> None:  # fmt: skip
    """Give rows the keys under which they come, where these are equal to theirs; inside the batch's transaction."""
    loose = {entity.name: entity for entity in plan.moving if not entity.is_key_exact}
    keys: dict[str, list[str]] = {}
    for name, key in coming if loose else ():
        if name in loose:
            keys.setdefault(name, []).append(key)
    for name, come in keys.items():
        by_halves(connection, come, partial(_rename_some, connection, loose[name], move_no), unless=Refused)


def _rename_some(
    connection: psycopg.Connection[TupleRow], entity: Entity, move_no: int, keys: Sequence[str]
) -> list[TupleRow]:
    with refusals():
        connection.execute(_rename(entity), {"move_no": move_no, "coming": [*keys]})
    return []


@cache
def _rename(entity: Entity) -> Composed:
    """Write the renaming; within arrays values are equal as an index of their type sees them.

    Outside of these an equality of a schema's own, as that of `citext`, is not in force for us.
    """
    own = "." in entity.root.by_name[entity.key].type
    return SQL(
        "with renamed as (update {table} t set {column} = o.key::{kind} "
        "from unnest(%(coming)s::text[]) o (key), slacktide.key_map k where {same} "
        'and {key}::text collate "C" <> o.key and k.move_no = %(move_no)s and k.name = {name} and not k.stays '
        'and k.target_key = {key}::text collate "default" returning k.source_key as was, o.key as key) '
        "update slacktide.key_map k set source_key = r.key, target_key = r.key from renamed r "
        "where k.move_no = %(move_no)s and k.name = {name} and k.source_key = r.was"
    ).format(
        table=qualified(entity.root), column=Identifier(entity.key), key=Identifier("t", entity.key),
        kind=type_of(entity.root, entity.key), name=Literal(entity.name),
        same=SQL("array[{0}] = array[o.key::{1}]" if own else "{0} = o.key::{1}").format(
            Identifier("t", entity.key), type_of(entity.root, entity.key)
        ),
    )  # fmt: skip


def resolve(
    connection: psycopg.Connection[TupleRow], *, plan: Plan, move_no: int, writing: list[BusinessObject],
    translation: Translation,
) -> None:  # fmt: skip
    """Find what objects refer to by keys that neither came nor come as they are spelled."""
    loose = {entity.name: entity for entity in plan.moving if not entity.is_key_exact}
    if not loose:
        return
    coming = {name for item in writing for name in translation.provides(item)}
    missing = {
        (name, key)
        for item in writing
        for name, key in translation.asks(item)
        if name in loose and (name, key) not in coming and key not in translation.keys[name]
    }
    for entity in (loose[name] for name in sorted({name for name, _ in missing})):
        for asked, key, known in connection.execute(_equal(entity), _facts(move_no, entity, missing, coming)):
            translation.spelled[entity.name, asked] = key
            if known:
                translation.keys[entity.name][key] = key


def _facts(move_no: int, entity: Entity, missing: set[Name], coming: set[Name]) -> dict[str, object]:
    asked, come = ([key for name, key in names if name == entity.name] for names in (missing, coming))
    return {"move_no": move_no, "asked": asked, "coming": come}


@cache
def _equal(entity: Entity) -> Composed:
    """Give keys that were asked for, each with the equal one that the key map knows, or that comes.

    In a union with the column a value gets the column's collation.
    """
    return SQL(
        "select a.key, {key}::text, true from unnest(%(asked)s::text[]) a (key) join {table} t "
        "on {key} = a.key::{kind} join slacktide.key_map k on k.move_no = %(move_no)s and k.name = {name} "
        'and k.target_key = {key}::text collate "default" '
        "union all select a.key, c.own, false from unnest(%(asked)s::text[]) a (key) join ("
        "select {key} as key, null as own from {table} t where false "
        "union all select o.key::{kind}, o.key from unnest(%(coming)s::text[]) o (key)) c on c.key = a.key::{kind}"
    ).format(
        table=qualified(entity.root), key=Identifier("t", entity.key), kind=type_of(entity.root, entity.key),
        name=Literal(entity.name),
    )  # fmt: skip
