r"""The XML of a batch: written by the source's own queries, read here by expat against the plan.

A batch is one document: objects in the order of references, each with its parts; then `gone` for each object that is
no more, `failed` for each that is there and cannot be written for want of a mapping, and `present` for each key range
that is whole in this batch, these included. An attribute holds a value in the text form of PostgreSQL's COPY (`\N` is
NULL, a backslash escapes), so that nothing that XML would alter is in it.

What reads it refuses a document type, entities and processing instructions, any element or attribute that the plan
does not name, in any other order, and any depth beyond an object's parts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NoReturn
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

import msgspec

from slacktide.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from slacktide.plan.model import Entity, Plan, Table

NULL = "\\N"
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_ESCAPED = re.compile(rb"\\(x[0-9A-Fa-f]{1,2}|[0-7]{1,3}|.)", re.DOTALL)
_OBJECT_ATTRIBUTES = ("h", "outside", "unmapped")


class MalformedBatch(InputError):
    """The batch file is not what this move writes: {reason}. It is not applied; fetch it anew from the source spool."""


class ForeignBatch(InputError):
    """The batch file is of another {what}: it says {found!r}, and {expected!r} is expected. It is not applied."""


class Head(msgspec.Struct, frozen=True):
    """What a batch says of itself."""

    plan: str
    version: str
    move: str
    property: str
    incarnation: int
    number: int
    as_of: str
    snapshot: str


class Row(msgspec.Struct, gc=False):
    """A part's row: its table and its values in plan order, as COPY's text."""

    table: Table
    values: list[str]


class BusinessObject(msgspec.Struct):
    """One object of a batch: its key, content hash, values in plan order, and parts."""

    entity: Entity
    key: str
    hash: str
    outside: bool
    unmapped: str
    values: list[str]
    parts: list[Row]


class Present(msgspec.Struct, frozen=True):
    """A key range of which the batch holds every object."""

    entity: str
    after: str | None
    upto: str | None

    def within(self, *, whole: bool) -> Callable[[str], bool]:
        """Give what tells whether a key is in the range, in the source's order: of whole numbers, or of bytes."""
        order: Callable[[str], Any] = int if whole else str.encode
        low = None if self.after is None else order(self.after)
        high = None if self.upto is None else order(self.upto)
        return lambda key: (low is None or order(key) > low) and (high is None or order(key) <= high)


class Gone(msgspec.Struct, frozen=True):
    """An object that is no more of the property; `deleted` says that it is no more at all."""

    entity: str
    key: str
    deleted: bool


class BatchContent(msgspec.Struct):
    """A whole batch, read; of what is `gone`, some is `deleted`, the other only left the property."""

    head: Head
    objects: list[BusinessObject]
    gone: list[tuple[str, str]]
    present: list[Present]
    deleted: set[tuple[str, str]]
    failed: set[tuple[str, str]]


def check_head(head: Head, *, expected: Head) -> None:
    """Hold a batch's head against what it must be; its instant is its own. Raises ForeignBatch."""
    for field in ("plan", "version", "move", "property", "incarnation", "number"):
        found, wanted = getattr(head, field), getattr(expected, field)
        if found != wanted:
            raise ForeignBatch(what=field, found=found, expected=wanted)


def head_xml(head: Head) -> str:
    """Write the opening of a batch."""
    names = {"as_of": "as-of"}
    values = msgspec.structs.asdict(head)
    return "<batch " + " ".join(f"{names.get(k, k)}={quoteattr(str(v))}" for k, v in values.items()) + ">\n"


def tail_xml(*, gone: Iterable[Gone], failed: Iterable[tuple[str, str]], present: Iterable[Present]) -> str:
    """Write what closes a batch: what is no more, what cannot be written, and which ranges are whole."""
    lines = []
    for one in gone:
        deleted = ' deleted="true"' if one.deleted else ""
        lines.append(f"<gone entity={quoteattr(one.entity)} key={quoteattr(escape(one.key))}{deleted}/>\n")
    for entity, key in failed:
        lines.append(f"<failed entity={quoteattr(entity)} key={quoteattr(escape(key))}/>\n")
    for span in present:
        bounds = (("after", span.after), ("to", span.upto))
        limits = "".join(f" {name}={quoteattr(escape(value))}" for name, value in bounds if value is not None)
        lines.append(f"<present entity={quoteattr(span.entity)}{limits}/>\n")
    return "".join(lines) + "</batch>\n"


def escape(value: str | None) -> str:
    """Write one value in COPY's text form."""
    if value is None:
        return NULL
    for character, written in (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        value = value.replace(character, written)
    return value


def unescape(text: str) -> str | None:
    """Read one value from COPY's text form."""
    if "\\" not in text:
        return text
    if text == NULL:
        return None
    return _ESCAPED.sub(_unescape_one, text.encode()).decode()


def _unescape_one(match: re.Match[bytes]) -> bytes:
    code = match[1].decode()
    if code[0] == "x" and len(code) > 1:
        return bytes([int(code[1:], 16)])
    if code[0] in "01234567":
        return bytes([int(code, 8)])
    return _ESCAPES.get(code, code).encode()


class _Reader:
    """The handlers of expat, and what they have gathered."""

    def __init__(self, plan: Plan) -> None:
        self.head: Head | None = None
        self.objects: list[BusinessObject] = []
        self.gone: list[tuple[str, str]] = []
        self.deleted: set[tuple[str, str]] = set()
        self.failed: set[tuple[str, str]] = set()
        self.present: list[Present] = []
        self._depth = 0
        self._same: dict[str, str] = {}
        self._current: BusinessObject | None = None
        self._entities = {entity.root.element: entity for entity in plan.moving}
        self._names = {table.name: [c.name for c in table.columns] for table in plan.table.values()}
        self._parts = {entity.name: {part.element: part for part in entity.parts} for entity in plan.moving}
        self._key_at = {e.name: self._names[e.root.name].index(e.key) for e in plan.moving}

    def start(self, name: str, attributes: list[str]) -> None:
        """Take an element's opening."""
        if self._depth == 1 and name in self._entities:
            self._object(self._entities[name], attributes)
        elif self._depth == 2 and self._current is not None:  # noqa: PLR2004 -- below an object
            self._part(self._current, name, attributes)
        elif self._depth == 0 and name == "batch":
            self._batch(attributes)
        elif self._depth == 1 and name in ("gone", "failed", "present"):
            self._current = None
            self._other(name, dict(zip(attributes[::2], attributes[1::2], strict=True)))
        else:
            _malformed(f"element {name!r} at depth {self._depth} is not of the plan")
        self._depth += 1

    def _values(self, attributes: list[str], start: int = 0) -> list[str]:
        """Give the values among attributes; equal ones are one text, as most of a large batch's are."""
        keep = self._same.setdefault
        return [keep(value, value) for value in attributes[start + 1 :: 2]]

    def end(self, _: str) -> None:
        """Take an element's end."""
        self._depth -= 1

    def text(self, data: str) -> None:
        """Refuse text: values are attributes."""
        if data.strip():
            _malformed(f"text {data[:40]!r} between elements")

    def _object(self, entity: Entity, attributes: list[str]) -> None:
        own: dict[str, str] = {}
        at = 0
        while at < len(attributes) and attributes[at] in _OBJECT_ATTRIBUTES and attributes[at] not in own:
            own[attributes[at]] = attributes[at + 1]
            at += 2
        values = self._values(attributes, at)
        if attributes[at::2] != self._names[entity.root.name] or "h" not in own:
            _malformed(f"the attributes of {entity.name!r} are not the plan's")
        self._current = BusinessObject(
            entity,
            unescape(values[self._key_at[entity.name]]) or "",
            own["h"],
            own.get("outside") == "true",
            own.get("unmapped", ""),
            values,
            [],
        )
        self.objects.append(self._current)

    def _part(self, current: BusinessObject, name: str, attributes: list[str]) -> None:
        part = self._parts[current.entity.name].get(name)
        if part is None or attributes[::2] != self._names[part.name]:
            _malformed(f"the part {name!r} of {current.entity.name!r} is not the plan's")
        current.parts.append(Row(part, self._values(attributes)))

    def _batch(self, attributes: list[str]) -> None:
        said = {k.replace("-", "_"): v for k, v in zip(attributes[::2], attributes[1::2], strict=True)}
        try:
            self.head = msgspec.convert(said, Head, strict=False)
        except msgspec.ValidationError as error:
            _malformed(f"its head: {error}")

    def _other(self, name: str, said: dict[str, str]) -> None:
        entity = said.get("entity", "")
        if entity not in self._entities:
            _malformed(f"{name!r} names the entity {entity!r}, which does not move")
        if name == "present":
            bounds = (unescape(said[name]) if name in said else None for name in ("after", "to"))
            self.present.append(Present(entity, *bounds))
            return
        if "key" not in said:
            _malformed(f"an object that is {name} has no key")
        one = (entity, unescape(said["key"]) or "")
        if name == "failed":
            self.failed.add(one)
        else:
            self.gone.append(one)
            if said.get("deleted") == "true":
                self.deleted.add(one)


def _malformed(reason: str) -> NoReturn:
    raise MalformedBatch(reason=reason)


def _refuse(what: str) -> Callable[..., None]:
    def refuse(*_: object) -> None:
        _malformed(f"it holds {what}")

    return refuse


def read(chunks: Iterable[bytes], *, plan: Plan) -> BatchContent:
    """Read a batch. Raises MalformedBatch."""
    reader = _Reader(plan)
    parser = expat.ParserCreate("UTF-8")
    parser.ordered_attributes = True
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _refuse("a document type")
    parser.EntityDeclHandler = _refuse("an entity")
    parser.ProcessingInstructionHandler = _refuse("a processing instruction")
    try:
        for chunk in chunks:
            parser.Parse(chunk, False)  # noqa: FBT003 -- expat takes no keywords
        parser.Parse(b"", True)  # noqa: FBT003 -- expat takes no keywords
    except expat.ExpatError as error:
        raise MalformedBatch(reason=str(error)) from error
    if reader.head is None:
        _malformed("it has no head")
    return BatchContent(reader.head, reader.objects, reader.gone, reader.present, reader.deleted, reader.failed)
