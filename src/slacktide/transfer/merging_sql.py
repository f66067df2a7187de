"""SQL over the source that finds objects of which a mapping would make the keys of two parts one."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from psycopg.sql import SQL, Composable, Composed, Identifier, Literal, Placeholder

from slacktide.transfer.source_sql import keys_of, qualified

if TYPE_CHECKING:
    from slacktide.plan.model import Code, Entity, Table


@cache
def merging(entity: Entity) -> Composed | None:
    """Select, of given objects, those with parts whose keys become one: key, table, list, their codes, the one code.

    None where no key of a part holds a code. A code without a mapping becomes none: its object fails for that.
    """
    pieces = [_of(entity, part, code) for part in entity.parts for code in part.codes if code.column in part.key]
    return SQL(" union all ").join(pieces) if pieces else None


def _of(entity: Entity, part: Table, code: Code) -> Composed:
    root = Identifier("t", part.root_column)
    converted = {each.column: _converted(each) for each in part.codes}
    key = [converted.get(column, Identifier("t", column)) for column in part.key]
    column = Identifier("t", code.column)
    return SQL(
        'select {root}::text, {name}, {list}, array_agg(distinct {column}::text collate "C"), min({become}) '
        "from {table} t where {root} = any ({keys}) and {become} is not null group by {root}, {key} "
        'having count(distinct {column}::text collate "C") > 1'
    ).format(
        root=root, name=Literal(part.qualified), list=Literal(code.list), column=column, become=converted[code.column],
        table=qualified(part), keys=keys_of(entity), key=SQL(", ").join(key),
    )  # fmt: skip


def _converted(code: Code) -> Composable:
    return SQL("({}::jsonb ->> {}::text)").format(Placeholder(f"codes_{code.list}"), Identifier("t", code.column))
