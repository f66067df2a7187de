"""SQL that takes a move's rows away from the target, made from a plan.

What goes stands in a temporary table: the roots that the key map knows, by entity and target key, as text. `staying` is
the SQL that tells of a row's owner that it does not go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

from slacktide.transfer.source_sql import leading, property_of, qualified, type_of
from slacktide.transfer.target_sql import references_to

if TYPE_CHECKING:
    from slacktide.plan.model import Entity, Plan, PropertyTable, Reference, Table

GOING = Identifier("pg_temp", "slacktide_going")


def make_going() -> Composed:
    """Make the temporary table."""
    return SQL(
        "create temporary table slacktide_going (name text, target_key text, primary key (name, target_key)) "
        "on commit drop"
    ).format()


def fill_going(entity: Entity) -> Composed:
    """Note the roots of an entity that the key map of this move knows, and no other move's."""
    return SQL(
        "insert into {going} select k.name, k.target_key from slacktide.key_map k "
        "where k.move_no = %(move_no)s and k.name = {name} and not k.native "
        "and not exists (select from slacktide.key_map o "
        "where o.move_no <> k.move_no and (o.name, o.target_key) = (k.name, k.target_key))"
    ).format(going=GOING, name=Literal(entity.name))


def fill_unknown(plan: Plan, entity: Entity) -> Composed:
    """Note the roots of an entity that are the property's, and that the key map of this move does not know."""
    key = Identifier("t", entity.key)
    return SQL(
        "insert into {} select {name}, {key}::text from {} t where {} = %(property)s and not exists ("
        "select from slacktide.key_map k where k.move_no = %(move_no)s and k.name = {name} "
        "and k.target_key = {key}::text) on conflict do nothing"
    ).format(GOING, qualified(entity.root), property_of(plan, entity, "t"), name=Literal(entity.name), key=key)


def analyze_going() -> Composed:
    """Give the temporary table its statistics."""
    return SQL("analyze {}").format(GOING)


def keep_referred(plan: Plan, entity: Entity) -> Composed | None:
    """Take those off the list to which a row refers that stays."""
    used = [_used_by(plan, table, reference) for table, reference in references_to(plan, entity)]
    if not used:
        return None
    return SQL("delete from {} g where g.name = {} and ({})").format(
        GOING, Literal(entity.name), SQL(" or ").join(used)
    )


def _used_by(plan: Plan, table: Table, reference: Reference) -> Composed:
    owner, entity = plan.entity_of[table.name], plan.entity[reference.entity]
    join: Composable = SQL("")
    column = Identifier("t", reference.column)
    if reference.part is not None:
        part = plan.table[reference.target]
        leads = leading(table, "t", reference.column)
        join = SQL("join {} p on {} = {}").format(qualified(part), Identifier("p", part.key[0]), leads)
        column = Identifier("p", part.root_column)
    return SQL(
        "exists (select from {} t {} where {} = g.target_key::{} and not exists (select from {} h "
        "where h.name = {} and h.target_key = {}::text))"
    ).format(
        qualified(table), join, column, type_of(entity.root, entity.key),
        GOING, Literal(owner.name), Identifier("t", table.root_column),
    )  # fmt: skip


def _goes(plan: Plan, table: Table) -> Composed:
    owner = plan.entity_of[table.name]
    return SQL("g.name = {} and {} = g.target_key::{}").format(
        Literal(owner.name), Identifier("t", table.root_column), type_of(owner.root, owner.key)
    )


def clear_closing(plan: Plan, table: Table, column: str) -> Composed:
    """Clear a column that closes a cycle, on the rows that go."""
    return SQL("update {} t set {c} = null from {} g where {} and t.{c} is not null").format(
        qualified(table), GOING, _goes(plan, table), c=Identifier(column)
    )


def delete(plan: Plan, table: Table) -> Composed:
    """Delete the rows that go."""
    return SQL("delete from {} t using {} g where {}").format(qualified(table), GOING, _goes(plan, table))


def left(plan: Plan, table: Table) -> Composed:
    """Count the rows that should be gone."""
    return SQL("select count(*) from {} t join {} g on {}").format(qualified(table), GOING, _goes(plan, table))


def forget(table: Table) -> Composed:
    """Forget the rows of a table that are gone; those that stay are written again when they come again."""
    return SQL(
        "delete from slacktide.key_map k where k.move_no = %(move_no)s and k.name = {} "
        "and not exists (select from {} t where {} = k.target_key::{})"
    ).format(Literal(table.name), qualified(table), Identifier("t", table.key[0]), type_of(table, table.key[0]))


# -- configuration -----------------------------------------------------------------------------------------------------


def of_property(plan: Plan, entity: Entity, table: Table, *, what: SQL) -> Composed:
    """Delete or select, as `what` says, the rows of a table of configuration that belong to the property."""
    whose = property_of(plan, entity, "t" if table.root is None else "r")
    if table.root is None:
        return SQL("{} {} t where {} = %(property)s").format(what, qualified(table), whose)
    return SQL("{} {} t where exists (select from {} r where {} = {} and {} = %(property)s)").format(
        what,
        qualified(table),
        qualified(entity.root),
        Identifier("r", entity.key),
        leading(table, "t", table.root),
        whose,
    )


def delete_property(at: PropertyTable) -> Composed:
    """Delete the property's own row."""
    return SQL("delete from {} where {} = %(property)s").format(Identifier(at.schema, at.table), Identifier(at.column))
