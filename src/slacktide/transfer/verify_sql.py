"""SQL of the verification that is made from a plan: objects as digests, and what the control totals measure.

It shares nothing with the XML but the question whose an object is. An object's canonical form is made of records. A
record is what `array_send` gives of a text array: UTF-8 fields, each with its length before it, NULL distinct, in plan
order. First comes a head (whether the object is the property's own, how many rows each part has), then the root's
record, then the parts', table by table, sorted by the bytes of their keys. The form's SHA-256 is the digest.

Both sides speak the source's keys and the target's codes: keys are taken back by the key map at the target, codes and
the property are converted at the source. A mandatory code without a mapping and a key that the map does not know are
marked so that they equal nothing.

The placeholders: `property` (that side's own), at the source `target_property` and `codes_LIST`, at the target
`move_no`; `keys` are keys of that side. Every statement gives lines to be copied out, sorted by the source's key.

Keys are looked up one by one, by an index, and never joined: that is what keeps the cost of some changed objects the
same however many there are, whatever the statistics say. `offset 0` keeps the planner from making a join of it.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache

from psycopg.sql import SQL, Composable, Composed, Identifier, Literal, Placeholder

from slacktide.plan.model import Code, Counter, Entity, Plan, Reference, Table, Total, Unknown
from slacktide.transfer.source_sql import KEYS, PROPERTY, leading, leading_column, property_of, qualified, type_of
from slacktide.transfer.verify_type import canonical

_TARGET_PROPERTY = Placeholder("target_property")
_KNOWN = Placeholder("known")
_MOVE = Placeholder("move_no")
_NOTHING = SQL("''")
MARK = "too large at the "
UNKNOWN = "?"  # before what is no object's key at the source: the target's, where the key map knows none
# What stays is not compared; nor is, on the way back, what stood at the target and was never sent (see `returning`).
COMPARED = "(not k.stays and (not %(returning)s or %(seeding)s or k.hash is not null or not k.native or not k.outside))"


class Side(StrEnum):
    """Which of the two databases is read."""

    SOURCE = "source"
    TARGET = "target"


def is_named(key: str) -> bool:
    """Tell whether the key of a difference is an object's at the source; by another one nothing can be read again."""
    return not key.startswith(UNKNOWN)


def _inside(plan: Plan, entity: Entity, alias: str) -> Composed:
    return SQL("coalesce({} = {}, false)").format(property_of(plan, entity, alias), PROPERTY)


def _of_type(placeholder: Placeholder, table: Table, column: str) -> Composed:
    return SQL("{}::{}[]").format(placeholder, type_of(table, column))


def _listed(pieces: list[Composable]) -> Composed:
    return SQL("array_send(array[{}]::text[])").format(SQL(", ").join(pieces))


# -- one field ------------------------------------------------------------------------------------------------------


def _source_key(name: str, target_key: Composable) -> Composed:
    """Write the source's key of a key at the target."""
    return SQL(
        "case when {key} is not null then coalesce((select k.source_key from slacktide.key_map k "
        "where k.move_no = {move} and k.name = {name} and k.target_key = {key}::text offset 0), '?' || {key}) end"
    ).format(key=target_key, move=_MOVE, name=Literal(name))


def _converted(code: Code, value: Composable) -> Composed:
    """Write a code as it has to be at the target; one that is left out is NULL."""
    mapped = SQL("{}::jsonb").format(Placeholder(f"codes_{code.list}"))
    return SQL(
        "case when {value} is null then null when jsonb_exists({mapped}, {value}::text) "
        "then '=' || ({mapped} ->> {value}::text) {otherwise} end"
    ).format(value=value, mapped=mapped, otherwise=SQL("else '!' || {}").format(value) if code.mandatory else SQL(""))


def _standing_for(code: Code, value: Composable) -> Composed:
    """Write a code at the target; on the way back, the one that comes for it."""
    kept = SQL("{}::jsonb").format(Placeholder(f"kept_{code.list}"))
    return SQL("'=' || case when {kept} is null then {value}::text else {kept} ->> {value}::text end").format(
        kept=kept, value=value
    )


def _source_key_if_brought(name: str, target_key: Composable) -> Composed:
    """Write the source's key; on the way back NULL where the forward move left the reference null."""
    return SQL(
        "case when not %(returning)s or exists (select from slacktide.key_map k where k.move_no = {move} "
        "and k.name = {name} and k.target_key = {key}::text and not k.outside offset 0) then {known} end"
    ).format(move=_MOVE, name=Literal(name), key=target_key, known=_source_key(name, target_key))


def _if_inside(plan: Plan, table: Table, reference: Reference) -> Composed:
    """Write a reference that is left null where its object is not the property's.

    A part's root is looked up, not joined: what reads everything does without nested loops, and would hash all roots
    for each row.
    """
    entity = plan.entity[reference.entity]
    value, inside = Identifier("t", reference.column), _inside(plan, entity, "x")
    key = leading(table, "t", reference.column)
    if reference.part is None:
        held = SQL("(select {} from {} x where {} = {} and {})").format(
            value, qualified(entity.root), Identifier("x", entity.key), key, inside
        )
    else:
        part = plan.table[reference.target]
        held = SQL("(select {} from {} p where {} = {} and (select {} from {} x where {} = {}))").format(
            value, qualified(part), Identifier("p", part.key[0]), key,
            inside, qualified(entity.root), Identifier("x", entity.key), leading(part, "p", part.root_column),
        )  # fmt: skip
    return canonical(held, type_name=table.by_name[reference.column].type)


def _field(plan: Plan, table: Table, column: str, side: Side) -> Composed:
    value = Identifier("t", column)
    code = next((code for code in table.codes if code.column == column), None)
    reference = table.reference_of.get(column)
    if code is not None:
        return _converted(code, value) if side is Side.SOURCE else _standing_for(code, value)
    if column == table.property_column:
        own = SQL("{}::text").format(value)
        moved = SQL("case when {v} = {p} then {to} else {v}::text end").format(
            v=value, p=PROPERTY, to=SQL("{}::text").format(_TARGET_PROPERTY)
        )
        return moved if side is Side.SOURCE else own
    if side is Side.TARGET and table.drawn and column == table.key[0]:
        return _source_key(table.name, value)
    if side is Side.TARGET and reference is not None and plan.table[reference.target].drawn:
        brought = reference.unknown is Unknown.LEAVE_NULL
        return (_source_key_if_brought if brought else _source_key)(reference.target, value)
    if side is Side.SOURCE and reference is not None and reference.unknown is Unknown.LEAVE_NULL:
        return _if_inside(plan, table, reference)
    return canonical(value, type_name=table.by_name[column].type)


def _left_out(table: Table, side: Side) -> Composable:
    """Write the optional codes of a row that are left out for want of a mapping, a line each."""
    pieces = [
        SQL(
            "case when {value} is not null and not jsonb_exists({mapped}::jsonb, {value}::text) "
            "then {list} || {value} || chr(10) end"
        ).format(
            value=Identifier("t", code.column), mapped=Placeholder(f"codes_{code.list}"), list=Literal(f"{code.list}="),
        )
        for code in table.codes
        if not code.mandatory and side is Side.SOURCE
    ]  # fmt: skip
    return SQL("concat({})").format(SQL(", ").join(pieces)) if pieces else _NOTHING


# -- one object -----------------------------------------------------------------------------------------------------


def _roots(plan: Plan, entity: Entity, side: Side, *, whole: bool) -> Composed:
    """Write which roots are meant, as a condition on the key `r`'s row, by that side's keys."""
    if not whole:
        return SQL("= any ({})").format(_of_type(KEYS, entity.root, entity.key))
    if side is Side.TARGET:
        return SQL(
            "in (select k.target_key::{} from slacktide.key_map k where k.move_no = {} and k.name = {} and {})"
        ).format(type_of(entity.root, entity.key), _MOVE, Literal(entity.name), SQL(COMPARED))
    return SQL("in (select {column} from {table} r where {inside} or {key} = any ({known}))").format(
        column=leading_column(entity.root, "r", entity.key),
        key=Identifier("r", entity.key), table=qualified(entity.root), inside=_inside(plan, entity, "r"),
        known=_of_type(_KNOWN, entity.root, entity.key),
    )  # fmt: skip


def _part(plan: Plan, entity: Entity, part: Table, side: Side, *, whole: bool, content: bool) -> Composed:
    """Write the rows of one part, gathered by root; without their content they are counted only."""
    root = part.root_column
    keys: list[Composable] = [_field(plan, part, column, side) for column in part.key if column != root]
    rest: list[Composable] = [
        _field(plan, part, column.name, side)
        for column in part.columns
        if column.name != root and column.name not in part.key
    ]
    if not content:
        keys, rest = [], []
    return SQL(
        "left join (select x.root, count(*) as rows, string_agg(x.key || x.rest, ''::bytea order by x.key) as form, "
        "string_agg(x.left_out, '') as left_out "
        "from (select {root} as root, {keys} as key, {rest} as rest, {left_out} as left_out "
        "from {table} t where {root} {roots} offset 0) x group by x.root) {alias} on {alias}.root = {own}"
    ).format(
        root=Identifier("t", root), keys=_listed(keys), rest=_listed(rest), left_out=_left_out(part, side),
        table=qualified(part), roots=_roots(plan, entity, side, whole=whole), alias=Identifier(f"part_{part.element}"),
        own=leading(entity.root, "t", entity.key),
    )  # fmt: skip


def _mapped(entity: Entity, *, whole: bool) -> Composed:
    """Write the key map's rows that are meant.

    Some are looked up one by one: what comes of it is estimated by how many were asked for. Of a map that has filled
    since it was analyzed the planner expects one row, and would gather the parts of all anew for each object: seen.
    """
    rows = SQL("(select * from slacktide.key_map k where k.move_no = {} and k.name = {} and {} {} offset 0)")
    facts = (_MOVE, Literal(entity.name), SQL(COMPARED))
    if whole:
        return rows.format(*facts, SQL(""))
    one = rows.format(*facts, SQL("and k.target_key = asked.key"))
    return SQL("(select f.* from unnest({}::text[]) asked (key) cross join lateral {} f offset 0)").format(KEYS, one)


def _from(plan: Plan, entity: Entity, side: Side, *, whole: bool) -> tuple[Composed, Composed, Composed]:
    """Write the source's key, whether the object is the property's own, and from where its root comes."""
    key = Identifier("t", entity.key)
    if side is Side.TARGET:
        return (
            SQL("k.source_key").format(),
            SQL("not k.outside").format(),
            SQL("{} k left join {} t on {} = k.target_key::{}").format(
                _mapped(entity, whole=whole), qualified(entity.root), key, type_of(entity.root, entity.key)
            ),
        )
    return (
        SQL("{}::text").format(key),
        _inside(plan, entity, "t"),
        SQL("(select * from {} t where {} {} offset 0) t").format(
            qualified(entity.root), key, _roots(plan, entity, side, whole=whole)
        ),
    )


@cache
def digests(plan: Plan, entity: Entity, side: Side, *, whole: bool, content: bool = True) -> Composed:
    """Give objects: source key, whether the property's own, rows by table, digest (NULL: no root), codes left out.

    Without `content` the digest is a mark of the side, which equals no digest.
    """
    key, own, source = _from(plan, entity, side, whole=whole)
    fields: list[Composable] = [
        _field(plan, entity.root, c.name, side) for c in entity.root.columns if content and c.name != entity.key
    ]
    aliases = [Identifier(f"part_{part.element}") for part in entity.parts]
    counts = SQL(", ").join(
        [SQL("({} is not null)::int").format(Identifier("t", entity.key))]
        + [SQL("coalesce({}.rows, 0)::int").format(alias) for alias in aliases]
    )
    form = SQL(" || ").join([SQL("o.root"), *(SQL("coalesce(o.{}, ''::bytea)").format(alias) for alias in aliases)])
    digest = SQL("encode(sha256(array_send(array[o.key, o.own::text, o.counts::text]::text[]) || {}), 'hex')")
    return SQL(
        "select o.key, o.own, o.counts, case when o.counts[1] = 1 then {digest} end, o.left_out "
        "from (select {key} as key, {own} as own, array[{counts}] as counts, {fields} as root, {parts} "
        '{left_out} as left_out '
        'from {source} {joins}) o order by o.key collate "C"'
    ).format(
        digest=digest.format(form) if content else Literal(MARK + side), key=key, own=own, counts=counts,
        fields=_listed(fields), source=source,
        parts=SQL("").join(SQL("{alias}.form as {alias}, ").format(alias=alias) for alias in aliases),
        left_out=SQL(" || ").join(
            [_left_out(entity.root, side), *(SQL("coalesce({}.left_out, '')").format(alias) for alias in aliases)]
        ),
        joins=SQL(" ").join(_part(plan, entity, part, side, whole=whole, content=content) for part in entity.parts),
    )  # fmt: skip


@cache
def contents(plan: Plan, entity: Entity, table: Table, side: Side) -> Composed:
    """Give the rows of one table of given objects, each an array of its fields; a root's key is left alone."""
    root = table.root_column
    return SQL("select array[{}]::text[] from {} t where {} = any ({})").format(
        SQL(", ").join(
            SQL("{}::text").format(Identifier("t", c.name)) if c.name == root else _field(plan, table, c.name, side)
            for c in table.columns
        ),
        qualified(table), Identifier("t", root), _of_type(KEYS, entity.root, entity.key),
    )  # fmt: skip


# -- what the key map and the target's tables do not share ------------------------------------------------------------


@cache
def loose(plan: Plan, entity: Entity) -> Composed | None:
    """Give the target's objects of the property that the key map does not know, by their own keys."""
    if entity.shared:
        return None
    return SQL(
        "select {key}::text from {table} r where {inside} and not exists (select 1 from slacktide.key_map k "
        "where k.move_no = {move} and k.name = {name} and k.target_key = {key}::text) order by 1"
    ).format(
        key=Identifier("r", entity.key), table=qualified(entity.root), inside=_inside(plan, entity, "r"),
        move=_MOVE, name=Literal(entity.name),
    )  # fmt: skip


@cache
def empty(table: Table) -> Composed:
    """Give the key map's rows of a part that the target does not have."""
    return SQL(
        "select k.source_key from slacktide.key_map k where k.move_no = {move} and k.name = {name} "
        "and not (k.native and k.outside) and not exists "
        "(select 1 from {table} t where {key} = k.target_key::{kind}) order by 1"
    ).format(
        move=_MOVE, name=Literal(table.name), table=qualified(table), key=Identifier("t", table.key[0]),
        kind=type_of(table, table.key[0]),
    )  # fmt: skip


# -- measures ---------------------------------------------------------------------------------------------------------


def _measured(plan: Plan, total: Total, side: Side, *, whole: bool) -> Composed:
    """Write a total's rows, added up by object and label; others' objects at the target are left out."""
    entity = plan.entity[total.entity]
    some = SQL("") if whole else SQL("where x.key = any ({})").format(_of_type(KEYS, entity.root, entity.key))
    rows = SQL(
        "select x.key::text as key, coalesce(x.label::text, '') as label, sum(x.value::numeric) as value "
        "from ({}) x {} group by 1, 2"
    ).format(SQL(total.sql), some)
    if side is Side.SOURCE:
        return rows
    return SQL(
        "select coalesce(k.source_key, '?' || m.key) as key, m.label, m.value from ({rows}) m left join lateral "
        "(select k.source_key, k.outside, k.stays from slacktide.key_map k where k.move_no = {move} "
        "and k.name = {name} and k.target_key = m.key offset 0) k on true "
        "where ({shared} or k.outside is not true) and k.stays is not true"
    ).format(rows=rows, move=_MOVE, name=Literal(entity.name), shared=Literal(entity.shared))


@cache
def measures(plan: Plan, total: Total, side: Side, *, whole: bool) -> Composed:
    """Give what a total measures: source key, label, value without trailing zeros; zero is left out."""
    return SQL(
        "select coalesce(m.key, ''), m.label, trim_scale(m.value) from ({}) m where m.value <> 0 "
        'order by coalesce(m.key, \'\') collate "C", m.label collate "C"'
    ).format(_measured(plan, total, side, whole=whole))


@cache
def totals(plan: Plan, total: Total, side: Side) -> Composed:
    """Give a total by label; zero is left out."""
    return SQL(
        "select m.label, trim_scale(sum(m.value)) from ({}) m group by 1 having sum(m.value) <> 0 order by 1"
    ).format(_measured(plan, total, side, whole=True))


# -- others -----------------------------------------------------------------------------------------------------------


@cache
def counter(of: Counter, *, lock: bool) -> Composed:
    """Give the numbers of one property's ranges."""
    return SQL("select {key}::text, {value} from {table} where {column} = {property} order by 1 {lock}").format(
        key=Identifier(of.key), value=Identifier(of.value), table=Identifier(of.schema, of.table),
        column=Identifier(of.property_column), property=PROPERTY, lock=SQL("for update" if lock else ""),
    )  # fmt: skip


@cache
def raise_counter(of: Counter) -> Composed:
    """Raise one number of the target."""
    return SQL(
        "update {table} set {value} = {to} where {column} = {property} and {key}::text = {of_key} "
        "and ({value} is null or {value} < {to})"
    ).format(
        key=Identifier(of.key), value=Identifier(of.value), table=Identifier(of.schema, of.table),
        column=Identifier(of.property_column), property=PROPERTY, to=Placeholder("value"), of_key=Placeholder("key"),
    )  # fmt: skip
