"""A YAML file as text with lines: nothing is guessed from how a value looks.

YAML reads `no` as false and `2026-01-01` as a date. A plan names columns and codes, so every scalar stays the
text that stands there, and whoever needs a number or a truth value converts it by name. Every field knows its
line. Duplicate names and aliases are refused: the first hide a field, the second hide where a value stands.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import msgspec
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable

    from slacktide.plan.problem import Problems

# The C parser also takes `text?` within braces, as YAML 1.2 does; the one in Python wants it in quotes.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEPTH = 20  # a plan needs seven levels; the parser's own recursion would end the process
_SHOWN = 16  # so many names are worth reading
_NULL = "tag:yaml.org,2002:null"


def _line(at: yaml.Event | yaml.Node) -> int:
    return at.start_mark.line + 1 if at.start_mark else 0


class Field(msgspec.Struct):
    """A value of the file: a text, None where nothing stands, a mapping or a list; with its path of names."""

    path: str
    content: str | dict[str, Field] | list[Field] | None


class Reading:
    """Turns a file's text into fields and notes the line of each."""

    def __init__(self, *, problems: Problems, lines: dict[str, int]) -> None:
        """Take where problems and lines go."""
        self._problems, self._lines = problems, lines
        self._seen: set[int] = set()

    def read(self, text: str) -> Field | None:
        """Give the whole file; what is no YAML at all becomes a problem."""
        try:
            if self._too_deep(text):
                return None
            node = yaml.compose(text, Loader=_LOADER)
            return self._field("", node) if node is not None else Field(path="", content={})
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 0
            self._problems.add("", f"this is not YAML: {error.problem or error.context}", line=line)
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            self._problems.add("", f"this is not YAML: {error.reason}", line=line)
        return None

    def _too_deep(self, text: str) -> bool:
        depth = 0
        for event in yaml.parse(text, Loader=_LOADER):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEPTH:
                self._problems.add("", "this is nested too deeply", line=_line(event))
                return True
        return False

    def _field(self, path: str, node: yaml.Node) -> Field:
        self._lines.setdefault(path, _line(node))
        if id(node) in self._seen:
            self._problems.add(path, "this is an alias: write out what it stands for")
            return Field(path=path, content=str(node.value) if isinstance(node, yaml.ScalarNode) else {})
        self._seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return Field(path=path, content=self._mapping(path, node))
        if isinstance(node, yaml.SequenceNode):
            items = [self._field(f"{path}.{number}", item) for number, item in enumerate(node.value, 1)]
            return Field(path=path, content=items)
        return Field(path=path, content=None if node.tag == _NULL else str(node.value))

    def _mapping(self, path: str, node: yaml.MappingNode) -> dict[str, Field]:
        fields: dict[str, Field] = {}
        for key, value in node.value:
            line = _line(key)
            if not isinstance(key, yaml.ScalarNode):
                self._problems.add(path, "a name is a text", line=line)
                continue
            name = str(key.value)
            inner = f"{path}.{name}" if path else name
            if name in fields:
                earlier = self._lines[inner]
                self._problems.add(inner, f"{name!r} stands here again, first in line {earlier}", line=line)
                continue
            self._lines[inner] = line
            fields[name] = self._field(inner, value)
        return fields


def nearest(name: str, known: Iterable[str]) -> str:
    """Give a hint at what a wrong name may have meant, to be put behind a message."""
    known = sorted(map(str, known))
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f" (did you mean {close[0]!r}?)"
    return f" (known: {', '.join(known)})" if 0 < len(known) <= _SHOWN else ""


class Form:
    """A mapping of the file from which fields are taken by name and kind.

    What is missing or of another kind becomes a problem, and an empty value stands for it: reading goes on.
    """

    def __init__(self, field: Field, *, known: Iterable[str], problems: Problems) -> None:
        """Take the mapping and the names that it may have."""
        self.path, self._problems = field.path, problems
        self._fields = mapping(field, problems=problems)
        known = list(known)
        for name, inner in self._fields.items():
            if name not in known:
                problems.add(inner.path, f"the field {name!r} is not known here{nearest(name, known)}")

    def __contains__(self, name: str) -> bool:
        """Tell whether a field stands there."""
        return name in self._fields

    def text(self, name: str) -> str:
        """Give a text that has to be there."""
        if name not in self._fields:
            self._problems.add(self.path, f"the field {name!r} is missing")
            return ""
        return text(self._fields[name], problems=self._problems)

    def optional(self, name: str) -> str | None:
        """Give a text that may be missing."""
        return text(self._fields[name], problems=self._problems) if name in self._fields else None

    def flag(self, name: str, *, default: bool) -> bool:
        """Give `true` or `false`."""
        value = self.optional(name)
        if value is None:
            return default
        if value not in {"true", "false"}:
            self._problems.add(self._fields[name].path, f"{value!r} is neither true nor false")
        return value != "false"

    def number(self, name: str) -> int:
        """Give a whole number from 1."""
        value = self.text(name)
        if value and not (value.isascii() and value.isdecimal() and int(value) > 0):
            self._problems.add(self._fields[name].path, f"{value!r} is not a whole number from 1")
            return 0
        return int(value or 0)

    def words(self, name: str) -> tuple[str, ...]:
        """Give a list of texts; a single text is a list of one, a missing one is empty."""
        if name not in self._fields:
            return ()
        field = self._fields[name]
        items = field.content if isinstance(field.content, list) else [field]
        return tuple(filter(None, (text(item, problems=self._problems) for item in items)))

    def fields(self, name: str) -> dict[str, Field]:
        """Give a mapping; a missing one is empty."""
        return mapping(self._fields[name], problems=self._problems) if name in self._fields else {}

    def texts(self, name: str) -> dict[str, str]:
        """Give a mapping of texts; a missing one is empty."""
        return {inner: text(field, problems=self._problems) for inner, field in self.fields(name).items()}


def text(field: Field, *, problems: Problems) -> str:
    """Give the text of a field."""
    if isinstance(field.content, str) and field.content.strip():
        return field.content.strip()
    problems.add(field.path, "a text is expected here")
    return ""


def mapping(field: Field, *, problems: Problems) -> dict[str, Field]:
    """Give the fields of a field."""
    if isinstance(field.content, dict):
        return field.content
    problems.add(field.path, "fields of the form `name: value` are expected here")
    return {}
