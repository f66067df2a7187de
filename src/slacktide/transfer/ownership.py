"""Whose a row is that has the kept key of a part: before the part is written, so that nothing of another's is changed.

A part whose key is neither drawn nor holds its root's is looked for by that key alone. The events:

1. Another property's row has the key at the target: it is not written over; the object fails and names whose it is.
2. A part moved to another object of the batch: the one that has it is written as well and lets go of it, or it goes.
3. That one is not in the batch, or failed in it: it has the row still, so the other one fails, and comes again when
   what stood in the way has moved.
4. A mapping makes the keys of two objects' parts one: whoever has the row keeps it, else the first; the other fails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from slacktide.postgres import sql
from slacktide.transfer import target_sql
from slacktide.transfer.entry import ANYTHING, Problem
from slacktide.transfer.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.plan.model import Plan, Table
    from slacktide.transfer.message import BusinessObject
    from slacktide.transfer.sweep import Going
    from slacktide.transfer.translation import Name, Translation

_STATEMENTS = sql.load(__package__, "target.sql")
_WAY_OUT = "give one of the two another key"


def has_own_key(table: Table) -> bool:
    """Tell whether a part's kept key does not say whose it is."""
    return not table.mapped and table.root not in table.key


class Ownership:
    """Judges the staged rows of one batch."""

    def __init__(
        self, connection: psycopg.Connection[TupleRow], *, plan: Plan, translation: Translation, move_no: int
    ) -> None:
        """Take the connection, inside the batch's transaction."""
        self._connection, self._plan, self._translation, self._move_no = connection, plan, translation, move_no
        self._tables = [table for table in plan.table.values() if has_own_key(table)]

    def require(self, *, new: Sequence[BusinessObject], changed: Sequence[BusinessObject], gone: Going) -> None:
        """See that no staged row has the key of another object's. Raises Refused."""
        for problem in self.problems(new=new, changed=changed, gone=gone).values():
            raise Refused(reason=problem.reason)

    def problems(
        self, *, new: Sequence[BusinessObject], changed: Sequence[BusinessObject], gone: Going
    ) -> dict[Name, Problem]:
        """Give the objects of which a staged row has the key of another object's, with the reason."""
        found: dict[Name, Problem] = {}
        letting_go = {(item.entity.name, self._root(item)) for item in changed}
        letting_go |= {(name, target) for name, keys in gone.items() for target in keys.values()}
        items = {(item.entity.name, self._root(item)): item for item in (*changed, *new)}
        for table in self._tables:
            entity = self._plan.entity_of[table.name].name
            for root, reason in {**self._twice(table, [*items]), **self._held(table, letting_go)}.items():
                name = (entity, items[entity, root].key)
                found[name] = Problem(*name, "failed", str(Refused(reason=reason)), ANYTHING)
        return found

    def _root(self, item: BusinessObject) -> str:
        return self._translation.keys[item.entity.name][item.key]

    def _held(self, table: Table, letting_go: set[Name]) -> dict[str, str]:
        """Give the roots that want a row which another one has and does not let go of, with the reason."""
        entity = self._plan.entity_of[table.name].name
        rows = self._connection.execute(target_sql.held_by_others(self._plan, table)).fetchall()
        return {
            root: f"{_shown(table, key)} is there already, as a row of {self._named(entity, holder, whose)}: {_WAY_OUT}"
            for key, root, holder, whose, keeps in rows
            if keeps or (entity, holder) not in letting_go
        }

    def _twice(self, table: Table, order: list[Name]) -> dict[str, str]:
        """Give the roots that want a row which another one of the batch wants as well, but for the first of them.

        Where one of them has it already, that one is not among them: it is found by what it has.
        """
        entity = self._plan.entity_of[table.name].name
        found: dict[str, str] = {}
        for key, roots, held in self._connection.execute(target_sql.wanted_twice(table)).fetchall():
            first, *others = sorted(roots, key=lambda root: (root not in held, order.index((entity, root))))
            for root in others:
                other = self._named(entity, first, None)
                found[root] = f"{_shown(table, key)} would be a row of {other} as well: {_WAY_OUT}"
        return found

    def _named(self, entity: str, root: str, whose: str | None) -> str:
        """Name an object at the target by the key that it has at the source, if the move brought it."""
        keys = self._translation.keys[entity]
        source = next((key for key, target in keys.items() if target == root), None)
        if source is None:
            facts = {"move_no": self._move_no, "name": entity, "key": root}
            row = self._connection.execute(_STATEMENTS["source_key"], facts).fetchone()
            source = row[0] if row else None
        of = f" of the property {whose!r}" if whose is not None else ""
        return f"{entity} {source!r}" if source is not None else f"{entity} {root!r}{of} at the target"


def _shown(table: Table, key: list[str]) -> str:
    columns = ", ".join(f"{column} {value!r}" for column, value in zip(table.key, key, strict=True))
    return f"{columns} of {table.qualified}"
