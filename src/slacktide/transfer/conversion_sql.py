"""SQL over codes, made from a plan: which there are, which are in use, and which objects use them.

A shared object counts where something of the property leads to it: directly, or over other shared objects. Codes are
told apart by their bytes, as a mapping does, whatever the collation of their column calls equal.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from psycopg.sql import SQL, Composable, Composed, Identifier, Placeholder

from slacktide.transfer.source_sql import leading, leading_column, property_of, qualified

if TYPE_CHECKING:
    from slacktide.plan.model import Code, CodeList, Entity, Plan, Reference, Table

_PROPERTY = Placeholder("property")


@cache
def valid(item: CodeList) -> Composed:
    """Read every code of a list with the property that it belongs to, or null."""
    whose: Composable = SQL("null") if item.property_column is None else Identifier(item.property_column)
    return SQL('select distinct {}::text collate "C", {}::text collate "C" from {}').format(
        whose, Identifier(item.column), Identifier(item.schema, item.table)
    )


@cache
def in_use(plan: Plan, entity: Entity, table: Table, code: Code) -> Composed:
    """Read the codes of a column that objects of the property use, with how many rows use each."""
    column = Identifier("t", code.column)
    return SQL(
        'select {column}::text collate "C", count(*) from {table} t{root} '
        "where {column} is not null and {ours} group by 1"
    ).format(
        column=column, table=qualified(table), root=_to_root(entity, table), ours=_belongs(plan, entity, _alias(table))
    )


@cache
def users(plan: Plan, entity: Entity, table: Table, code: Code) -> Composed:
    """Read the objects whose rows use one of the `codes`: the property's, shared ones, and those named `outside`."""
    root = Identifier(_alias(table), entity.key)
    ours: Composable = SQL("true")
    if not entity.shared:
        ours = SQL("({} or {}::text = any (%(outside)s))").format(_belongs(plan, entity, _alias(table)), root)
    return SQL('select distinct {}::text from {} t{} where {}::text collate "C" = any (%(codes)s) and {}').format(
        root, qualified(table), _to_root(entity, table), Identifier("t", code.column), ours
    )


def _alias(table: Table) -> str:
    return "t" if table.root is None else "r"


def _to_root(entity: Entity, table: Table) -> Composable:
    if table.root is None:
        return SQL("")
    key, column = Identifier("r", entity.key), leading(table, "t", table.root)
    return SQL(" join {} r on {} = {}").format(qualified(entity.root), key, column)


def _belongs(plan: Plan, entity: Entity, alias: str) -> Composed:
    """Write whether the object whose root row is `alias` moves with the property."""
    if not entity.shared:
        return SQL("{} = {}").format(property_of(plan, entity, alias), _PROPERTY)
    return SQL("{} in ({})").format(Identifier(alias, entity.key), _referred(plan, entity, ()))


def _referred(plan: Plan, entity: Entity, above: tuple[str, ...]) -> Composed:
    """Write the keys of a shared entity that something of the property leads to.

    `above` are the shared entities that are being written: one that leads back to them adds nothing here, but for an
    entity that refers to itself, which is followed to the end.
    """
    first: list[Composable] = []
    onwards: list[Composable] = []
    for other in plan.moving:
        if other.name in above:
            continue
        for table, reference in other.references:
            if reference.entity == entity.name and other is entity:
                onwards.append(_step(table, reference))
            elif reference.entity == entity.name:
                first.append(_from(plan, other, table, reference, above=(*above, entity.name)))
    start = (
        SQL(" union ").join(first)
        if first
        else SQL("select {} from {} t where false").format(
            leading_column(entity.root, "t", entity.key), qualified(entity.root)
        )
    )
    if not onwards:
        return SQL("{}").format(start)
    return SQL(
        "with recursive reached (key) as (({}) union select s.key from reached, lateral ({}) s (key)) "
        "select key from reached"
    ).format(start, SQL(" union ").join(onwards))


def _from(plan: Plan, other: Entity, table: Table, reference: Reference, *, above: tuple[str, ...]) -> Composed:
    """Write the keys that a column of the property's objects, or of shared ones that it leads to, refers to."""
    if other.shared:
        ours = SQL("{} in ({})").format(Identifier(_alias(table), other.key), _referred(plan, other, above))
    else:
        ours = SQL("{} = {}").format(property_of(plan, other, _alias(table)), _PROPERTY)
    joins, of, column = _key(plan, table, reference)
    key = leading_column(of, *column)
    return SQL("select {} from {} t{}{} where {} is not null and {}").format(
        key, qualified(table), _to_root(other, table), joins, key, ours
    )


def _step(table: Table, reference: Reference) -> Composed:
    """Write what the objects reached so far refer to among their own kind."""
    return SQL("select {column} from {table} t where {root} = reached.key and {column} is not null").format(
        column=leading_column(table, "t", reference.column), table=qualified(table),
        root=Identifier("t", table.root_column),
    )  # fmt: skip


def _key(plan: Plan, table: Table, reference: Reference) -> tuple[Composable, Table, tuple[str, str]]:
    """Give the join to what a reference leads to, where that is a part; then whose column has the object's key."""
    if reference.part is None:
        return SQL(""), table, ("t", reference.column)
    column = leading(table, "t", reference.column)
    part = plan.table[reference.target]
    joined = SQL(" join {} p on {} = {}").format(qualified(part), Identifier("p", part.key[0]), column)
    return joined, part, ("p", part.root_column)
