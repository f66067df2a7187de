r"""The published XSD of the batch files, made from the plan.

A batch is one element `batch`: objects in the order of references, each an element named as its entity that
holds its parts, then `gone` for every deleted object, then `failed` for every one that is there and could not be
written for want of a mapping, then `present` for every key range that was read whole.

A value is an attribute in the text form of PostgreSQL's COPY: `\N` is NULL; backslash, tab, newline,
carriage return, backspace, form feed and vertical tab are escaped with a backslash; any other character
that XML cannot hold is `\x` and two hexadecimal digits for each byte of its UTF-8. So no value holds a
character that XML would alter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from slacktide.plan import column_type

if TYPE_CHECKING:
    from collections.abc import Iterable

    from slacktide.plan.model import Column, Entity, Plan, Table

_XS = "http://www.w3.org/2001/XMLSchema"
_NULL = r"\\N"
_DAY = r"[0-9]{4,7}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
_OFFSET = r"[+\-][0-9]{2}(:[0-9]{2}){0,2}"
_ENDLESS = r"|-?infinity"
_TEXT = r"([^\\\t\n\r]|\\([\\bfnrtv]|x[0-9a-fA-F]{2}))*"
_PATTERNS = {
    "smallint": "-?[0-9]{1,5}",
    "integer": "-?[0-9]{1,10}",
    "bigint": "-?[0-9]{1,19}",
    "numeric": r"-?[0-9]+(\.[0-9]+)?|NaN|-?Infinity",
    "real": r"-?[0-9]+(\.[0-9]+)?(e[+\-][0-9]+)?|NaN|-?Infinity",
    "double precision": r"-?[0-9]+(\.[0-9]+)?(e[+\-][0-9]+)?|NaN|-?Infinity",
    "boolean": "true|false|t|f",
    "uuid": "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "date": f"{_DAY}( BC)?{_ENDLESS}",
    "timestamp with time zone": f"{_DAY} {_CLOCK}{_OFFSET}( BC)?{_ENDLESS}",
    "timestamp without time zone": f"{_DAY} {_CLOCK}( BC)?{_ENDLESS}",
    "time with time zone": f"{_CLOCK}{_OFFSET}",
    "time without time zone": _CLOCK,
}
_FRAME = {
    "move": "text",
    "property": "text",
    "incarnation": "count",
    "number": "count",
    "as-of": "instant",
    "snapshot": "snapshot",
}
_FRAME_PATTERNS = {
    "text": _TEXT,
    "count": "[0-9]{1,19}",
    "instant": rf"{_DAY}T{_CLOCK}Z",
    "snapshot": "[0-9]+:[0-9]+:([0-9]+(,[0-9]+)*)?",
    "hash": "[0-9a-f]+",
}


def xsd(plan: Plan) -> str:
    """Write the XML Schema 1.0 that every batch of a plan is valid against, before the opening and after it."""
    plan = plan.late
    schema = ET.Element("xs:schema", {"xmlns:xs": _XS, "elementFormDefault": "unqualified"})
    _document(schema, f"Batches of the plan {plan.name}, version {plan.version}, plan checksum {plan.checksum}.")
    _batch(schema, plan)
    _types(schema, plan)
    ET.indent(schema)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(schema, encoding="unicode") + "\n"


def _add(parent: ET.Element, tag: str, **attributes: str) -> ET.Element:
    return ET.SubElement(parent, f"xs:{tag}", attributes)


def _document(parent: ET.Element, text: str) -> None:
    _add(_add(parent, "annotation"), "documentation").text = text


def _element(parent: ET.Element, name: str, *, many: bool = True) -> ET.Element:
    """Declare an element of a type of its own, so that parts of one name in two entities may differ."""
    count = {"minOccurs": "0", "maxOccurs": "unbounded"} if many else {}
    return _add(parent, "element", name=name, **count)


def _attribute(parent: ET.Element, name: str, kind: str, *, required: bool = True) -> None:
    _add(parent, "attribute", name=name, type=kind, use="required" if required else "optional")


# -- elements -------------------------------------------------------------------------------------------


def _batch(schema: ET.Element, plan: Plan) -> None:
    shape = _add(_element(schema, "batch", many=False), "complexType")
    inside = _add(shape, "sequence")
    for entity in plan.moving:
        _object(inside, entity)
    _gone(inside, plan.moving)
    _failed(inside, plan.moving)
    _present(inside, plan.moving)
    for name, value in (("plan", plan.name), ("version", str(plan.version))):
        _add(shape, "attribute", name=name, type="xs:string", use="required", fixed=value)
    for name, kind in _FRAME.items():
        _attribute(shape, name, kind)


def _object(parent: ET.Element, entity: Entity) -> None:
    element = _element(parent, entity.name)
    _document(element, entity.title)
    shape = _add(element, "complexType")
    inside = _add(shape, "sequence")
    for part in entity.parts:
        _columns(_add(_element(inside, part.element), "complexType"), part)
    _attribute(shape, "h", "hash")
    _add(shape, "attribute", name="outside", type="xs:string", fixed="true")
    _attribute(shape, "unmapped", "text", required=False)
    _columns(shape, entity.root)


def _columns(shape: ET.Element, table: Table) -> None:
    for column in table.columns:
        _attribute(shape, column.name, _type_name(column))


def _gone(parent: ET.Element, moving: Iterable[Entity]) -> None:
    shape = _add(_element(parent, "gone"), "complexType")
    _entity_name(shape, moving)
    _attribute(shape, "key", "text")
    _add(shape, "attribute", name="deleted", type="xs:string", fixed="true")


def _failed(parent: ET.Element, moving: Iterable[Entity]) -> None:
    shape = _add(_element(parent, "failed"), "complexType")
    _entity_name(shape, moving)
    _attribute(shape, "key", "text")


def _present(parent: ET.Element, moving: Iterable[Entity]) -> None:
    shape = _add(_element(parent, "present"), "complexType")
    _entity_name(shape, moving)
    for name in ("after", "to"):
        _attribute(shape, name, "text", required=False)


def _entity_name(shape: ET.Element, moving: Iterable[Entity]) -> None:
    choice = _add(_add(shape, "attribute", name="entity", use="required"), "simpleType")
    names = _add(choice, "restriction", base="xs:string")
    for entity in moving:
        _add(names, "enumeration", value=entity.name)


# -- types ----------------------------------------------------------------------------------------------


def _types(schema: ET.Element, plan: Plan) -> None:
    """Declare every type that an attribute uses, once."""
    used = {name: [pattern] for name, pattern in _FRAME_PATTERNS.items()}
    for table in plan.table.values():
        for column in table.columns:
            used[_type_name(column)] = [_pattern(column), *([_NULL] if column.nullable else [])]
    for name, patterns in sorted(used.items()):
        restriction = _add(_add(schema, "simpleType", name=name), "restriction", base="xs:string")
        for pattern in patterns:
            _add(restriction, "pattern", value=pattern)


def _type_name(column: Column) -> str:
    """Name the XSD type of a column: what has no pattern of its own is a text."""
    base = column_type.base(column.type)
    if base not in _PATTERNS:
        base = "text"
    numbers = column_type.modifier(column.type) if base == "numeric" else ()
    words = [*base.split(), *map(str, numbers), *(["or", "null"] if column.nullable else [])]
    return "-".join(words)


def _pattern(column: Column) -> str:
    """Give the pattern of a column's values that are not null."""
    base = column_type.base(column.type)
    numbers = column_type.modifier(column.type)
    if base == "numeric" and numbers and 0 <= numbers[1] <= numbers[0]:
        whole, fraction = max(1, numbers[0] - numbers[1]), numbers[1]
        return rf"-?[0-9]{{1,{whole}}}" + (rf"\.[0-9]{{{fraction}}}" if fraction else "") + "|NaN"
    return _PATTERNS.get(base, _TEXT)
