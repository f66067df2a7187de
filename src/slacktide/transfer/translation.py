"""From the source's keys to the target's: what of a row is replaced, and what its references ask for.

Values are in COPY's text form all the way from the source to the target; only keys are looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from slacktide.transfer.message import NULL, escape, unescape

if TYPE_CHECKING:
    from slacktide.plan.model import Plan, Table
    from slacktide.transfer.message import BusinessObject

Name = tuple[str, str]  # a table by the key map's name, and a source key


def plain(value: str) -> str:
    """Give a key as it is, from COPY's text form."""
    return value if "\\" not in value else unescape(value) or ""


def written(key: str) -> str:
    """Give a key in COPY's text form: a kept one may hold a backslash, a tab or a line end."""
    return key if key.isalnum() else escape(key)


class Layout(msgspec.Struct, frozen=True):
    """Where a table's rows hold keys: `own` its mapped key, `references` others' keys, by position and name."""

    table: Table
    own: int | None
    key: tuple[int, ...]
    references: tuple[tuple[int, str], ...]
    closing: tuple[int, ...]
    property_at: int | None


def layout(table: Table, *, plan: Plan, closing: tuple[str, ...]) -> Layout:
    """Work out a table's layout."""
    at = {column.name: index for index, column in enumerate(table.columns)}
    references = tuple((at[r.column], r.target) for r in table.references if plan.table[r.target].mapped)
    return Layout(
        table=table,
        own=at[table.key[0]] if table.mapped else None,
        key=tuple(at[column] for column in table.key),
        references=references,
        closing=tuple(at[column] for column in closing),
        property_at=at[table.property_column] if table.property_column else None,
    )


def _own_references(table: Table) -> tuple[str, ...]:
    return tuple(r.column for r in table.references if r.target == table.name and table.by_name[r.column].nullable)


class Translation:
    """Translates the rows of one move. `keys` holds, by name, the target's key of each source key known so far.

    `fresh` holds those of them that were drawn for this batch. `spelled` has kept keys as something refers to
    them, with the equal ones that are meant: what refers to them stays as it is.
    """

    def __init__(
        self, *, plan: Plan, closing: dict[str, tuple[str, ...]], source_property: str, target_property: str
    ) -> None:
        """Take the plan, the columns that close cycles, and the property's code on both sides."""
        self.layouts = {name: layout(t, plan=plan, closing=closing[name]) for name, t in plan.table.items()}
        self._apart = {
            name: layout(t, plan=plan, closing=(*closing[name], *_own_references(t))) for name, t in plan.table.items()
        }
        self._property = (source_property, target_property)
        self.keys: dict[str, dict[str, str]] = defaultdict(dict)
        self.fresh: dict[str, set[str]] = defaultdict(set)
        self.spelled: dict[Name, str] = {}

    @contextmanager
    def cut_apart(self) -> Iterator[None]:
        """Within this block rows of one table may be written in any order: references among them close cycles too."""
        whole, self.layouts = self.layouts, self._apart
        try:
            yield
        finally:
            self.layouts = whole

    @cached_property
    def drawn(self) -> list[str]:
        """The names whose keys the target draws."""
        return [name for name, layout in self.layouts.items() if layout.own is not None]

    def rows(self, item: BusinessObject) -> Iterator[tuple[Layout, list[str]]]:
        """Go through an object's rows: the root's, then the parts'."""
        yield self.layouts[item.entity.name], item.values
        for part in item.parts:
            yield self.layouts[part.table.name], part.values

    def provides(self, item: BusinessObject) -> Iterator[Name]:
        """Name the drawn keys that an object brings: its own, and its parts'."""
        for layout, values in self.rows(item):
            if layout.own is not None:
                yield layout.table.name, plain(values[layout.own])

    def asks(self, item: BusinessObject) -> Iterator[Name]:
        """Name the keys that an object refers to."""
        for layout, values in self.rows(item):
            for at, name in layout.references:
                if values[at] != NULL:
                    key = plain(values[at])
                    yield name, self.spelled.get((name, key), key)

    def row(self, layout: Layout, values: list[str]) -> list[str]:
        """Give a row with the target's keys and property."""
        out = values.copy()
        if layout.own is not None:
            out[layout.own] = written(self.keys[layout.table.name][plain(out[layout.own])])
        for at, name in layout.references:
            if out[at] != NULL and (name, plain(out[at])) not in self.spelled:
                out[at] = written(self.keys[name][plain(out[at])])
        if layout.property_at is not None and out[layout.property_at] == self._property[0]:
            out[layout.property_at] = self._property[1]
        return out
