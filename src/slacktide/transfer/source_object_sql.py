"""SQL over the source that is made from a plan: objects as XML, and why one cannot be written.

An object fails where a mandatory code has no mapping, and where a reference that the plan says `refuse` of leads to an
object that is not the property's. Both are seen as its rows are read, at the batch's instant; nothing else decides it.
"""

from __future__ import annotations

from functools import cache

from psycopg.sql import SQL, Composable, Composed, Identifier, Literal, Placeholder

from slacktide.plan.model import Entity, Plan, Table, Unknown
from slacktide.transfer.source_sql import inside, keys_of, leading, qualified, referred, refuses

# Types whose text form holds nothing that XML or COPY would alter.
_PLAIN_TYPES = (
    "smallint", "integer", "bigint", "numeric", "real", "double precision", "boolean", "date", "timestamp", "time",
    "uuid", "interval", "oid",
)  # fmt: skip
_NEEDS_ESCAPE = r'[\\&<>"[:cntrl:]\uFFFE\uFFFF]'


def is_plain(type_name: str) -> bool:
    """Tell whether values of this type can stand in a message as they are."""
    base = type_name.partition("(")[0].strip()
    return not type_name.endswith("[]") and any(base == t or base.startswith(f"{t} with") for t in _PLAIN_TYPES)


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
        other, joins = referred(plan, table, reference)
        value = SQL("(select {value} from (select 1) one {joins} where {inside})").format(
            value=value, joins=joins, inside=inside(plan, other, "x")
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


def _refused(plan: Plan, table: Table) -> Composable:
    """Write the references of a row that lead to what is not the property's and are refused, each a line."""
    pieces: list[Composable] = []
    for reference in table.references:
        if reference.column != table.root and refuses(plan, reference):
            other, joins = referred(plan, table, reference)
            field = reference.column if table.root is None else f"{table.element}.{reference.column}"
            pieces.append(
                SQL("(select {text} || {value} || chr(10) from (select 1) one {joins} where not {inside})").format(
                    text=Literal(f"{field} refers to {reference.target} "),
                    value=SQL("quote_literal({}::text)").format(Identifier("t", reference.column)),
                    joins=joins,
                    inside=inside(plan, other, "x"),
                )
            )
    return SQL('concat({}) collate "C"').format(SQL(", ").join(pieces)) if pieces else SQL("''")


def _part(plan: Plan, entity: Entity, part: Table) -> Composed:
    """Write one kind of part, gathered by root."""
    order = SQL(", ").join(Identifier("t", column) for column in part.key)
    return SQL(
        "left join (select {root} as root, "
        "string_agg('<{element}' || {attributes} || '/>', '' order by {order}) as xml, "
        "coalesce(string_agg({unmapped}, ''), '') as unmapped, coalesce(string_agg({refused}, ''), '') as refused "
        "from {table} t where {root} = any ({keys}) "
        "group by 1) {alias} "
        "on {alias}.root = {key}"
    ).format(
        root=Identifier("t", part.root_column),
        element=SQL(part.element),
        attributes=_attributes(plan, part),
        order=order,
        unmapped=_unmapped(part),
        refused=_refused(plan, part),
        table=qualified(part),
        keys=keys_of(entity),
        alias=Identifier(f"part_{part.element}"),
        key=leading(entity.root, "t", entity.key),
    )


def _with_parts(entity: Entity, own: Composable, what: str) -> Composed:
    """Join the root's own text and that of all parts."""
    parts = (SQL("coalesce({}, '')").format(Identifier(f"part_{part.element}", what)) for part in entity.parts)
    return SQL(" || ").join([own, *parts])


@cache
def objects(plan: Plan, entity: Entity) -> Composed:
    """Select given objects as XML: the text, how many are in it, and those left out.

    These come with their unmapped codes and refused references; last are those that are not the property's.
    The content hash covers the object's own attributes and its parts, as they stand in the message.
    """
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
            array_agg(refused) filter (where failed),
            array_agg(key::text) filter (where not inside)
        from (select {key} as key, {inside} as inside, {attributes} as attributes, {parts} as parts,
                {unmapped} as unmapped, {refused} as refused
            from {root} t {joins} where {key} = any ({keys}) offset 0) o,
            lateral (select strpos(unmapped, ';!') > 0 or refused <> '') f (failed)
        """
    ).format(
        element=SQL(entity.root.element),
        key=Identifier("t", entity.key),
        inside=inside(plan, entity, "t"),
        attributes=_attributes(plan, entity.root),
        parts=_with_parts(entity, SQL("''"), "xml"),
        unmapped=_with_parts(entity, _unmapped(entity.root), "unmapped"),
        refused=_with_parts(entity, _refused(plan, entity.root), "refused"),
        root=qualified(entity.root),
        joins=SQL(" ").join(_part(plan, entity, part) for part in entity.parts),
        keys=keys_of(entity),
    )
