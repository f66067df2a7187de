"""The statements of one batch at the target, in their order.

Unknown objects go straight into their tables by COPY. Changed ones go through staging: what they set free is parked,
they are upserted table by table in the order of references, and what is gone is deleted last, in the reverse order.

What the target refuses is found by halves (`in_pieces`), and all is written again without it and without what refers to
it, so that nothing of it, and nothing that was parked for it, stays behind. What is due at the commit is judged before.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from slacktide.core.piece import pieces
from slacktide.postgres import sql
from slacktide.transfer import target_sql
from slacktide.transfer.entry import ANYTHING, Problem
from slacktide.transfer.gathering import Gathered
from slacktide.transfer.message import NULL, escape
from slacktide.transfer.ownership import Ownership
from slacktide.transfer.refusal import BugFound, Refused, refusals
from slacktide.transfer.translation import plain

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator, Sequence

    import psycopg
    from psycopg.rows import TupleRow
    from psycopg.sql import Composed

    from slacktide.plan.model import Plan, Table
    from slacktide.plan.parking import Parking
    from slacktide.transfer.message import BusinessObject
    from slacktide.transfer.sweep import Going, Sweep
    from slacktide.transfer.translation import Name, Translation

_STATEMENTS = sql.load(__package__, "target.sql")
_RENEW_FROM = 5000  # rows that were staged in a table and deleted again
_COPIED_TOGETHER = 2000  # lines
_JUDGE, _DEFER = "set constraints all immediate", "set constraints all deferred"
_ANALYZE_FROM = 500  # staged rows; below, a plan without statistics does as well


class _Undone(Exception):
    """Not an error: it rolls a savepoint back."""


class _Going(msgspec.Struct, frozen=True):
    """An object that goes."""

    entity: str
    key: str
    target_key: str


class Writing:
    """Writes the objects of one batch; keys are translated already."""

    def __init__(
        self, connection: psycopg.Connection[TupleRow], *, plan: Plan, translation: Translation,
        parking: Mapping[str, tuple[Parking, ...]], sweep: Sweep, move_no: int, batch: int, staged: Counter[str],
        kept: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        """Take the connection, inside the batch's transaction; `staged` counts rows until a stage is renewed."""
        self._returning, self._facts = kept is not None, {"move_no": move_no, **(kept or {})}
        self._staged, self._used, self._judged = staged, set[str](), False
        self._connection, self._plan, self._translation, self._sweep = connection, plan, translation, sweep
        self._parking, self._move_no, self._batch = parking, move_no, batch
        self._tables = list(plan.table.values())
        self._ownership = Ownership(connection, plan=plan, translation=translation, move_no=move_no)

    def _run(self, statement: Composed, **values: Any) -> list[str]:
        cursor = self._connection.execute(statement, values)
        return [key for (key,) in cursor] if cursor.description else []

    def write(
        self,
        *,
        new: list[BusinessObject],
        changed: list[BusinessObject],
        gone: Going,
        left_out: Mapping[Name, Problem] | None = None,
    ) -> None:
        """Write all at once, and delete what goes and what has come loose, but for what is left out. Raises Refused.

        Then nothing of it stands, in the caller's savepoint.
        """
        left_out = left_out or {}
        with refusals():
            rows = self._gather(new, changed)
            self._stage(rows)
            self._ownership.require(new=new, changed=changed, gone=gone)
            self._park(rows, gone)
            self._put(rows)
            self._close(rows)
            self._map(new, changed)
            loose = self._sweep.loose(written=[*new, *changed], gone=gone, changed_roots=rows.changed_roots)
            self.delete(_both(gone, _left(loose, left_out)), changed_roots=rows.changed_roots)
            self._connection.execute(_JUDGE)
            self._unstage()

    # -- in pieces ---------------------------------------------------------------------------------------------------

    def in_pieces(
        self, *, new: list[BusinessObject], changed: list[BusinessObject], gone: Going, problems: list[Problem]
    ) -> list[BusinessObject]:
        """Write what the target takes and name what it refuses; give the objects that were written."""
        left_out: dict[Name, Problem] = {}
        items = self._in_order([*new, *changed])
        while True:
            new, changed = _without(new, left_out), _without(changed, left_out)
            gone = _left(gone, left_out)
            if left_out:
                with contextlib.suppress(Refused), self._connection.transaction():
                    self.write(new=new, changed=changed, gone=gone, left_out=left_out)
                    problems += left_out.values()
                    return [*new, *changed]
            left_out |= self._refused(new, changed, gone)
            self._add_waiting(items, left_out)

    def _refused(self, new: list[BusinessObject], changed: list[BusinessObject], gone: Going) -> dict[Name, Problem]:
        """Find what the target refuses, in a savepoint of which nothing stays.

        What it judges at the commit it judges of objects together: these are searched only where it refuses no other.
        """
        refused = self._of_others(new, changed, gone)
        if refused:
            return refused
        for self._judged in (False, True):
            with contextlib.suppress(_Undone), self._connection.transaction(), self._translation.cut_apart():
                self._find_refused(new, changed, gone, refused)
                raise _Undone
            if refused:
                return refused
        raise BugFound(objects=len(new) + len(changed))

    def _of_others(self, new: list[BusinessObject], changed: list[BusinessObject], gone: Going) -> dict[Name, Problem]:
        """Find what would write over another object's row; nothing if staging is refused: the halves find by what."""
        with contextlib.suppress(Refused), refusals(), self._connection.transaction(force_rollback=True):
            self._stage(self._gather(new, changed))
            return self._ownership.problems(new=new, changed=changed, gone=gone)
        return {}

    def _find_refused(
        self, new: list[BusinessObject], changed: list[BusinessObject], gone: Going, refused: dict[Name, Problem]
    ) -> None:
        """Park, put, close and delete by halves, up to the first of these steps that refuses something."""
        rows, fresh = self._gather([], changed), {id(item) for item in new}
        items = self._in_order([*new, *changed])
        self._halves([*changed, *_going(gone)], self._park_only, refused)
        if not refused:
            self._halves(items, lambda part: self._put_only(part, fresh), refused)
        if not refused:
            self._halves(items, lambda part: self._close(self._gather(list(part), [])), refused)
        if not refused:
            self._unstage()
            self._stage(rows)
            loose = self._sweep.loose(written=items, gone=gone, changed_roots=rows.changed_roots)
            going = self._in_order([*changed, *_going(_both(gone, loose))])
            self._halves([*reversed(going)], self._delete_only, refused)

    def _in_order(self, items: Sequence[Any]) -> list[Any]:
        order = {entity.name: n for n, entity in enumerate(self._plan.moving)}
        return sorted(items, key=lambda item: order[_name(item)[0]])

    def _halves(
        self,
        items: Sequence[Any],
        write: Callable[[Sequence[Any]], None],
        refused: dict[Name, Problem],
    ) -> list[Any]:
        """Write items in their order; halve what is refused until single objects are. Give those that were written."""
        if not items:
            return []
        try:
            with self._connection.transaction(), refusals():
                if self._judged:
                    self._connection.execute(_DEFER)
                write(items)
                if self._judged:
                    self._connection.execute(_JUDGE)
        except Refused as error:
            if len(items) == 1:
                problem = _problem(items[0], error)
                refused[problem.entity, problem.key] = problem
                return []
            half = len(items) // 2
            return self._halves(items[:half], write, refused) + self._halves(items[half:], write, refused)
        return list(items)

    def _park_only(self, items: Sequence[BusinessObject | _Going]) -> None:
        changed, gone = _apart(items)
        self._unstage()
        self._stage(rows := self._gather([], changed))
        self._park(rows, gone)

    def _put_only(self, items: Sequence[BusinessObject], fresh: set[int]) -> None:
        self._unstage()
        rows = self._gather([i for i in items if id(i) in fresh], [i for i in items if id(i) not in fresh])
        self._stage(rows)
        self._put(rows)

    def _delete_only(self, items: Sequence[BusinessObject | _Going]) -> None:
        changed, gone = _apart(items)
        roots: dict[str, list[str]] = defaultdict(list)
        for item in changed:
            roots[item.entity.name].append(self._translation.keys[item.entity.name][item.key])
        self.delete(gone, changed_roots=roots)

    def _add_waiting(self, items: list[BusinessObject], left_out: dict[Name, Problem]) -> None:
        """Leave out, again and again, what refers to something new that is left out.

        What the target refused only because of such an object waits as well.
        """
        translation = self._translation
        missing: dict[Name, Name] = {}
        before = -1
        while before < len(missing):
            before = len(missing)
            for item in items:
                own = _name(item)
                awaited = next((name for name in translation.asks(item) if missing.get(name, own) != own), None)
                if awaited and (own not in left_out or left_out[own].waits_for == ANYTHING):
                    reason = f"it refers to {awaited[0]} {awaited[1]!r}, which failed"
                    left_out[own] = Problem(*own, "waiting", reason, missing[awaited])
                if own in left_out:
                    missing |= {n: own for n in translation.provides(item) if n[1] in translation.fresh[n[0]]}

    def _unstage(self) -> None:
        """Empty the staging tables that the batch used; now and then with the space of what was deleted before.

        All of them each time: the savepoint in which they were emptied may have been rolled back.
        """
        for name in self._used:
            table = self._plan.table[name]
            if self._staged[name] < _RENEW_FROM:
                self._connection.execute(target_sql.empty_stage(table))
            else:
                self._connection.execute(target_sql.renew_stage(table))
                self._staged[name] = 0

    # -- the steps ---------------------------------------------------------------------------------------------------

    def _gather(self, new: list[BusinessObject], changed: list[BusinessObject]) -> Gathered:
        return Gathered(self._translation).add(new=new, changed=changed)

    def _stage(self, rows: Gathered) -> None:
        for name, lines in rows.staged.items():
            table = self._plan.table[name]
            self._used.add(name)
            self._staged[name] += len(lines)
            self._copy(target_sql.copy_in(table, staged=True), lines)
            if len(lines) >= _ANALYZE_FROM:
                self._connection.execute(target_sql.analyze_stage(table))
            if self._returning and target_sql.codes_in_key(table):
                self._run(target_sql.keep_codes(table), **self._facts)

    def _copy(self, statement: Composed, lines: list[str]) -> None:
        with self._connection.cursor().copy(statement) as copy:
            for some in pieces(lines, size=_COPIED_TOGETHER):
                copy.write(("\n".join(some) + "\n").encode())

    def _park(self, rows: Gathered, gone: Going) -> None:
        for table in self._tables:
            entity = self._plan.entity_of[table.name].name
            roots, leaving = rows.changed_roots.get(entity), list(gone.get(entity, {}).values())
            for parking in self._parking.get(table.name, ()):
                if rows.staged.get(table.name):
                    self._run(target_sql.park_changing(table, parking))
                if roots and table.root:
                    self._run(target_sql.park_gone_parts(self._plan, table, parking), keys=roots)
                if leaving:
                    self._run(target_sql.park_of_roots(self._plan, table, parking), keys=leaving)

    def _put(self, rows: Gathered) -> None:
        for table in self._tables:
            if lines := rows.copied.get(table.name):
                self._copy(target_sql.copy_in(table, staged=False), lines)
            if rows.staged.get(table.name):
                closing = tuple(table.columns[at].name for at in self._translation.layouts[table.name].closing)
                self._run(target_sql.upsert(table, closing, returning=self._returning), **self._facts)

    def _close(self, rows: Gathered) -> None:
        for (name, at), entries in rows.closing.items():
            table = self._plan.table[name]
            keys = {f"key_{n}": [plain(key[n]) for key, _ in entries] for n in range(len(table.key))}
            values = [None if value == NULL else plain(value) for _, value in entries]
            query = target_sql.close(table, table.columns[at].name, returning=self._returning)
            self._run(query, values=values, **keys, **self._facts)

    def delete(self, gone: Going, *, changed_roots: Mapping[str, list[str]] | None = None) -> None:
        """Delete the parts that are gone from written objects, and objects that go, and forget them.

        Each table once, in the reverse order of references: an invoice's line that goes names a posting that goes
        from a booking that stays. What leads to a part that goes, and is left null then, need not be in the batch: the
        source has no foreign key there, or lost a partition, and no change of it is told.
        """
        changed_roots = changed_roots or {}
        going = {name: list(keys.values()) for name, keys in gone.items() if keys}
        for table, reference, part in target_sql.left_null(self._plan):
            for keys, staying in ((going, False), (changed_roots, True)):
                if roots := keys.get(reference.entity):
                    statement = target_sql.leave_null(self._plan, table, reference.column, part, staying=staying)
                    self._run(statement, keys=roots)
        for table in self._tables:
            roots = going.get(self._plan.entity_of[table.name].name)
            for at in self._translation.layouts[table.name].closing if roots else ():
                self._run(target_sql.clear_closing(self._plan, table, table.columns[at].name), keys=roots)
        for table in reversed(self._tables):
            name = self._plan.entity_of[table.name].name
            if changed_roots.get(name) and table.root:
                self._forget(
                    table, self._run(target_sql.delete_gone_parts(self._plan, table), keys=changed_roots[name])
                )
            if going.get(name):
                self._forget(table, self._run(target_sql.delete_of_roots(self._plan, table), keys=going[name]))

    def _forget(self, table: Table, keys: list[str]) -> None:
        if table.mapped and keys:
            self._connection.execute(
                _STATEMENTS["forget"], {"move_no": self._move_no, "name": table.name, "keys": keys}
            )

    # -- the key map -------------------------------------------------------------------------------------------------

    def _map(self, new: list[BusinessObject], changed: list[BusinessObject]) -> None:
        lines: list[str] = []
        for item in (*new, *changed):
            lines += self._entries(item)
        if lines:
            self._copy(target_sql.COPY_KEY_MAP, lines)
        if changed:
            self._connection.execute(
                _STATEMENTS["renew"],
                {
                    "move_no": self._move_no, "batch": self._batch,
                    "names": [o.entity.name for o in changed], "keys": [o.key for o in changed],
                    "hashes": [o.hash for o in changed], "outside": [o.outside for o in changed],
                },
            )  # fmt: skip

    def _entries(self, item: BusinessObject) -> Iterator[str]:
        outside = "t" if item.outside else "f"
        for name, key in self._translation.provides(item):
            if key in self._translation.fresh[name]:
                content = item.hash if name == item.entity.name else NULL
                target_key = escape(self._translation.keys[name][key])
                yield f"{self._move_no}\t{name}\t{escape(key)}\t{target_key}\t{content}\t{outside}\t{self._batch}"


def _without(items: list[BusinessObject], left_out: Mapping[Name, Problem]) -> list[BusinessObject]:
    return [item for item in items if _name(item) not in left_out]


def _left(objects: Going, left_out: Mapping[Name, Problem]) -> Going:
    return {n: {k: target for k, target in keys.items() if (n, k) not in left_out} for n, keys in objects.items()}


def _both(one: Going, other: Going) -> Going:
    return {name: {**one.get(name, {}), **other.get(name, {})} for name in one.keys() | other.keys()}


def _going(gone: Going) -> list[_Going]:
    return [_Going(name, key, target) for name, keys in gone.items() for key, target in keys.items()]


def _apart(items: Sequence[BusinessObject | _Going]) -> tuple[list[BusinessObject], dict[str, dict[str, str]]]:
    """Tell objects that change from those that go."""
    gone: dict[str, dict[str, str]] = defaultdict(dict)
    for item in items:
        if isinstance(item, _Going):
            gone[item.entity][item.key] = item.target_key
    return [item for item in items if not isinstance(item, _Going)], gone


def _name(item: BusinessObject | _Going) -> Name:
    return (item.entity, item.key) if isinstance(item, _Going) else (item.entity.name, item.key)


def _problem(item: BusinessObject | _Going, refused: Refused) -> Problem:
    said = f"it should go, and {refused}" if isinstance(item, _Going) else str(refused)
    return Problem(*_name(item), "failed", said, ANYTHING if refused.conflict else None)
