"""SQL over the source that is made from a plan: whose an object is, and what refers to what.

A reference is followed to an object that is not the property's only where the plan says `pull in`: such an object comes
along. Where it says `refuse`, what is shared still comes along, for it is never somebody else's.

Every statement takes `keys` as text and gives keys as text; `property` is the property that moves. Tables are aliased
`r` (root) and `t` (the table at hand).
"""

from __future__ import annotations

from functools import cache

from psycopg.sql import SQL, Composable, Composed, Identifier, Literal, Placeholder

from slacktide.plan import column_type
from slacktide.plan.model import Entity, Plan, Reference, Table, Unknown

_BYTES_OF_ONE = 8192
KEYS = Placeholder("keys")
PROPERTY = Placeholder("property")


def qualified(table: Table) -> Identifier:
    """Write a table's name with its schema."""
    return Identifier(table.schema, table.table)


def type_of(table: Table, column: str) -> SQL:
    """Write a column's type; a plan's types were checked against the catalog."""
    return SQL(table.by_name[column].type)


def leading(table: Table, alias: str, column: str) -> Composable:
    """Write a value that is looked for in a key, or leads to it, so that what it is compared with says the collation.

    Of two columns that each say one of their own PostgreSQL compares no texts; as the result of a query of its own,
    with the database's collation, a value gives way. So it can be the one that is at hand, and the other one's index
    is used. A foreign key compares in the collation of the key as well.
    """
    value = Identifier(alias, column)
    return SQL('(select {} collate "default")').format(value) if _is_text(table, column) else value


def leading_column(table: Table, alias: str, column: str) -> Composable:
    """Write such a value as the column of a query, where several are united or looked through."""
    value = Identifier(alias, column)
    return SQL('{} collate "default"').format(value) if _is_text(table, column) else value


def _is_text(table: Table, column: str) -> bool:
    return column_type.is_text(table.by_name[column].type)


def keys_of(entity: Entity) -> Composed:
    """Write the given keys with the type of the entity's key."""
    return SQL("{}::{}[]").format(KEYS, type_of(entity.root, entity.key))


def property_of(plan: Plan, entity: Entity, alias: str) -> Composable:
    """Write the property that the object whose root row is `alias` belongs to; NULL where it is shared."""
    if entity.root.property_column is not None:
        return Identifier(alias, entity.root.property_column)
    if entity.via is None:
        return SQL("null::text")
    owner = plan.entity[entity.root.reference_of[entity.via].entity]
    inner = f"{alias}_{owner.name}"
    return SQL("(select {} from {} {} where {} = {})").format(
        property_of(plan, owner, inner),
        qualified(owner.root),
        Identifier(inner),
        Identifier(inner, owner.key),
        leading(entity.root, alias, entity.via),
    )


def inside(plan: Plan, entity: Entity, alias: str) -> Composed:
    """Write that the object whose root row is `alias` belongs to the property."""
    return SQL("coalesce({} = {}, false)").format(property_of(plan, entity, alias), PROPERTY)


def _order(entity: Entity) -> Composed:
    """Write the order in which the target, too, looks for keys that are absent: a type's own may be another one."""
    column = Identifier("r", entity.key)
    kind = entity.root.by_name[entity.key].type
    if column_type.is_whole(kind):
        return SQL("{}").format(column)
    return SQL('{} collate "C"').format(column if kind == "text" else SQL("{}::text").format(column))


def _kept(plan: Plan, entity: Entity) -> Composable:
    """Write that a filter of the plan does not leave the object behind."""
    conditions = [
        SQL(" and {} >= {}::{}").format(
            Identifier("r", one.column), Literal((one.value or "").replace("%", "%%")), type_of(entity.root, one.column)
        )
        for one in plan.filter_of.get(entity.name, ())
    ]
    return SQL("").join(conditions)


def _weight(entity: Entity) -> Composable:
    """Write for how many objects one counts: one with large binary values for more, so that a range stays small."""
    large = [Identifier("r", c.name) for c in entity.root.columns if c.type == "bytea"]
    lengths = [SQL(" + coalesce(octet_length({}), 0) / {}").format(c, Literal(_BYTES_OF_ONE)) for c in large]
    return SQL("1") + SQL("").join(lengths)


@cache
def range_ends(plan: Plan, entity: Entity) -> Composed:
    """Select the ends of key ranges that count for about `size` objects each, in order, with how many are in each."""
    return SQL(
        "select (array_agg(key order by o desc))[1], count(*) from ("
        "select {key}::text as key, {order} as o, (sum({weight}) over (order by {order}) - {weight}) / %(size)s as n "
        "from {table} r where {inside}{kept}) x group by n order by n"
    ).format(
        key=Identifier("r", entity.key),
        order=_order(entity),
        weight=_weight(entity),
        table=qualified(entity.root),
        inside=inside(plan, entity, "r"),
        kept=_kept(plan, entity),
    )


@cache
def left_behind(plan: Plan, entity: Entity) -> Composed:
    """Count the objects of the property that the plan's filters leave behind."""
    return SQL("select count(*) from {} r where {} and not (true{})").format(
        qualified(entity.root), inside(plan, entity, "r"), _kept(plan, entity)
    )


@cache
def range_keys(plan: Plan, entity: Entity) -> Composed:
    """Select the keys of the property behind `after` up to `upto`; NULL is open."""
    whole = column_type.is_whole(entity.root.by_name[entity.key].type)
    kind = type_of(entity.root, entity.key) if whole else SQL("text")
    return SQL(
        "select {key}::text from {table} r where {inside}{kept} "
        "and (%(after)s::text is null or {order} > %(after)s::{kind}) "
        "and (%(upto)s::text is null or {order} <= %(upto)s::{kind})"
    ).format(
        key=Identifier("r", entity.key),
        table=qualified(entity.root),
        inside=inside(plan, entity, "r"),
        kept=_kept(plan, entity),
        order=_order(entity),
        kind=kind,
    )


@cache
def standing(plan: Plan, entity: Entity) -> Composed:
    """Tell of given keys: whether the object is there, and whether it belongs to the property.

    One that is equal to a key and not the same is another object, and is told as well (see `spelling`).
    """
    return SQL(
        "select k::text, {key} is not null, {inside} from unnest({keys}) k left join {table} r on {key} = k"
        if entity.is_key_exact
        else "select s.key, s.there, s.there and {inside} from unnest({keys}) k left join {table} r on {key} = k, "
        'lateral (select k::text, coalesce({key}::text collate "C" = k::text, false) '
        'union all select {key}::text, true where {key}::text collate "C" <> k::text) s (key, there)'
    ).format(
        inside=inside(plan, entity, "r"),
        keys=keys_of(entity),
        table=qualified(entity.root),
        key=Identifier("r", entity.key),
    )


@cache
def dependents(entity: Entity) -> Composed:
    """Select the objects that belong to the property through given ones."""
    assert entity.via is not None  # noqa: S101 -- asked for entities with `via` only
    return SQL("select {}::text from {} r where {} = any ({}::{}[])").format(
        Identifier("r", entity.key),
        qualified(entity.root),
        Identifier("r", entity.via),
        KEYS,
        type_of(entity.root, entity.via),
    )


def referred(plan: Plan, table: Table, reference: Reference) -> tuple[Entity, Composed]:
    """Give the entity that a table refers to, and the joins from `t` to its root `x`."""
    entity = plan.entity[reference.entity]
    column = leading(table, "t", reference.column)
    if reference.part is None:
        return entity, SQL("join {} x on {} = {}").format(qualified(entity.root), Identifier("x", entity.key), column)
    part = plan.table[reference.target]
    return entity, SQL("join {} p on {} = {} join {} x on {} = {}").format(
        qualified(part), Identifier("p", part.key[0]), column,
        qualified(entity.root), Identifier("x", entity.key), leading(part, "p", part.root_column),
    )  # fmt: skip


def refuses(plan: Plan, reference: Reference) -> bool:
    """Tell whether what refers to others' objects fails; what is shared is never somebody else's."""
    return reference.unknown is Unknown.REFUSE and not plan.entity[reference.entity].shared


def stays_inside(plan: Plan, reference: Reference) -> bool:
    """Tell whether a reference brings, and keeps, nothing that is not the property's."""
    return reference.unknown is Unknown.LEAVE_NULL or refuses(plan, reference)


@cache
def referred_to(plan: Plan, entity: Entity) -> Composed | None:
    """Select what given objects and their parts refer to: entity, key, whether it belongs to the property.

    With `all` false, objects of the property are left out: they are known to the target. What is refused is never told.
    """
    pieces = []
    for table, reference in entity.references:
        if reference.unknown is Unknown.LEAVE_NULL:
            continue
        other, joins = referred(plan, table, reference)
        whose = inside(plan, other, "x")
        wanted = SQL("%(all)s and {}" if refuses(plan, reference) else "%(all)s or not {}").format(whose)
        pieces.append(
            SQL('select {}, {}::text collate "C", {} from {} t {} where {} = any ({}) and ({})').format(
                Literal(other.name),
                Identifier("x", other.key),
                whose,
                qualified(table),
                joins,
                Identifier("t", table.root_column),
                keys_of(entity),
                wanted,
            )
        )
    return SQL(" union ").join(pieces) if pieces else None


@cache
def referrers(plan: Plan, entity: Entity) -> Composed | None:
    """Tell of given objects: those that something of the property refers to, and who else refers to them.

    Rows: key, entity and key of the referrer; both NULL where it is one of the property's own.
    """
    pieces = []
    for other in plan.moving:
        for table, reference in other.references:
            if reference.entity == entity.name and not stays_inside(plan, reference):
                pieces.append(_referrers_by(plan, entity, other, table, reference))
    return SQL(" union ").join(pieces) if pieces else None


def _referrers_by(plan: Plan, entity: Entity, other: Entity, table: Table, reference: Reference) -> Composed:
    column = Identifier("t", reference.column)
    if reference.part is None:
        source, key = SQL("{} t").format(qualified(table)), column
    else:
        part = plan.table[reference.target]
        source = SQL("{} p join {} t on {} = {}").format(
            qualified(part), qualified(table), column, leading(part, "p", part.key[0])
        )
        key = Identifier("p", part.root_column)
    whose = inside(plan, other, "r")
    return SQL(
        'select distinct k::text collate "C", case when {inside} then null else {name}::text end, '
        'case when {inside} then null else {other_key}::text collate "C" end '
        "from unnest({keys}) k join ({source} join {root} r on {other_key} = {root_column}) on {key} = k"
    ).format(
        key=key, inside=whose, name=Literal(other.name), other_key=Identifier("r", other.key), source=source,
        root=qualified(other.root), root_column=leading(table, "t", table.root_column), keys=keys_of(entity),
    )  # fmt: skip


@cache
def referring_by(plan: Plan, table: Table, reference: Reference) -> Composed:
    """Select the objects of which a reference leads to one of the given objects."""
    column, entity = Identifier("t", reference.column), plan.entity[reference.entity]
    keys = keys_of(entity)
    root = Identifier("t", table.root_column)
    if reference.part is None:
        return SQL('select distinct {}::text collate "C" from {} t where {} = any ({})').format(
            root, qualified(table), column, keys
        )
    part = plan.table[reference.target]
    return SQL('select distinct {}::text collate "C" from {} p join {} t on {} = {} where {} = any ({})').format(
        root, qualified(part), qualified(table), column, leading(part, "p", part.key[0]),
        Identifier("p", part.root_column), keys,
    )  # fmt: skip
