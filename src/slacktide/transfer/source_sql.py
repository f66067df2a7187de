"""SQL over the source that is made from a plan: whose an object is, what refers to what, and objects as XML.

Every statement takes `keys` as text and gives keys as text; `property` is the property that moves. Tables are aliased
`r` (root) and `t` (the table at hand).
"""

from __future__ import annotations

from functools import cache

from psycopg.sql import SQL, Composable, Composed, Identifier, Literal, Placeholder

from slacktide.plan import column_type
from slacktide.plan.model import Entity, Plan, Reference, Table, Unknown

# Types whose text form holds nothing that XML or COPY would alter.
_PLAIN_TYPES = (
    "smallint", "integer", "bigint", "numeric", "real", "double precision", "boolean", "date", "timestamp", "time",
    "uuid", "interval", "oid",
)  # fmt: skip
_NEEDS_ESCAPE = r'[\\&<>"[:cntrl:]\uFFFE\uFFFF]'
_BYTES_OF_ONE = 8192
KEYS = Placeholder("keys")
PROPERTY = Placeholder("property")


def is_plain(type_name: str) -> bool:
    """Tell whether values of this type can stand in a message as they are."""
    base = type_name.partition("(")[0].strip()
    return not type_name.endswith("[]") and any(base == t or base.startswith(f"{t} with") for t in _PLAIN_TYPES)


def qualified(table: Table) -> Identifier:
    """Write a table's name with its schema."""
    return Identifier(table.schema, table.table)


def type_of(table: Table, column: str) -> SQL:
    """Write a column's type; a plan's types were checked against the catalog."""
    return SQL(table.by_name[column].type)


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
        Identifier(alias, entity.via),
    )


def _inside(plan: Plan, entity: Entity, alias: str) -> Composed:
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
        inside=_inside(plan, entity, "r"),
        kept=_kept(plan, entity),
    )


@cache
def left_behind(plan: Plan, entity: Entity) -> Composed:
    """Count the objects of the property that the plan's filters leave behind."""
    return SQL("select count(*) from {} r where {} and not (true{})").format(
        qualified(entity.root), _inside(plan, entity, "r"), _kept(plan, entity)
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
        inside=_inside(plan, entity, "r"),
        kept=_kept(plan, entity),
        order=_order(entity),
        kind=kind,
    )


@cache
def standing(plan: Plan, entity: Entity) -> Composed:
    """Tell of given keys: whether the object is there, and whether it belongs to the property."""
    return SQL(
        "select k::text, {key} is not null, {inside} from unnest({keys}) k left join {table} r on {key} = k"
    ).format(
        inside=_inside(plan, entity, "r"),
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


def _root_column(table: Table) -> str:
    return table.root or table.key[0]


def _referred(plan: Plan, reference: Reference) -> tuple[Entity, Composed]:
    """Give the entity that is referred to, and the joins from `t` to its root `x`."""
    entity = plan.entity[reference.entity]
    column = Identifier("t", reference.column)
    if reference.part is None:
        return entity, SQL("join {} x on {} = {}").format(qualified(entity.root), Identifier("x", entity.key), column)
    part = plan.table[reference.target]
    return entity, SQL("join {} p on {} = {} join {} x on {} = {}").format(
        qualified(part), Identifier("p", part.key[0]), column,
        qualified(entity.root), Identifier("x", entity.key), Identifier("p", _root_column(part)),
    )  # fmt: skip


@cache
def referred_to(plan: Plan, entity: Entity) -> Composed | None:
    """Select what given objects and their parts refer to: entity, key, whether it belongs to the property.

    With `all` false, objects of the property are left out: they are known to the target.
    """
    pieces = []
    for table, reference in entity.references:
        if reference.unknown is Unknown.LEAVE_NULL:
            continue
        other, joins = _referred(plan, reference)
        whose = _inside(plan, other, "x")
        pieces.append(
            SQL('select {}, {}::text collate "C", {} from {} t {} where {} = any ({}) and (%(all)s or not {})').format(
                Literal(other.name),
                Identifier("x", other.key),
                whose,
                qualified(table),
                joins,
                Identifier("t", _root_column(table)),
                keys_of(entity),
                whose,
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
            if reference.entity == entity.name and reference.unknown is not Unknown.LEAVE_NULL:
                pieces.append(_referrers_by(plan, entity, other, table, reference))
    return SQL(" union ").join(pieces) if pieces else None


def _referrers_by(plan: Plan, entity: Entity, other: Entity, table: Table, reference: Reference) -> Composed:
    column = Identifier("t", reference.column)
    if reference.part is None:
        source, key = SQL("{} t").format(qualified(table)), column
    else:
        part = plan.table[reference.target]
        source = SQL("{} p join {} t on {} = {}").format(
            qualified(part), qualified(table), column, Identifier("p", part.key[0])
        )
        key = Identifier("p", _root_column(part))
    inside = _inside(plan, other, "r")
    return SQL(
        'select distinct {key}::text collate "C", case when {inside} then null else {name}::text end, '
        'case when {inside} then null else {other_key}::text collate "C" end '
        "from {source} join {root} r on {other_key} = {root_column} where {key} = any ({keys})"
    ).format(
        key=key, inside=inside, name=Literal(other.name), other_key=Identifier("r", other.key), source=source,
        root=qualified(other.root), root_column=Identifier("t", _root_column(table)), keys=keys_of(entity),
    )  # fmt: skip


@cache
def left_null(plan: Plan, table: Table, reference: Reference) -> Composed:
    """Select the objects of which a reference that may be left null leads to one of the given objects."""
    column, entity = Identifier("t", reference.column), plan.entity[reference.entity]
    keys = keys_of(entity)
    root = Identifier("t", table.root or table.key[0])
    if reference.part is None:
        return SQL('select distinct {}::text collate "C" from {} t where {} = any ({})').format(
            root, qualified(table), column, keys
        )
    part = plan.table[reference.target]
    return SQL('select distinct {}::text collate "C" from {} p join {} t on {} = {} where {} = any ({})').format(
        root, qualified(part), qualified(table), column, Identifier("p", part.key[0]),
        Identifier("p", part.root or part.key[0]), keys,
    )  # fmt: skip


# -- objects as XML -------------------------------------------------------------------------------------------------


def _converted(table: Table, column: str) -> Composable | None:
    for code in table.codes:
        if code.column == column:
            return SQL("({}::jsonb ->> {})").format(Placeholder(f"codes_{code.list}"), Identifier("t", column))
    return None


def _value(plan: Plan, table: Table, column: str) -> tuple[Composable, bool]:
    """Write a column's value as text, and tell whether it may need escaping."""
    converted = _converted(table, column)
    if converted is not None:
        return converted, True
    value: Composable = Identifier("t", column)
    reference = table.reference_of.get(column)
    if reference is not None and reference.unknown is Unknown.LEAVE_NULL:
        other, joins = _referred(plan, reference)
        value = SQL("(select {value} from (select 1) one {joins} where {inside})").format(
            value=value, joins=joins, inside=_inside(plan, other, "x")
        )
    return SQL("{}::text").format(value), not is_plain(table.by_name[column].type)


def _attributes(plan: Plan, table: Table) -> Composed:
    """Write a row's attributes: plainly, or, where any text of the row needs it, escaped."""
    plain: list[Composable] = []
    escaped: list[Composable] = []
    texts: list[Composable] = []
    for column in table.columns:
        value, may_need = _value(plan, table, column.name)
        name = Literal(f' {column.name}="')
        null = SQL("coalesce({}, '\\N')")
        plain += [name, null.format(value), Literal('"')]
        escaped += [
            name,
            null.format(SQL("slacktide.escape({})").format(value) if may_need else value),
            Literal('"'),
        ]
        if may_need:
            texts.append(value)
    plainly = SQL('concat({}) collate "C"').format(SQL(", ").join(_joined(plain)))
    if not texts:
        return plainly
    return SQL('case when concat({}) collate "C" ~ {} then concat({}) else {} end').format(
        SQL(", ").join(texts), Literal(_NEEDS_ESCAPE), SQL(", ").join(_joined(escaped)), plainly
    )


def _joined(pieces: list[Composable]) -> list[Composable]:
    """Join literals that stand side by side."""
    joined: list[Composable] = []
    for piece in pieces:
        last = joined[-1] if joined else None
        if isinstance(piece, Literal) and isinstance(last, Literal):
            joined[-1] = Literal(str(last._obj) + str(piece._obj))  # noqa: SLF001 -- a literal has no other way to its value
        else:
            joined.append(piece)
    return joined


def _unmapped(table: Table) -> Composable:
    """Write the codes of a row that have no mapping, each ";column=code", a mandatory one with "!" before it."""
    pieces = [
        SQL(
            "case when {column} is not null and not jsonb_exists({codes}::jsonb, {column}) then {text} || {column} end"
        ).format(
            column=Identifier("t", code.column),
            codes=Placeholder(f"codes_{code.list}"),
            text=Literal(f";{'!' if code.mandatory else ''}{code.list}="),
        )
        for code in table.codes
    ]
    return SQL('concat({}) collate "C"').format(SQL(", ").join(pieces)) if pieces else SQL("''")


def _part(plan: Plan, entity: Entity, part: Table) -> Composed:
    """Write one kind of part, gathered by root."""
    order = SQL(", ").join(Identifier("t", column) for column in part.key)
    return SQL(
        "left join (select {root} as root, "
        "string_agg('<{element}' || {attributes} || '/>', '' order by {order}) as xml, "
        "coalesce(string_agg({unmapped}, ''), '') as unmapped from {table} t where {root} = any ({keys}) "
        "group by 1) {alias} "
        "on {alias}.root = t.{key}"
    ).format(
        root=Identifier("t", _root_column(part)),
        element=SQL(part.element),
        attributes=_attributes(plan, part),
        order=order,
        unmapped=_unmapped(part),
        table=qualified(part),
        keys=keys_of(entity),
        alias=Identifier(f"part_{part.element}"),
        key=Identifier(entity.key),
    )


@cache
def objects(plan: Plan, entity: Entity) -> Composed:
    """Select given objects as XML: the text, how many are in it, and those left out with their unmapped codes.

    The content hash covers the object's own attributes and its parts, as they stand in the message.
    """
    aliases = [Identifier(f"part_{part.element}") for part in entity.parts]
    parts = SQL(" || ").join([SQL("coalesce({}.xml, '')").format(a) for a in aliases] or [SQL("''").format()])
    unmapped = SQL(" || ").join(
        [_unmapped(entity.root), *(SQL("coalesce({}.unmapped, '')").format(a) for a in aliases)]
    )
    return SQL(
        """
        select string_agg('<{element} h="' || md5(attributes || parts || inside::text) || '"'
                || case when inside then '' else ' outside="true"' end
                || case when unmapped = '' then ''
                        else ' unmapped="' || slacktide.escape(substr(unmapped, 2)) || '"' end
                || attributes || case when parts = '' then '/>' else '>' || parts || '</{element}>' end, E'\\n'
                order by key) filter (where not failed),
            count(*) filter (where not failed),
            array_agg(key::text) filter (where failed),
            array_agg(substr(unmapped, 2)) filter (where failed),
            array_agg(key::text) filter (where not inside)
        from (select {key} as key, {inside} as inside, {attributes} as attributes, {parts} as parts,
                {unmapped} as unmapped
            from {root} t {joins} where {key} = any ({keys}) offset 0) o,
            lateral (select strpos(unmapped, ';!') > 0) f (failed)
        """
    ).format(
        element=SQL(entity.root.element),
        key=Identifier("t", entity.key),
        inside=_inside(plan, entity, "t"),
        attributes=_attributes(plan, entity.root),
        parts=parts,
        unmapped=unmapped,
        root=qualified(entity.root),
        joins=SQL(" ").join(_part(plan, entity, part) for part in entity.parts),
        keys=keys_of(entity),
    )
