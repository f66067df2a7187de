"""The sequences behind kept keys: the target's are brought to where the source's are, never back.

What goes upwards is raised to the largest number that the source gave out, what goes downwards lowered to the least.

A drawn key comes from the target's own sequence, which knows it. One that is kept was given out by the source: the
target's sequence does not know it, and would give it out again with the first row that a user adds after the opening.
So the plan need not name these sequences. A sequence that its column names by a function of its own is not found.

Sequences know no transaction, and those who draw from one cannot be held: what is near is drawn, so that nobody is put
back; only what is far ahead is set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from psycopg.sql import Identifier

from slacktide.plan import column_type
from slacktide.postgres import sql
from slacktide.transfer import sequence_sql
from slacktide.transfer.source_sql import qualified

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.plan.model import Plan, Table

    _Connection = psycopg.Connection[TupleRow]

_STATEMENTS = sql.load(__package__, "sequence.sql")
_DRAWN = 100_000  # numbers at the most, which takes a tenth of a second; from there on a sequence is set


class Raised(msgspec.Struct, frozen=True):
    """One number range, or a sequence with its column: the source's last number, and the target's before and after."""

    counter: str
    key: str
    source: int
    before: int
    after: int


def raise_sequences(*, source: _Connection, target: _Connection, plan: Plan) -> list[Raised]:
    """Bring each sequence of the target that a kept key comes from forward; done again, it changes nothing."""
    return [
        _raise(target, sequence, of=f"{table.qualified}.{column}", given=given)
        for table, column in _kept(plan)
        for sequence in _sequences(target, table, column)
        if (given := _given(source, table, column, upwards=sequence.upwards)) is not None
    ]


def _kept(plan: Plan) -> Iterator[tuple[Table, str]]:
    """Give the columns of kept keys that hold a number of their own."""
    for table in (table for entity in plan.entities for table in entity.tables if not table.drawn):
        for column in table.key:
            own = column not in table.reference_of and column != table.root
            if own and column_type.is_whole(table.by_name[column].type):
                yield table, column


class _Sequence(msgspec.Struct, frozen=True):
    """A sequence: its schema and name, and by how much it goes on; by less than nothing where it goes downwards."""

    schema: str
    name: str
    step: int

    @property
    def upwards(self) -> bool:
        """Tell whether it goes upwards."""
        return self.step > 0

    def last(self, connection: _Connection) -> int:
        """Give the number that it gave out last; where it has given nothing yet, the one before its first."""
        row = connection.execute(sequence_sql.last(self.schema, self.name)).fetchone()
        assert row is not None  # noqa: S101 -- a sequence has its row
        return int(row[0]) if row[1] else int(row[0]) - self.step


def _sequences(connection: _Connection, table: Table, column: str) -> list[_Sequence]:
    facts = {"table": qualified(table).as_string(connection), "column": column}
    return [_Sequence(*row) for row in connection.execute(_STATEMENTS["sequences"], facts)]


def _raise(target: _Connection, sequence: _Sequence, *, of: str, given: int) -> Raised:
    before = after = sequence.last(target)
    ahead = given - before if sequence.upwards else before - given
    if ahead > 0:
        named = Identifier(sequence.schema, sequence.name).as_string(target)
        count = -(-ahead // abs(sequence.step))
        if count <= _DRAWN:
            target.execute(_STATEMENTS["draw"], {"count": count, "sequence": named})
        else:
            target.execute(_STATEMENTS["set"], {"value": given, "sequence": named})
        after = sequence.last(target)
    return Raised(f"{sequence.schema}.{sequence.name}", of, given, before, after)


def _given(source: _Connection, table: Table, column: str, *, upwards: bool) -> int | None:
    """Give the farthest number that the source gave out, as its sequences know it and its rows show it.

    Rows are not asked where only a look at each of them would tell, and a sequence knows. One that goes the other way
    says nothing: it began where this one ends.
    """
    farthest = max if upwards else min
    known = [each.last(source) for each in _sequences(source, table, column) if each.upwards == upwards]
    if not known or column == table.key[0]:
        row = source.execute(sequence_sql.farthest(table, column, upwards=upwards)).fetchone()
        known += [row[0]] if row and row[0] is not None else []
    return farthest(known, default=None)
