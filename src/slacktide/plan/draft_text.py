"""The text of a drafted plan: YAML that a person reads and mends, with the reason of each guess above it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from psycopg import sql

from slacktide.plan import column_type
from slacktide.plan.draft_role import Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from slacktide.plan.catalog import CatalogColumn, CatalogTable
    from slacktide.plan.draft_sketch import PartOfPlan, Sketch

_PLAIN = re.compile(r"[A-Za-z_][\w.]*( [A-Za-z_]\w*)*(\(\d+(,-?\d+)?\)( with(out)? time zone)?)?(\[\])?\??", re.ASCII)
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_NOT_TEXT = frozenset({"null", "true", "false", "yes", "no", "on", "off"})
_HEAD = """\
# A first plan, guessed from the tables and foreign keys of the database. A line "# Guess" says why it is so: read each,
# mend what is wrong, take the word away from what is right. `slacktide plan check FILE --source URL --target URL` tells
# what does not fit. The format: docs/reference/plan.md.
"""
_TAIL = """\
# Not guessed; each section is described in docs/reference/plan.md:
#
# checks:            queries of which every row is a reason not to start: what has to be closed or settled before
#   nothing_open: {title: Nothing is open, database: source, mend: close it, sql: "select 'NUMBER is open' from ..."}
# steps:             what the down time reports on by name
#   invoices: {title: Invoices, entities: [invoice]}
# roles: [operations]                      whose go is needed before the target opens
# partners: [door locks, telephone]        interfaces whose checklist is filled before Start
"""
_ZONE = (r"time_?zone|(^|_)(zone|tz)($|_)",)
_DATE = (r"business|booking", r"today|current|open", r"")
_END = (r"end_of_day|eod|clos|roll",)
_AMOUNT_SCALE = 2


def write(sketch: Sketch) -> str:
    """Write the whole plan."""
    sections = [
        _HEAD.rstrip("\n"),
        f"plan: {_scalar(sketch.name)}\nversion: 1",
        "\n".join(_property(sketch)),
        "\n".join(_lists(sketch)),
        "entities:\n" + "\n\n".join("\n".join(_entity(sketch, part)) for part in _roots(sketch)),
        "\n".join(_totals(sketch)),
        "\n".join(_counters(sketch)),
        "\n".join(_left_out(sketch)),
        _TAIL.rstrip("\n"),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _scalar(text: str) -> str:
    """Write a text so that YAML reads just that."""
    plain = _PLAIN.fullmatch(text) and text.lower() not in _NOT_TEXT
    return text if plain else json.dumps(text, ensure_ascii=False)


def _flow(names: Iterable[str]) -> str:
    words = (
        name if _IDENTIFIER.fullmatch(name) and name.lower() not in _NOT_TEXT else json.dumps(name) for name in names
    )
    return f"[{', '.join(words)}]"


def _comment(text: str, *, indent: str) -> str:
    return f"{indent}# Guess: {' '.join(text.split())}."


# -- the property, the lists --------------------------------------------------------------------------------


def _property(sketch: Sketch) -> Iterator[str]:
    at = sketch.property_table
    fields = {
        "zone": _find(at, _ZONE, column_type.TEXT) or "time_zone",
        "business_date": _find(at, _DATE, frozenset({"date"})) or "business_date",
        "end_of_day": _find(at, _END, frozenset({"boolean"})) or "end_of_day",
    }
    table = at.qualified if at is not None else f"{sketch.name}.property"
    why = f"most foreign keys of {sketch.property_column} lead there"
    yield _comment(why if at is not None else f"no foreign key of {sketch.property_column} leads to a table", indent="")
    yield "property:"
    yield f"  table: {_scalar(table)}"
    yield f"  column: {_scalar(sketch.property_key)}"
    yield from (f"  {field}: {_scalar(column)}" for field, column in fields.items())


def _find(at: CatalogTable | None, names: tuple[str, ...], types: frozenset[str]) -> str | None:
    columns = [column.name for column in at.columns.values() if column.type in types] if at is not None else []
    return next((column for name in names for column in columns if re.search(name, _words(column))), None)


def _words(column: str) -> str:
    """Write a name as it is looked for: `endOfDay` as end_of_day."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column).lower()


def _lists(sketch: Sketch) -> Iterator[str]:
    if sketch.lists:
        yield "lists:"
    for name, (table, column, owned) in sorted(sketch.lists.items()):
        yield f"  {_scalar(name)}:"
        yield f"    table: {_scalar(table)}"
        yield f"    column: {_scalar(column)}"
        if owned:
            yield f"    property: {_scalar(sketch.property_column)}"


def _known_by(part: PartOfPlan) -> Iterator[str]:
    """Name what may tell that the target has a shared object already; whether it does only a person knows."""
    single = (index.columns[0] for index in part.at.indexes if index.proves_unique and len(index.columns) == 1)
    for column in sorted(str(name) for name in single if (name,) != part.role.key and name not in part.references):
        yield f"    # known_by: {_scalar(column)}  -- if one with the same value at the target is the same one"


# -- the entities -------------------------------------------------------------------------------------------


def _roots(sketch: Sketch) -> list[PartOfPlan]:
    """Give the roots: the configuration first, then what is shared, then what the property has."""
    order = [Place.CONFIGURATION, Place.SHARED, Place.PROPERTY, Place.VIA]
    roots = [part for part in sketch.parts.values() if part.role.place in order]
    return sorted(roots, key=lambda part: order.index(part.role.place))


def _entity(sketch: Sketch, part: PartOfPlan) -> Iterator[str]:
    role = part.role
    configuration = role.place is Place.CONFIGURATION
    yield _comment(role.why, indent="  ")
    if configuration:
        yield _comment("it is copied once, before the processes; what changes afterwards is not carried", indent="  ")
    yield f"  {_scalar(part.name)}:"
    yield f"    title: {_scalar(part.at.name.replace('_', ' ').capitalize())}"
    yield f"    phase: {'configuration' if configuration else 'online'}"
    yield from _table(part, indent="    ", drawable=not configuration)
    if role.place in {Place.CONFIGURATION, Place.PROPERTY}:
        yield f"    property: {_scalar(sketch.property_column)}"
    elif role.place is Place.VIA:
        yield f"    via: {_scalar(role.column or '')}"
    else:
        yield "    shared: true"
        yield from _known_by(part)
    yield from _columns(part, indent="    ")
    parts = [each for each in sketch.parts.values() if each.role.root == part.at.qualified and _is_part(each)]
    if parts:
        yield "    parts:"
    for each in parts:
        yield _comment(each.role.why, indent="      ")
        yield f"      {_scalar(each.name)}:"
        yield from _table(each, indent="        ", drawable=True)
        yield f"        root: {_scalar(each.role.column or '')}"
        yield from _columns(each, indent="        ")


def _is_part(part: PartOfPlan) -> bool:
    return part.role.place is Place.PART


def _table(part: PartOfPlan, *, indent: str, drawable: bool) -> Iterator[str]:
    """Write the table and its key; one that no sequence draws, and that refers to nothing, is kept."""
    key = part.role.key
    yield f"{indent}table: {_scalar(part.at.qualified)}"
    yield f"{indent}key: {_flow(key) if len(key) != 1 else _scalar(key[0])}"
    leads = {*part.references, part.role.column if _is_part(part) else None}
    if drawable and len(key) == 1 and key[0] not in leads:
        column = part.at.columns[key[0]]
        if column.sequence is None or column_type.base(column.type) not in column_type.WHOLE:
            yield _comment(f"no sequence draws {key[0]}, so the target keeps it: it must be free there", indent=indent)
            yield f"{indent}drawn: false"


def _columns(part: PartOfPlan, *, indent: str) -> Iterator[str]:
    made = [column.name for column in part.at.columns.values() if column.generated]
    yield f"{indent}columns:"
    for column in part.at.columns.values():
        if not column.generated:
            written = column.written + ("?" if column.nullable else "")
            yield f"{indent}  {_scalar(column.name)}: {_scalar(written)}"
    for section, of_column in (("codes", part.codes), ("references", part.references)):
        if of_column:
            yield f"{indent}{section}:"
        yield from (f"{indent}  {_scalar(name)}: {_scalar(value)}" for name, value in of_column.items())
    if made:
        yield f"{indent}left_out:"
    yield from (f"{indent}  {_scalar(name)}: made by the database" for name in made)


# -- totals, number ranges, what is left out ----------------------------------------------------------------


def _totals(sketch: Sketch) -> Iterator[str]:
    found = [line for part in sketch.parts.values() for line in _totals_of(sketch, part)]
    if found:
        yield _comment("a sum of each amount; keep those that people sign, and add what they count besides", indent="")
        yield "totals:"
    yield from found


def _totals_of(sketch: Sketch, part: PartOfPlan) -> Iterator[str]:
    root = sketch.parts[part.role.root or ""] if _is_part(part) else part
    if root.role.place not in {Place.PROPERTY, Place.VIA}:
        return  # whose a shared object is, no short query says
    currency = next((c.name for c in part.at.columns.values() if _is_currency(c)), None)
    for column in filter(_is_amount, part.at.columns.values()):
        label = sql.SQL("''") if currency is None else sql.SQL("coalesce({}, '')").format(sql.Identifier("t", currency))
        name = "_".join([*([root.name] if part is not root else []), part.name, column.name])
        query = sql.SQL("select {} as key, {} as label, coalesce({}::numeric, 0) as value from {}").format(
            sql.Identifier("r", root.role.key[0]), label, sql.Identifier("t", column.name), _from(sketch, root, part)
        )
        yield f"  {_scalar(re.sub(r'[^A-Za-z0-9_]', '_', name))}:"
        yield f"    title: {_scalar(f'{part.at.name} {column.name}'.replace('_', ' ').capitalize())}"
        yield f"    entity: {_scalar(root.name)}"
        yield "    money: true"
        yield "    sql: >-"
        yield f"      {query.as_string(None)}"


def _is_amount(column: CatalogColumn) -> bool:
    name = column.base.partition("(")[0]
    exact = name == "numeric" and column_type.modifier(column.base)[1:] == (_AMOUNT_SCALE,)
    return (exact or name == "money") and not column.generated


def _is_currency(column: CatalogColumn) -> bool:
    return "currency" in column.name and column.type in column_type.TEXT


def _from(sketch: Sketch, root: PartOfPlan, part: PartOfPlan) -> sql.Composable:
    """Write the tables from the row at hand `t` over its root `r` to the one that has the property's column."""
    lead = root.role.key[0] if part is root else part.role.column or ""
    pieces: list[sql.Composable] = [_named(part.at, "t"), _join(root, "r", sql.Identifier("t", lead))]
    here, alias, number = root, "r", 0
    while here.role.place is Place.VIA:
        number += 1
        above = sketch.parts[here.role.root or ""]
        pieces.append(_join(above, f"o{number}", sql.Identifier(alias, here.role.column or "")))
        here, alias = above, f"o{number}"
    whose = sql.SQL("where {} = %(property)s").format(sql.Identifier(alias, sketch.property_column))
    return sql.SQL(" ").join([*pieces, whose])


def _named(at: CatalogTable, alias: str) -> sql.Composed:
    return sql.SQL("{} {}").format(sql.Identifier(at.schema, at.name), sql.Identifier(alias))


def _join(part: PartOfPlan, alias: str, column: sql.Composable) -> sql.Composed:
    return sql.SQL("join {} on {} = {}").format(_named(part.at, alias), sql.Identifier(alias, part.role.key[0]), column)


def _counters(sketch: Sketch) -> Iterator[str]:
    found = [part for part in sketch.parts.values() if part.counter is not None]
    if found:
        yield _comment("number ranges, by the name of their column; the target's are raised to the source's", indent="")
        yield "counters:"
    for part in found:
        yield f"  {_scalar(part.name)}:"
        yield f"    table: {_scalar(part.at.qualified)}"
        yield f"    property: {_scalar(sketch.property_column)}"
        yield f"    key: {_scalar(next(name for name in part.role.key if name != sketch.property_column))}"
        yield f"    value: {_scalar(part.counter or '')}"


def _left_out(sketch: Sketch) -> Iterator[str]:
    if sketch.left_out:
        yield _comment("nothing of these moves; each with its reason", indent="")
        yield "left_out:"
    yield from (f"  {_scalar(name)}: {_scalar(why)}" for name, why in sketch.left_out.items())
