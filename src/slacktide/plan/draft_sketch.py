"""The parts of a first plan, made of what a database says of its tables: names, references, codes, number ranges."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from slacktide.plan import column_type, rules
from slacktide.plan.draft_role import OBJECTS, Place, guess_property_table, guess_roles

if TYPE_CHECKING:
    from slacktide.plan.catalog import Catalog, CatalogTable
    from slacktide.plan.draft_role import Role

PROPERTY_LIST = "property"
_LAST = re.compile(r"^(last|next|current|highest)(_|$)|^(value|counter)$")
_NAME = re.compile(r"[^A-Za-z0-9_-]")


class PartOfPlan(msgspec.Struct, frozen=True):
    """A table as the plan has it: `name` is the entity's, or of a part the one within its entity.

    `references` and `codes` are by column. `counter` is the column with the last number, of a table of number ranges.
    """

    name: str
    at: CatalogTable
    role: Role
    references: dict[str, str]
    codes: dict[str, str]
    counter: str | None = None


class Sketch(msgspec.Struct, frozen=True):
    """What a plan's text is written from: the property's table, the tables by qualified name, lists, what is left out.

    `lists` gives, by name, the table and the column of the codes, and whether the table has the property's column.
    """

    name: str
    property_column: str
    property_table: CatalogTable | None
    property_key: str
    parts: dict[str, PartOfPlan]
    lists: dict[str, tuple[str, str, bool]]
    left_out: dict[str, str]


def sketch(*, catalog: Catalog, property_column: str) -> Sketch:
    """Make the parts of a plan from what a database says of its tables."""
    return _Sketching(catalog, property_column).sketch()


class _Sketching:
    def __init__(self, catalog: Catalog, property_column: str) -> None:
        self._catalog, self._property_column = catalog, property_column
        table = guess_property_table(catalog=catalog, property_column=property_column)
        self._property_table = table
        self._property = catalog.tables[table] if table else None
        self._property_key = self._key_of_property()
        self._roles = guess_roles(catalog=catalog, property_column=property_column, property_table=table)
        self._names = self._named()
        self._lists: dict[str, tuple[str, str, bool]] = {}

    def sketch(self) -> Sketch:
        moved = {name: role for name, role in self._roles.items() if role.place not in {Place.LIST, Place.LEFT_OUT}}
        parts = {name: self._part(name, role) for name, role in moved.items()}
        schemas = {self._catalog.tables[name].schema for name in moved}
        left = {name: role.why for name, role in self._roles.items() if role.place in {Place.LIST, Place.LEFT_OUT}}
        left = {name: why for name, why in left.items() if self._catalog.tables[name].schema in schemas}
        if self._property is not None:
            left = {self._property.qualified: "the engine opens the property at the target itself", **left}
        return Sketch(
            name=_NAME.sub("_", next(iter(sorted(schemas)), "plan")),
            property_column=self._property_column,
            property_table=self._property,
            property_key=self._property_key,
            parts=parts,
            lists=self._lists,
            left_out=left,
        )

    def _key_of_property(self) -> str:
        """Give the column of the property's own table that the property's column leads to."""
        keys = (key for table in self._catalog.tables.values() for key in table.foreign_keys)
        led = (key for key in keys if key.referred == self._property_table and len(key.referred_columns) == 1)
        return next((key.referred_columns[0] for key in led if key.columns == (self._property_column,)), "code")

    def _named(self) -> dict[str, str]:
        """Name the entities and parts after their tables, with the schema where two have one name."""
        count = Counter(self._catalog.tables[name].name for name in self._roles)
        names: dict[str, str] = {}
        for name in self._roles:
            at = self._catalog.tables[name]
            plain = _NAME.sub("_", at.name if count[at.name] == 1 else f"{at.schema}_{at.name}")
            odd = (
                plain in rules.RESERVED_ELEMENTS or plain.lower().startswith("xml") or not re.match("[A-Za-z_]", plain)
            )
            names[name] = f"t_{plain}" if odd else plain
        return names

    def _part(self, name: str, role: Role) -> PartOfPlan:
        at = self._catalog.tables[name]
        references: dict[str, str] = {}
        codes: dict[str, str] = {}
        for column in at.columns:
            whose = column == self._property_column and role.place is not Place.PART
            kind, found = (None, "") if whose or column == self._root(role) else self._lead(name, column, set())
            if kind == "reference" and role.place is not Place.CONFIGURATION:
                references[column] = found
            elif kind == "code" and not (role.place is not Place.PART and column in role.key):
                codes[column] = found
        counter = self._counter(at, role)
        return PartOfPlan(name=self._names[name], at=at, role=role, references=references, codes=codes, counter=counter)

    def _root(self, role: Role) -> str | None:
        return role.column if role.place is Place.PART else None

    def _lead(self, name: str, column: str, seen: set[tuple[str, str]]) -> tuple[str | None, str]:
        """Say what a column holds: the key of an object or a part ("reference"), a code of a list, or neither."""
        at = self._catalog.tables[name]
        seen.add((name, column))
        for key in sorted(at.foreign_keys, key=lambda each: len(each.columns)):
            if column not in key.columns or key.referred is None:
                continue
            there = key.referred_columns[key.columns.index(column)]
            found = self._what(key.referred, there)
            if found[0] is None and (key.referred, there) not in seen and key.referred in self._roles:
                found = self._lead(key.referred, there, seen)
            if found[0] is not None:
                return found
        if column == self._property_column and at.columns[column].type in column_type.TEXT:
            return self._code(PROPERTY_LIST, self._property_table or "", self._property_key)
        return None, ""

    def _what(self, table: str, column: str) -> tuple[str | None, str]:
        role = self._roles.get(table)
        if table == self._property_table and column == self._property_key:
            text = self._property is not None and self._property.columns[column].type in column_type.TEXT
            return self._code(PROPERTY_LIST, table, column) if text else (None, "")
        if role is None:
            return None, ""
        if role.place in OBJECTS | {Place.PART} and role.key == (column,):
            own = self._names[table]
            return "reference", own if role.place is not Place.PART else f"{self._names[role.root or '']}.{own}"
        coded = role.place in {Place.CONFIGURATION, Place.LIST} and column in role.key
        text = self._catalog.tables[table].columns[column].type in column_type.TEXT
        if coded and text and column != self._property_column:
            return self._code(self._names[table], table, column)
        return None, ""

    def _code(self, name: str, table: str, column: str) -> tuple[str | None, str]:
        if not table:
            return None, ""
        owned = name != PROPERTY_LIST and self._property_column in self._catalog.tables[table].columns
        self._lists[name] = (table, column, owned)
        return "code", name

    def _counter(self, at: CatalogTable, role: Role) -> str | None:
        """Give the column with the last number, if the table holds the property's number ranges by name."""
        if role.place is not Place.CONFIGURATION or len(role.key) != 2 or self._property_column not in role.key:  # noqa: PLR2004 -- the property and the name
            return None
        rest = [column for column in at.columns.values() if column.name not in role.key]
        found = [column.name for column in rest if _LAST.search(column.name) and column.type in column_type.WHOLE]
        return found[0] if len(found) == 1 else None
