"""A first plan for a database, from its own tables and foreign keys (migration specification, section 4).

Three steps: `draft_role` guesses what each table is, this module makes a plan's parts of it (names, references, codes,
totals, number ranges), `draft_text` writes them, each guess with its reason. The plan is a text and no value: somebody
reads it, mends it, and keeps it. Whether it holds is asked of `load` and `check`, as of any other plan.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from slacktide.core.errors import InputError, UsageError
from slacktide.plan import column_type, rules
from slacktide.plan.catalog import read_whole_catalog
from slacktide.plan.check import check_plan
from slacktide.plan.document import nearest
from slacktide.plan.draft_role import OBJECTS, Place, guess_property_table, guess_roles
from slacktide.plan.draft_text import write
from slacktide.plan.load import load_plan_text
from slacktide.plan.problem import PlanError, PlanProblem

if TYPE_CHECKING:
    from collections.abc import Iterable

    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.plan.catalog import Catalog, CatalogTable
    from slacktide.plan.draft_role import Role

PROPERTY_LIST = "property"
_LAST = re.compile(r"^(last|next|current|highest)(_|$)|^(value|counter)$")
_NAME = re.compile(r"[^A-Za-z0-9_-]")


class NothingToDraft(InputError):
    """The database {database} has no tables to make a plan of: create its schema, then `slacktide plan draft` again."""


class UnknownPropertyColumn(UsageError):
    """No table of {database} has a column {column!r}{hint}. Name the column that says whose a row is, as in `slacktide plan draft URL --property-column {near}`."""  # noqa: E501 -- the message is one sentence


class Guess(msgspec.Struct, frozen=True):
    """A guess that needs a hand: where it stands, what is wrong with it, and what to do."""

    file: str
    line: int
    field: str
    message: str
    todo: str

    def __str__(self) -> str:
        """Write it as two lines."""
        place = f"{self.file}:{self.line}: {self.field + ': ' if self.field else ''}"
        return f"{place}{self.message}\n    {self.todo}"


class Drafted(msgspec.Struct, frozen=True):
    """A plan's text, the guesses in it that a hand has to mend, and the warnings of its check."""

    text: str
    guesses: tuple[Guess, ...]
    warnings: tuple[PlanProblem, ...]


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


def draft_plan(*, connection: psycopg.Connection[TupleRow], property_column: str, file: str, database: str) -> Drafted:
    """Draft a plan and hold it against its own database, as source and as target; reads only.

    `file` and `database` are their names in messages. Raises UnknownPropertyColumn, NothingToDraft.
    """
    catalog = read_whole_catalog(connection=connection)
    _known(catalog, property_column, database)
    text = write(sketch(catalog=catalog, property_column=property_column))
    try:
        plan = load_plan_text(text=text, file=file)
    except PlanError as error:
        return Drafted(text=text, guesses=_guesses(error.errors), warnings=())
    found = check_plan(plan=plan, source=connection, target=connection)
    return Drafted(text=text, guesses=_guesses(found.errors), warnings=_once(found.warnings))


def _known(catalog: Catalog, column: str, database: str) -> None:
    names = Counter(name for table in catalog.tables.values() for name in table.columns)
    if not names:
        raise NothingToDraft(database=database)
    if column not in names:
        hint = nearest(column, names)
        meant = re.search(r"did you mean '(.*)'", hint)
        near = meant[1] if meant else max(sorted(names), key=lambda name: names[name])
        raise UnknownPropertyColumn(database=database, column=column, hint=hint, near=near)


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


# -- what a hand has to do ----------------------------------------------------------------------------------

_KEY = """\
Give the table a unique index over one column that is never null and name it as the key; or make the table a part of its
object; or leave it out under left_out."""
_WHOSE = """\
Let the column be never null in both databases; or say whose its rows are by via, or as parts; or leave the table out
under left_out."""
_CIRCLE = """\
Let one column of the circle be null in both databases and put a '?' behind its type; or put the two together as an
object and its part."""
_TABLE = "Change the table in both databases as the message says; or leave it out under left_out."
_PROPERTY = "Name the column of the property's table that says it, or add one to that table in both databases."
_COLUMN = "Correct the column as the message says, or list it under left_out with the reason."
_TODO = (
    (r"^property(\.|$)", _PROPERTY),
    (r"^entities$", _CIRCLE),
    (r"\.key$", _KEY),
    (r"\.property$", _WHOSE),
    (r"\.references\.", "Name the entity or the part that the column leads to, or take the reference out."),
    (r"\.columns(\.|$)", _COLUMN),
    (r"\.codes\.", "Name a list of codes under lists, or take the code out: the value is then kept as it is."),
    (
        r"^lists\.",
        "Name the table and the text column in which the valid codes stand, or take out the codes of this list.",
    ),
    (r"^totals\.", "Correct the query, or take the total out."),
    (r"\.table$", _TABLE),
)
_BY_HAND = "Mend it in the file by hand."


def _once(problems: Iterable[PlanProblem]) -> tuple[PlanProblem, ...]:
    """Give each problem once: the one database is asked as source and as target."""
    plain = (
        msgspec.structs.replace(each, message=each.message.removeprefix("source: ").removeprefix("target: "))
        for each in problems
    )
    return tuple(dict.fromkeys(plain))


def _guesses(problems: Iterable[PlanProblem]) -> tuple[Guess, ...]:
    return tuple(
        Guess(
            file=problem.file,
            line=problem.line,
            field=problem.field,
            message=problem.message,
            todo=" ".join(_todo(problem.field).split()),
        )
        for problem in _once(problems)
    )


def _todo(field: str) -> str:
    return next((text for pattern, text in _TODO if re.search(pattern, field)), _BY_HAND)
