"""A first plan for a database, from its own tables and foreign keys (migration specification, section 4).

Three steps: `draft_role` guesses what each table is, `draft_sketch` makes a plan's parts of it, `draft_text` writes
them, each guess with its reason. The plan is a text and no value: somebody reads it, mends it, and keeps it. Whether it
holds is asked of `load` and `check`, as of any other plan, and what does not is what a hand has to mend.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from slacktide.core.errors import InputError, UsageError
from slacktide.plan.catalog import read_whole_catalog
from slacktide.plan.check import check_plan
from slacktide.plan.document import nearest
from slacktide.plan.draft_sketch import sketch
from slacktide.plan.draft_text import write
from slacktide.plan.load import load_plan_text
from slacktide.plan.problem import PlanError, PlanProblem

if TYPE_CHECKING:
    from collections.abc import Iterable

    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.plan.catalog import Catalog


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
