"""What a renderer of the contingency pack gets: sections of columns, rows and totals."""

from __future__ import annotations

import msgspec


class Column(msgspec.Struct, frozen=True):
    """A column: its head, its share of the width, and whether it is set to the right, as numbers are."""

    title: str
    share: int
    right: bool = False


class Section(msgspec.Struct, frozen=True):
    """A list under a title, with its totals at its end."""

    title: str
    columns: list[Column]
    rows: list[list[str]]
    totals: list[list[str]] = []
    note: str = ""
