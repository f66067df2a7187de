"""Taking a move's rows away from the target again, in one transaction, and proving that they are gone.

The events:

1. A process of the move still applies a batch: it holds the move's row at the target, so it is waited for; whoever
   comes after finds another incarnation there, and nothing of his is applied.
2. A row of the target's own refers to an object that was brought (a shared profile): that object stays, and the key map
   goes on to know it, so that a second try finds it.
3. Another move has brought the same object too: it stays.
4. The command is killed here: nothing was done, or everything, and it can be done again.
5. Somebody else wrote rows of the property there, or rows that hold the property's: they are named, nothing is done.
6. The property was at the target before, with a configuration of its own: that stays. Else it goes as well.
7. Testers were in: what they made of the property goes with the rest (`testers`), or alone (`take_away`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from psycopg import errors
from psycopg.sql import SQL, Identifier

from slacktide.core.errors import OutsideError
from slacktide.guard import closing
from slacktide.plan.order import closing_columns
from slacktide.postgres import sql
from slacktide.postgres.fitting import fitting
from slacktide.transfer import clearing_sql as statement
from slacktide.transfer import emptiness

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.transfer.move import Move

_STATEMENTS = sql.load(__package__, "clearing.sql")
_MOVER = SQL("set local role {}").format(Identifier("slacktide_mover"))


class TargetNotCleared(OutsideError):
    """The target's rows of {property!r} cannot be taken away: {reason}. Mend that there, then `slacktide move downtime abandon {move} --yes {code} --reason TEXT`."""  # noqa: E501 -- the message is one sentence


class Cleared(msgspec.Struct):
    """What was taken away: rows by table; objects that stay because others refer to them; the configuration's fate.

    `number` and `incarnation` are those of the target afterwards: what is carried next has to come behind them.
    """

    rows: dict[str, int] = {}
    kept: dict[str, int] = {}
    derived: int = 0
    configuration: str = ""
    incarnation: int = 0
    number: int = 0


def end_connections(connection: psycopg.Connection[TupleRow], *, move: str, doing: Collection[str]) -> int:
    """End the connections to this database by which a move does one of these things; give how many there were."""
    return connection.execute(
        _STATEMENTS["end_connections"], {"names": [fitting(f"slacktide {move} {what}") for what in doing]}
    ).rowcount


def clear(
    target: psycopg.Connection[TupleRow],
    *,
    move: Move,
    derived: Callable[[psycopg.Connection[TupleRow]], int],
    epoch: int | None,
    testers: bool = False,
) -> Cleared:
    """Take everything away; `derived` takes away what the kind of property made of it.

    With `testers` the rows go, too, that the key map does not know. The guard's epoch was read before it was seen that
    the move is given up: whoever was held up since then must not clear a target that a second try has opened.

    Raises TargetNotCleared, Overtaken.
    """
    try:
        with target.transaction():
            if epoch is not None:
                closing.hold(target, organization=move.target_property, epoch=epoch)
            return _Clearing(target, move, testers=testers).all(derived)
    except errors.IntegrityError as error:
        reason = " ".join(str(error).split())
        raise _not_cleared(move, reason) from error


def take_away(target: psycopg.Connection[TupleRow], *, move: Move) -> int:
    """Take away the objects of the property that the key map does not know, as the mover; give the number of rows.

    Where something refers to one of them, the database's IntegrityError comes up, and all of them stay.
    """
    with target.transaction():
        return _Clearing(target, move, testers=True).unknown()


def _not_cleared(move: Move, reason: str) -> TargetNotCleared:
    return TargetNotCleared(property=move.target_property, reason=reason, move=move.name, code=move.property_code)


def pass_by(target: psycopg.Connection[TupleRow], *, move: Move) -> Cleared:
    """Take nothing away, but let nothing be applied that was carried before: what is there was there before."""
    done = Cleared(configuration="stays: the property was there before")
    row = target.execute(_STATEMENTS["pass_by"], {"move": move.name}).fetchone()
    if row is not None:
        _, done.incarnation, done.number = row
    return done


class _Clearing:
    """One clearing, in its transaction."""

    def __init__(self, target: psycopg.Connection[TupleRow], move: Move, *, testers: bool) -> None:
        self._target, self._move, self._plan, self._testers = target, move, move.plan, testers
        self._done = Cleared()

    def all(self, derived: Callable[[psycopg.Connection[TupleRow]], int]) -> Cleared:
        """Take everything away, in the reverse order of references, and prove it."""
        row = self._target.execute(_STATEMENTS["pass_by"], {"move": self._move.name}).fetchone()
        if row is None:
            return self._done  # it was never prepared
        self._move_no, self._done.incarnation, self._done.number = row
        self._done.derived = derived(self._target)
        self._target.execute(_MOVER)
        self._list()
        self._delete()
        self._target.execute("reset role")
        self._done.configuration = self._configuration()
        self._prove()
        return self._done

    def _list(self) -> None:
        """List what goes: all that the key map knows, but for that to which something refers that stays."""
        self._target.execute(statement.make_going())
        for entity in self._plan.moving:
            self._target.execute(statement.fill_going(entity), {"move_no": self._move_no})
        if self._testers:
            self._list_unknown()
        self._target.execute(statement.analyze_going())
        keeping = True
        while keeping:
            keeping = False
            for entity in self._plan.moving:
                query = statement.keep_referred(self._plan, entity)
                kept = self._target.execute(query).rowcount if query else 0
                self._done.kept[entity.name] = self._done.kept.get(entity.name, 0) + kept
                keeping = keeping or kept > 0
        self._done.kept = {name: count for name, count in self._done.kept.items() if count}

    def _list_unknown(self) -> None:
        facts = {"move_no": self._move_no, "property": self._move.target_property}
        for entity in (entity for entity in self._plan.moving if not entity.shared):
            self._target.execute(statement.fill_unknown(self._plan, entity), facts)

    def unknown(self) -> int:
        """Take away what the key map does not know, and nothing else."""
        self._move_no, *_ = self._target.execute(_STATEMENTS["stand"], {"move": self._move.name}).fetchone() or (0,)
        self._target.execute(_MOVER)
        self._target.execute(statement.make_going())
        self._list_unknown()
        self._delete_rows()
        return sum(self._done.rows.values())

    def _delete_rows(self) -> None:
        for name, columns in closing_columns(self._plan.moving).items():
            for column in columns:
                self._target.execute(statement.clear_closing(self._plan, self._plan.table[name], column))
        for table in reversed(self._plan.table.values()):
            self._done.rows[table.qualified] = self._target.execute(statement.delete(self._plan, table)).rowcount

    def _delete(self) -> None:
        self._delete_rows()
        for table in self._plan.table.values():
            (left,) = self._target.execute(statement.left(self._plan, table)).fetchone() or (0,)
            if left:
                raise _not_cleared(self._move, f"{left} rows of {table.qualified} are still there")
            if table.mapped:
                self._target.execute(statement.forget(table), {"move_no": self._move_no})
        self._target.execute(_STATEMENTS["forget_content"], {"move_no": self._move_no})

    def _configuration(self) -> str:
        """Take the configuration away if all of it came with this move; say what became of it."""
        move, plan = self._move, self._plan
        if not _brought_the_property(move):
            return "stays: the property was there before"
        facts = {"property": move.target_property}
        try:
            with self._target.transaction():
                for entity in reversed(plan.configuration):
                    if entity.root.property_column is None and entity.via is None:
                        continue  # everybody's
                    for table in reversed(entity.tables):
                        query = statement.of_property(plan, entity, table, what=SQL("delete from"))
                        self._done.rows[table.qualified] = self._target.execute(query, facts).rowcount
                self._target.execute(statement.delete_property(plan.property), facts)
        except errors.ForeignKeyViolation as error:
            return f"stays: something else refers to it: {' '.join(str(error).split())}"
        return "gone"

    def _prove(self) -> None:
        """See that no row of the property is left, whoever wrote it: no move has the empty name."""
        move = self._move
        found = emptiness.check(self._target, plan=self._plan, target_property=move.target_property, move="")
        if found:
            listed = ", ".join(f"{one.count} of {one.table} (one has the key {one.example})" for one in found)
            raise _not_cleared(move, f"there are still rows of the property: {listed}")


def _brought_the_property(move: Move) -> bool:
    """Tell whether the property's own row at the target was written by this move."""
    copied: list[dict[str, Any]] = (move.facts.get("configuration") or {}).get("copied", [])
    at = move.plan.property
    name, title = f"{at.schema}.{at.table}", f"The property {move.target_property}"
    return any((one["name"], one["title"], one["written"]) == (name, title, 1) for one in copied)
