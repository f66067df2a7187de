"""What each table of a database is guessed to be for a first plan, and why.

Only the catalog is looked at: which tables have the property's column, which foreign keys lead where, what a key is
made of. Where two guesses are possible the one is taken that forgets nothing: an object of its own before a part, a
shared object before one that is left out. Each guess carries its reason, for the plan's file says it.

The order of the guesses:

1. A table with the property's column and a key of codes, that refers to nothing but such tables, is configuration; one
   without the column that such keys are looked up in is a list that the target has by itself.
2. Any other table with the property's column is an object of its own, or a part of one.
3. A table whose rows each lead to such an object is a part of it, or belongs to the property through it.
4. What all of these refer to is shared, and what leads to a shared object and is no object itself is a part of it.
5. What is left is not reached, and is left out.
"""

from __future__ import annotations

import re
from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from slacktide.plan import column_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from slacktide.plan.catalog import Catalog, CatalogTable, ForeignKey

_CODE_NAME = re.compile(r"(^|_)(code|type|kind|status|no|number|name|key|symbol|currency|country|unit)$")
_TRADED = re.compile(r"numeric|money|real|double|date|timestamp")  # what nothing refers to and has these is no code
_SMALL = frozenset({"smallint", "integer"})


class Place(StrEnum):
    """What a table is in the plan."""

    CONFIGURATION = "configuration"
    PROPERTY = "property"
    VIA = "via"
    SHARED = "shared"
    PART = "part"
    LIST = "list"
    LEFT_OUT = "left out"


OBJECTS = frozenset({Place.PROPERTY, Place.VIA, Place.SHARED})
_OWN = frozenset({Place.PROPERTY, Place.VIA})


class Role(msgspec.Struct, frozen=True):
    """A guess: the table's place, its key, the reason.

    A part and what belongs through another (`via`) lead to the table `root`, that of the object, by `column`, which
    holds the object's key.
    """

    place: Place
    why: str
    key: tuple[str, ...] = ()
    root: str | None = None
    column: str | None = None


def guess_roles(*, catalog: Catalog, property_column: str, property_table: str | None) -> dict[str, Role]:
    """Guess what each table is, by its qualified name; partitions and the property's own table are none."""
    return _Guessing(catalog, property_column, property_table).roles()


def guess_property_table(*, catalog: Catalog, property_column: str) -> str | None:
    """Give the table that the most foreign keys of the property's column lead to."""
    led = Counter(
        key.referred
        for table in catalog.tables.values()
        for key in table.foreign_keys
        if key.columns == (property_column,) and key.referred is not None
    )
    return max(sorted(led), key=lambda name: led[name], default=None)


def key_of(at: CatalogTable, *, single: bool) -> tuple[str, ...]:
    """Give a table's key: the primary one, or with `single` rather a unique one of one column; () if there is none."""
    keys = [
        index for index in at.indexes if index.proves_unique and not any(at.columns[c].nullable for c in index.uses)
    ]
    keys.sort(key=lambda index: (single and len(index.columns) > 1, not index.is_primary, len(index.columns)))
    return tuple(name for name in keys[0].columns if name is not None) if keys else ()


class _Guessing:
    def __init__(self, catalog: Catalog, property_column: str, property_table: str | None) -> None:
        self._property_column, self._property_table = property_column, property_table
        self._tables = {n: at for n, at in catalog.tables.items() if at.top is None and n != property_table}
        self._found: dict[str, Role] = {}

    def roles(self) -> dict[str, Role]:
        self._codes()
        self._owned()
        self._through()
        self._shared()
        for name, at in self._unplaced():
            self._found[name] = Role(place=Place.LEFT_OUT, why=self._unreached(at))
        return {name: self._found[name] for name in self._tables}

    def _unreached(self, at: CatalogTable) -> str:
        moving = OBJECTS | {Place.PART}
        for key in at.foreign_keys:
            if self._placed(key.referred) in moving:
                return f"it has no {self._property_column}, and its {key.columns[0]} does not say whose every row is"
        return f"it has no {self._property_column}, and no reference leads to it from what moves"

    def _unplaced(self) -> list[tuple[str, CatalogTable]]:
        return [(name, at) for name, at in self._tables.items() if name not in self._found]

    # -- codes ------------------------------------------------------------------------------------------

    def _codes(self) -> None:
        """Place what has a key of codes and refers to nothing else: what does drops out by and by."""
        codes = {name for name, at in self._tables.items() if self._is_code(name, at)}
        while strange := {name for name in codes if self._leads_from(self._tables[name]) - codes - {name}}:
            codes -= strange
        for name in codes:
            at, owned = self._tables[name], self._property_column in self._tables[name].columns
            key = ", ".join(key_of(at, single=False))
            if owned:
                why = f"its key ({key}) is a code, and it refers to nothing that is traded"
            else:
                why = f"a list of codes ({key}) that all properties share: the target has its own"
            place = Place.CONFIGURATION if owned else Place.LIST
            self._found[name] = Role(place=place, why=why, key=key_of(at, single=False))

    def _is_code(self, name: str, at: CatalogTable) -> bool:
        key = key_of(at, single=False)
        own = [at.columns[column] for column in key if column != self._property_column]
        traded = any(_TRADED.match(column.type) for column in at.columns.values())
        if not own or any(column.sequence for column in own) or (traded and not self._is_led_to(name)):
            return False
        owned, named = self._property_column in at.columns, all(_CODE_NAME.search(column.name) for column in own)
        if any(column.type in column_type.TEXT for column in own):
            known = self._property_column in key or named
            return known and all(column.type in column_type.TEXT | column_type.WHOLE for column in own)
        if not all(column.type in column_type.WHOLE for column in own):
            return False
        if owned:
            return self._property_column in key
        return len(own) == 1 and own[0].type in _SMALL and self._is_led_to(name) and not at.foreign_keys

    def _is_led_to(self, name: str) -> bool:
        return any(name in self._leads_from(at) for other, at in self._tables.items() if other != name)

    def _leads_from(self, at: CatalogTable) -> set[str]:
        return {key.referred for key in at.foreign_keys if key.referred in self._tables and key.referred is not None}

    # -- whose it is ------------------------------------------------------------------------------------

    def _owned(self) -> None:
        """Place what has the property's column: what is bound to another such table after that one."""
        waiting = {name: at for name, at in self._unplaced() if self._property_column in at.columns}
        while waiting:
            free = [name for name, at in waiting.items() if not self._bound_to(name, at) & waiting.keys()]
            for name in free or list(waiting)[:1]:  # those that are bound in a circle are objects of their own
                self._own(name, waiting.pop(name))

    def _bound_to(self, name: str, at: CatalogTable) -> set[str]:
        return {key.referred or "" for key, column in self._ways(name, at) if self._is_bound(at, key, column)}

    def _own(self, name: str, at: CatalogTable) -> None:
        for key, column in self._ways(name, at):
            known = self._placed(key.referred) in _OWN | {Place.PART}
            if known and self._is_bound(at, key, column) and self._as_part(name, at, key, column):
                return
        why = f"it has {self._property_column}, and its rows are not bound to those of another object"
        self._found[name] = Role(place=Place.PROPERTY, why=why, key=self._object_key(at))

    def _through(self) -> None:
        """Place what leads to the property's own objects, level by level."""
        placed = True
        while placed:
            placed = False
            for name, at in self._unplaced():
                ways = [(k, c) for k, c in self._ways(name, at) if self._placed(k.referred) in _OWN | {Place.PART}]
                placed = any(self._as_part(name, at, k, c) for k, c in ways if self._is_bound(at, k, c)) or placed
                if name not in self._found and ways:
                    placed = self._weakly(name, at, ways) or placed
            placed = placed or self._of_configuration()

    def _of_configuration(self) -> bool:
        """Make parts of what has no property's column and leads to configuration by its own key."""
        for name, at in self._unplaced():
            for key, column in self._ways(name, at):
                if self._placed(key.referred) is Place.CONFIGURATION and self._is_bound(at, key, column):
                    return self._as_part(name, at, key, column)
        return False

    def _weakly(self, name: str, at: CatalogTable, ways: list[tuple[ForeignKey, str]]) -> bool:
        """Take what only leads to an object: as its part where nothing refers to it, else as an object through it."""
        if len(ways) == 1 and not self._is_led_to(name) and self._as_part(name, at, *ways[0]):
            return True
        for key, column in ways:
            if self._placed(key.referred) in _OWN:
                why = f"every row leads to {key.referred} by {column}; other ways are not looked at"
                own = self._object_key(at)
                role = Role(place=Place.VIA, why=why, key=own, root=key.referred, column=column)
                self._found[name] = role
                return True
        return False

    def _shared(self) -> None:
        """Place what is referred to, then the parts of it, until nothing is new."""
        placed = True
        while placed:
            reached = self._reached()
            free = {name for name in reached if not self._bound_to(name, self._tables[name]) & self._open(reached)}
            for name in free or sorted(reached)[:1]:
                why = f"it has no {self._property_column}, and what moves refers to it"
                self._found[name] = Role(place=Place.SHARED, why=why, key=self._object_key(self._tables[name]))
            parts = [name for name, at in self._unplaced() if self._of_shared(name, at)]
            placed = bool(parts or reached)

    def _reached(self) -> set[str]:
        """Name what is not placed and is referred to by what moves; and what that, as its part, is bound to."""
        moving = [self._tables[n] for n, role in self._found.items() if role.place in OBJECTS | {Place.PART}]
        open_, reached = {name for name, _ in self._unplaced()}, {n for at in moving for n in self._leads_from(at)}
        reached &= open_
        while more := {o for n in reached for o in self._bound_to(n, self._tables[n])} & open_ - reached:
            reached |= more
        return reached

    def _open(self, reached: set[str]) -> set[str]:
        """Name what a table may become a part of: what is shared, or is reached with it."""
        return reached | {name for name, role in self._found.items() if role.place is Place.SHARED}

    def _of_shared(self, name: str, at: CatalogTable) -> bool:
        ways = [(k, c) for k, c in self._ways(name, at) if self._placed(k.referred) in {Place.SHARED, Place.PART}]
        alone = not self._is_led_to(name)
        return any(self._as_part(name, at, k, c) for k, c in ways if alone or self._is_bound(at, k, c))

    # -- parts ------------------------------------------------------------------------------------------

    def _placed(self, name: str | None) -> Place | None:
        role = self._found.get(name or "")
        return role.place if role else None

    def _ways(self, name: str, at: CatalogTable) -> Iterator[tuple[ForeignKey, str]]:
        """Give the foreign keys that every row follows to another table, with the column that says to which row.

        One that cascades comes first, then one whose column stands in the table's own key, then by the columns' order.
        """
        own = key_of(at, single=False)
        found = []
        for key in at.foreign_keys:
            column = self._leading(key) if key.referred in self._tables and key.referred != name else None
            if column is not None and not any(at.columns[each].nullable for each in key.columns):
                place = own.index(column) if column in own else len(own)
                found.append((key.on_delete != "c", place, [*at.columns].index(column), key.name, key, column))
        found.sort(key=lambda each: each[:4])
        return iter([(key, column) for *_, key, column in found])

    def _leading(self, key: ForeignKey) -> str | None:
        """Give the column of a foreign key that holds the other row's own key; None where it leads to another one."""
        other = key_of(self._tables[key.referred or ""], single=True)
        if len(other) == 1:
            return key.columns[key.referred_columns.index(other[0])] if other[0] in key.referred_columns else None
        return next((column for column in key.columns if column != self._property_column), None)

    def _is_bound(self, at: CatalogTable, key: ForeignKey, column: str) -> bool:
        """Tell whether rows live and die with what they lead to: it cascades, or the way stands in their own key."""
        return key.on_delete == "c" or column in key_of(at, single=False)

    def _as_part(self, name: str, at: CatalogTable, key: ForeignKey, column: str) -> bool:
        """Make a part of a table, if the object's own key is found in it and nothing needs the table as an object."""
        other = self._found[key.referred or ""]
        root, lead = key.referred, column
        if other.place is Place.PART:
            if other.column not in key.referred_columns:
                return False
            root, lead = other.root, key.columns[key.referred_columns.index(other.column)]
        if self._holds_objects(name, root):
            return False
        bound = "its rows go with it" if key.on_delete == "c" else f"{column} stands in its own key"
        loose = f"every row leads to it by {column}, and nothing refers to it"
        why = f"a part of {root}: {bound if self._is_bound(at, key, column) else loose}"
        own = key_of(at, single=False) or self._object_key(at)
        self._found[name] = Role(place=Place.PART, why=why, key=own, root=root, column=lead)
        return True

    def _holds_objects(self, name: str, root: str | None) -> bool:
        """Tell whether rows of another table lead to this one only, so that it has to be an object for their sake."""
        for other, child in self._tables.items():
            if other == name or other in self._found or self._property_column in child.columns:
                continue
            ways = [key for key, _ in self._ways(other, child)]
            leads = [key for key in ways if key.referred == name]
            if leads and all(len(key.columns) == 1 for key in leads) and all(key.referred != root for key in ways):
                return True
        return False

    def _object_key(self, at: CatalogTable) -> tuple[str, ...]:
        """Give the key of an object; where no index proves one, the first column that could be meant."""
        return key_of(at, single=True) or tuple(_likely(name for name in at.columns if name != self._property_column))


def _likely(columns: Iterable[str]) -> list[str]:
    """Give the column that is named as a key, else the first one."""
    names = list(columns)
    return [name for name in names if name == "id" or name.endswith("_id")][:1] or names[:1]
