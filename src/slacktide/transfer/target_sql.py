"""SQL over the target that is made from a plan: staging, parking, upserting, deleting.

Changed objects are staged in temporary tables named after the key map's names; keys and references in them are the
target's already. Roots are named by `keys`, as text.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from psycopg.sql import SQL, Composable, Composed, Identifier, Literal, Placeholder

from slacktide.plan import column_type
from slacktide.plan.model import Code, Entity, Plan, Reference, Table, Unknown
from slacktide.plan.parking import Parking
from slacktide.transfer.source_sql import KEYS, leading, property_of, qualified, type_of

if TYPE_CHECKING:
    from collections.abc import Mapping


def stage(table: Table) -> Identifier:
    """Write the name of a table's staging table."""
    return Identifier("pg_temp", f"stage_{table.name}")


def columns(table: Table) -> Composed:
    """Write the columns that move, in plan order."""
    return SQL(", ").join(Identifier(column.name) for column in table.columns)


def create_stage(table: Table) -> Composed:
    """Make a staging table; who stages rows deletes them: `on commit delete rows` would empty all tables each time."""
    return SQL("create temporary table {} as select {} from {} with no data").format(
        Identifier(f"stage_{table.name}"), columns(table), qualified(table)
    )


def copy_in(table: Table, *, staged: bool) -> Composed:
    """Write rows in COPY's text form."""
    return SQL("copy {} ({}) from stdin").format(stage(table) if staged else qualified(table), columns(table))


def _same_key(table: Table, one: str, other: str) -> Composed:
    return SQL(" and ").join(SQL("{} = {}").format(Identifier(one, c), Identifier(other, c)) for c in table.key)


def _root_keys(plan: Plan, table: Table) -> Composed:
    entity = plan.entity_of[table.name]
    return SQL("{}::{}[]").format(KEYS, type_of(entity.root, entity.key))


def _compared(table: Table, values: Mapping[str, Composable]) -> Composed:
    """Write values so that they are equal only if they are the same, whatever their type or collation calls equal."""

    def one(name: str, value: Composable) -> Composable:
        exact = column_type.is_exact(table.by_name[name].type)
        return SQL("{}" if exact else '{}::text collate "C"').format(value)

    return SQL("({})").format(SQL(", ").join(one(name, value) for name, value in values.items()))


def _unknown(table: Table, column: str) -> Composed | None:
    """Tell, where a reference may have been left null by the forward move, that it leads to what that did not bring."""
    reference = table.reference_of.get(column)
    if reference is None or reference.unknown is not Unknown.LEAVE_NULL:
        return None
    return SQL(
        "not exists (select from slacktide.key_map k where k.move_no = %(move_no)s and k.name = {} "
        "and k.target_key = {}::text and not k.outside)"
    ).format(Literal(reference.target), Identifier("t", column))


def _kept(table: Table, column: str) -> Composable:
    """Write a column's value: the row's own where what comes says the same, as far as the forward move carried it.

    `kept_LIST` says for each code at the target which one comes for it; a code without one was left out.
    """
    own, value = Identifier("t", column), Identifier("excluded", column)
    code = next((code for code in table.codes if code.column == column), None)
    unknown = _unknown(table, column)
    if code is not None:
        same = SQL("({}::jsonb ->> {}::text) is not distinct from {}::text").format(
            Placeholder(f"kept_{code.list}"), own, value
        )
    elif unknown is not None:
        same = SQL("{} is null and {}").format(value, unknown)
    else:
        return value
    return SQL("case when {} then {} else {} end").format(same, own, value)


def codes_in_key(table: Table) -> list[Code]:
    """Give the codes that a part's key holds."""
    return [code for code in table.codes if code.column in table.key and table.root in table.key]


@cache
def keep_codes(table: Table) -> Composed:
    """Give staged parts the codes that their rows have in the key, where what comes for those says the same.

    Two codes that became one never came from one object, so that no more than one row is meant.
    """
    codes = codes_in_key(table)
    changing = [code.column for code in codes]
    same = [
        SQL("({}::jsonb ->> {}::text) is not distinct from {}::text").format(
            Placeholder(f"kept_{code.list}"), Identifier("t", code.column), Identifier("s", code.column)
        )
        for code in codes
    ]
    same += [SQL("{} = {}").format(Identifier("t", c), Identifier("s", c)) for c in table.key if c not in changing]
    return SQL("update {} s set {} from {} t where {}").format(
        stage(table), SQL(", ").join(SQL("{} = {}").format(Identifier(c), Identifier("t", c)) for c in changing),
        qualified(table), SQL(" and ").join(same),
    )  # fmt: skip


@cache
def upsert(table: Table, closing: tuple[str, ...], *, returning: bool = False) -> Composed:
    """Write the staged rows, leaving alone those that are the same, and the columns that close cycles.

    A key may be found that is equal and not the same: it is written too. On the way back, what the forward move left
    out stays as it is.
    """
    kinds = {column.name: column.type for column in table.columns if column.name not in closing}
    names = list(kinds)
    changing = [name for name, kind in kinds.items() if name not in table.key or not column_type.is_exact(kind)]
    listed = SQL(", ").join(map(Identifier, names))
    if not changing:
        action: Composable = SQL("do nothing")
    else:
        values = {n: _kept(table, n) if returning else Identifier("excluded", n) for n in changing}
        action = SQL("do update set {} where {} is distinct from {}").format(
            SQL(", ").join(SQL("{} = {}").format(Identifier(n), value) for n, value in values.items()),
            _compared(table, {n: Identifier("t", n) for n in changing}),
            _compared(table, values),
        )
    return SQL("insert into {} as t ({}) overriding system value select {} from {} on conflict ({}) {}").format(
        qualified(table), listed, listed, stage(table), SQL(", ").join(map(Identifier, table.key)), action
    )


@cache
def held_by_others(plan: Plan, table: Table) -> Composed:
    """Find staged parts whose key another object's row has: key, who wants it, who has it, whose that is.

    And whether that one has it among its staged rows as well.
    """
    entity = plan.entity_of[table.name]
    root, same = Identifier(table.root_column), _same_key(table, "t", "s")
    return SQL(
        "select {keys}, s.{root}::text, t.{root}::text, {whose}::text, "
        "exists (select from {stage} o where {other} and o.{root} = t.{root}) "
        "from {stage} s join {table} t on {same} left join {roots} r on {key} = {leading} "
        "where t.{root} is distinct from s.{root}"
    ).format(
        keys=_keys_as_text(table), root=root, leading=leading(table, "t", table.root_column),
        whose=property_of(plan, entity, "r"), stage=stage(table),
        other=_same_key(table, "t", "o"), table=qualified(table), same=same, roots=qualified(entity.root),
        key=Identifier("r", entity.key),
    )  # fmt: skip


@cache
def wanted_twice(table: Table) -> Composed:
    """Find keys that several staged parts have: the roots, and which of these has such a row already."""
    root = Identifier(table.root_column)
    return SQL(
        "select {keys}, array_agg(s.{root}::text), array_remove(array_agg(t.{root}::text), null) "
        "from {stage} s left join {table} t on {same} group by {key} having count(*) > 1"
    ).format(
        keys=_keys_as_text(table), root=root, stage=stage(table), table=qualified(table),
        same=_same_key(table, "t", "s"), key=SQL(", ").join(Identifier("s", column) for column in table.key),
    )  # fmt: skip


def _keys_as_text(table: Table) -> Composed:
    return SQL("array[{}]").format(SQL(", ").join(SQL("{}::text").format(Identifier("s", c)) for c in table.key))


@cache
def close(table: Table, column: str, *, returning: bool = False) -> Composed:
    """Write a column that closes a cycle: `key_0`, `key_1` ... hold the rows' keys, `values` the values, as text."""
    arrays = [SQL("{}::text[]").format(Placeholder(f"key_{n}")) for n in range(len(table.key))]
    names = [Identifier(f"k{n}") for n in range(len(table.key))]
    same = SQL(" and ").join(
        SQL("t.{} = v.{}::{}").format(Identifier(c), name, type_of(table, c))
        for c, name in zip(table.key, names, strict=True)
    )
    unknown = _unknown(table, column) if returning else None
    keeping: Composable = SQL("and not (v.value is null and {})").format(unknown) if unknown else SQL("")
    value = SQL("v.value::{}").format(type_of(table, column))
    return SQL(
        "update {} t set {} = {} from unnest({}, %(values)s::text[]) v ({}, value) where {} "
        "and {} is distinct from {} {}"
    ).format(
        qualified(table), Identifier(column), value, SQL(", ").join(arrays), SQL(", ").join(names),
        same, _compared(table, {column: Identifier("t", column)}), _compared(table, {column: value}), keeping,
    )  # fmt: skip


@cache
def clear_closing(plan: Plan, table: Table, column: str) -> Composed:
    """Clear a column that closes a cycle, on the rows of roots that go."""
    return SQL("update {} t set {c} = null where {} = any ({}) and t.{c} is not null").format(
        qualified(table), Identifier("t", table.root_column), _root_keys(plan, table), c=Identifier(column)
    )


@cache
def left_null(plan: Plan) -> tuple[tuple[Table, Reference, Table], ...]:
    """Give the references to parts that are null where the part is not there: table, reference, the part's table."""
    found = ((t, r) for entity in plan.moving for t, r in entity.references if r.part is not None)
    return tuple((t, r, plan.table[r.target]) for t, r in found if r.unknown is Unknown.LEAVE_NULL)


@cache
def leave_null(plan: Plan, table: Table, column: str, part: Table, *, staying: bool) -> Composed:
    """Clear what leads to parts that go: all of given roots, or with `staying` those that are not staged any more."""
    goes: Composable = SQL("{} = any ({})").format(Identifier("t", part.root_column), _root_keys(plan, part))
    return SQL("update {} o set {} = null from {} t where {} = {} and {}").format(
        qualified(table), Identifier(column), qualified(part), Identifier("t", part.key[0]), Identifier("o", column),
        _gone_parts(plan, part) if staying else goes,
    )  # fmt: skip


def _gone_parts(plan: Plan, table: Table) -> Composed:
    return SQL("{} = any ({}) and not exists (select from {} s where {})").format(
        Identifier("t", table.root_column),
        _root_keys(plan, table),
        stage(table),
        _same_key(table, "t", "s"),
    )


@cache
def delete_gone_parts(plan: Plan, table: Table) -> Composed:
    """Delete the parts of written roots that are not among the staged rows; give their keys."""
    return SQL("delete from {} t where {} returning {}::text").format(
        qualified(table), _gone_parts(plan, table), Identifier("t", table.key[0])
    )


@cache
def delete_of_roots(plan: Plan, table: Table) -> Composed:
    """Delete the rows of roots that go; give their keys."""
    return SQL("delete from {} t where {} = any ({}) returning {}::text").format(
        qualified(table),
        Identifier("t", table.root_column),
        _root_keys(plan, table),
        Identifier("t", table.key[0]),
    )


@cache
def let_go_parts(plan: Plan, table: Table) -> Composed:
    """Forget the parts of roots that stay at the target though the move lets go of them."""
    return SQL(
        "delete from slacktide.key_map k using {} t where k.move_no = %(move_no)s and k.name = {} "
        "and k.target_key = {}::text and {} = any ({})"
    ).format(
        qualified(table), Literal(table.name), Identifier("t", table.key[0]), Identifier("t", table.root_column),
        _root_keys(plan, table),
    )  # fmt: skip


# -- parking ----------------------------------------------------------------------------------------------------------


def _aside(parking: Parking) -> Composable:
    return parking.expression(SQL("nextval('slacktide.parking_number')"))


@cache
def park_changing(table: Table, parking: Parking) -> Composed:
    """Set a unique value aside on rows that are about to get another one."""
    here, there = ({n: Identifier(alias, n) for n in parking.columns} for alias in ("t", "s"))
    return SQL("update {} t set {} = {} from {} s where {} and {} is distinct from {}").format(
        qualified(table), Identifier(parking.column), _aside(parking), stage(table), _same_key(table, "t", "s"),
        _compared(table, here), _compared(table, there),
    )  # fmt: skip


@cache
def park_gone_parts(plan: Plan, table: Table, parking: Parking) -> Composed:
    """Set a unique value aside on parts that are about to go from written roots."""
    return SQL("update {} t set {} = {} where {}").format(
        qualified(table), Identifier(parking.column), _aside(parking), _gone_parts(plan, table)
    )


@cache
def park_of_roots(plan: Plan, table: Table, parking: Parking) -> Composed:
    """Set a unique value aside on the rows of roots that are about to go."""
    return SQL("update {} t set {} = {} where {} = any ({})").format(
        qualified(table),
        Identifier(parking.column),
        _aside(parking),
        Identifier("t", table.root_column),
        _root_keys(plan, table),
    )


# -- kept by reference -------------------------------------------------------------------------------------------------


def references_to(plan: Plan, entity: Entity) -> list[tuple[Table, Reference]]:
    """List every column of the plan that refers to an entity or its parts."""
    return [(t, r) for other in plan.moving for t, r in other.references if r.entity == entity.name]


@cache
def referred_from(plan: Plan, table: Table, reference: Reference) -> Composed:
    """Find what the rows of given roots refer to by one column: pairs of root and referred object."""
    root = Identifier("t", table.root_column)
    joins, referred = _to_root(plan, table, reference)
    return SQL("select distinct {}::text, {}::text from {} t {} where {} = any ({}) and {} is not null").format(
        root, referred, qualified(table), joins, root, _root_keys(plan, table), referred
    )


@cache
def referred_to_by_others(plan: Plan, entity: Entity) -> Composed:
    """Find those of given objects to which a row refers that stays and is of none of `among_ENTITY`, by target keys.

    Parts of `changed_ENTITY` that are not among the staged rows are about to go.
    """
    used: list[Composable] = []
    for table, reference in references_to(plan, entity):
        owner = plan.entity_of[table.name]
        root, kind = Identifier("t", table.root_column), type_of(owner.root, owner.key)
        stays: Composable = SQL("true")
        if table.root:
            stays = SQL("not ({} = any ({}::{}[]) and not exists (select from {} s where {}))").format(
                root, Placeholder(f"changed_{owner.name}"), kind, stage(table), _same_key(table, "t", "s")
            )
        used.append(
            SQL("exists (select from {} t {} where {} = k and {} <> all ({}::{}[]) and {})").format(
                qualified(table),
                *_to_root(plan, table, reference),
                root,
                Placeholder(f"among_{owner.name}"),
                kind,
                stays,
            )
        )
    return SQL("select k::text from unnest({}::{}[]) k where {}").format(
        KEYS, type_of(entity.root, entity.key), SQL(" or ").join(used or [SQL("false")])
    )


def _to_root(plan: Plan, table: Table, reference: Reference) -> tuple[Composable, Composable]:
    column = leading(table, "t", reference.column)
    if reference.part is None:
        entity = plan.entity[reference.entity]
        if entity.is_key_exact:
            return SQL(""), column
        key = Identifier("x", entity.key)
        return SQL("join {} x on {} = {}").format(qualified(entity.root), key, column), key
    part = plan.table[reference.target]
    join = SQL("join {} p on {} = {}").format(qualified(part), Identifier("p", part.key[0]), column)
    return join, Identifier("p", part.root_column)


COPY_KEY_MAP = SQL(
    "copy slacktide.key_map (move_no, name, source_key, target_key, hash, outside, batch) from stdin"
).format()


@cache
def empty_stage(table: Table) -> Composed:
    """Empty a staging table in the middle of a transaction."""
    return SQL("delete from {}").format(stage(table))


@cache
def renew_stage(table: Table) -> Composed:
    """Empty a staging table and give its space back."""
    return SQL("truncate {}").format(stage(table))


@cache
def analyze_stage(table: Table) -> Composed:
    """Give a large staging table its statistics: without them large joins become nested loops."""
    return SQL("analyze {}").format(stage(table))
