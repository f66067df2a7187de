"""The rows of a batch's objects, by table, in COPY's text form: those that are surely new, and those to be staged."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from slacktide.transfer.message import NULL
from slacktide.transfer.translation import plain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from slacktide.transfer.message import BusinessObject
    from slacktide.transfer.translation import Layout, Translation


class Gathered:
    """The rows of some objects.

    `copied` go straight into their tables, `staged` may be there already. `closing` holds what closes cycles, by table
    and position: the row's key and the value. `changed_roots` are the target keys of known objects, by entity.
    """

    def __init__(self, translation: Translation) -> None:
        """Take the target's keys."""
        self._translation = translation
        self.copied: dict[str, list[str]] = defaultdict(list)
        self.staged: dict[str, list[str]] = defaultdict(list)
        self.closing: dict[tuple[str, int], list[tuple[list[str], str]]] = defaultdict(list)
        self.changed_roots: dict[str, list[str]] = defaultdict(list)

    def add(self, *, new: Iterable[BusinessObject], changed: Iterable[BusinessObject]) -> Gathered:
        """Add objects that the target does not know, and such as it does; give itself."""
        for item in new:
            for layout, values in self._translation.rows(item):
                self._add(layout, values, straight=self._is_fresh(layout, values))
        for item in changed:
            self.changed_roots[item.entity.name].append(self._translation.keys[item.entity.name][item.key])
            for layout, values in self._translation.rows(item):
                self._add(layout, values, straight=False)
        return self

    def _is_fresh(self, layout: Layout, values: list[str]) -> bool:
        """Tell whether a row of a new object is surely not at the target: else it may have moved here."""
        if layout.own is None:
            return layout.table.root is None or layout.table.root in layout.table.key
        return plain(values[layout.own]) in self._translation.fresh[layout.table.name]

    def _add(self, layout: Layout, values: list[str], *, straight: bool) -> None:
        row = self._translation.row(layout, values)
        for at in layout.closing:
            if row[at] != NULL or not straight:
                self.closing[layout.table.name, at].append(([row[k] for k in layout.key], row[at]))
            row[at] = NULL
        (self.copied if straight else self.staged)[layout.table.name].append("\t".join(row))
