"""The statements of one batch at the target, in their order.

Unknown objects go straight into their tables by COPY. Changed ones go through staging: what they set free is parked,
they are upserted table by table in the order of references, and what is gone is deleted last, in the reverse order.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from psycopg import errors

from slacktide.core.errors import OutsideError
from slacktide.postgres import sql
from slacktide.transfer import target_sql
from slacktide.transfer.journal import Problem
from slacktide.transfer.message import NULL, escape
from slacktide.transfer.translation import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import psycopg
    from psycopg.rows import TupleRow
    from psycopg.sql import Composed

    from slacktide.plan.model import Entity, Plan, Table
    from slacktide.plan.parking import Parking
    from slacktide.transfer.message import BusinessObject
    from slacktide.transfer.translation import Layout, Name, Translation

_STATEMENTS = sql.load(__package__, "target.sql")
_ANALYZE_FROM = 500  # staged rows; below, a plan without statistics does as well
_REFUSALS = (errors.IntegrityError, errors.DataError, errors.RaiseException, errors.CheckViolation)


class Refused(OutsideError):
    """The target refuses: {reason}."""


class _Gathered:
    """The rows of some objects, by table, in COPY's text form."""

    def __init__(self) -> None:
        self.copied: dict[str, list[str]] = defaultdict(list)
        self.staged: dict[str, list[str]] = defaultdict(list)
        self.closing: dict[tuple[str, int], list[tuple[list[str], str]]] = defaultdict(list)
        self.changed_roots: dict[str, list[str]] = defaultdict(list)


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except _REFUSALS as error:
        raise Refused(reason=" ".join(str(error).split())) from error


class Writing:
    """Writes the objects of one batch; keys are translated already."""

    def __init__(
        self, connection: psycopg.Connection[TupleRow], *, plan: Plan, translation: Translation,
        parking: Mapping[str, tuple[Parking, ...]], move_no: int, batch: int,
    ) -> None:  # fmt: skip
        """Take the connection, inside the batch's transaction."""
        self._connection, self._plan, self._translation = connection, plan, translation
        self._parking, self._move_no, self._batch = parking, move_no, batch
        self._tables = list(plan.table.values())

    def _run(self, statement: Composed, **values: Any) -> list[str]:
        cursor = self._connection.execute(statement, values)
        return [key for (key,) in cursor] if cursor.description else []

    def write(
        self,
        *,
        new: list[BusinessObject],
        changed: list[BusinessObject],
        gone: Mapping[str, Mapping[str, str]],
    ) -> None:
        """Write all at once. Raises Refused; then nothing of it stands, in the caller's savepoint."""
        with _refusals():
            rows = self._gather(new, changed)
            self._stage(rows)
            self._park(rows, gone)
            self._put(rows)
            self._close(rows)
            self._map(new, changed)
            self._delete_gone_parts(rows)
            for name, keys in gone.items():
                self._clear(self._plan.entity[name], list(keys.values()))
            for entity in reversed(self._plan.moving):
                self.delete(entity, list(gone.get(entity.name, {}).values()))

    def in_pieces(
        self, *, new: list[BusinessObject], changed: list[BusinessObject], gone: Mapping[str, Mapping[str, str]],
        problems: list[Problem],
    ) -> list[BusinessObject]:  # fmt: skip
        """Write what the target takes and name what it refuses; give the objects that were written."""
        with self._connection.transaction():
            rows = self._gather([], changed)
            self._stage(rows)
            self._park(rows, gone)
            self._unstage()
        is_new = {id(item) for item in new}
        order = {entity.name: n for n, entity in enumerate(self._plan.moving)}
        items = sorted((*new, *changed), key=lambda item: order[item.entity.name])
        failed: dict[Name, BusinessObject] = {}
        done = self._halves(items, is_new, failed, problems)
        self._delete_pieces(gone, problems)
        return done

    # -- in pieces --------------------------------------------------------------------------------------------------------

    def _halves(
        self,
        items: list[BusinessObject],
        is_new: set[int],
        failed: dict[Name, BusinessObject],
        problems: list[Problem],
    ) -> list[BusinessObject]:
        """Write items in the order of references; halve what is refused until single objects are."""
        items = self._without_waiting(items, failed, problems)
        if not items:
            return []
        try:
            with self._connection.transaction():
                self.write(
                    new=[i for i in items if id(i) in is_new],
                    changed=[i for i in items if id(i) not in is_new],
                    gone={},
                )
                self._unstage()
        except Refused as refused:
            if len(items) == 1:
                problems.append(Problem(items[0].entity.name, items[0].key, "failed", str(refused)))
                failed.update(
                    (name, items[0])
                    for name in self._translation.provides(items[0])
                    if name[1] in self._translation.fresh[name[0]]
                )
                return []
            half = len(items) // 2
            first = self._halves(items[:half], is_new, failed, problems)
            return first + self._halves(items[half:], is_new, failed, problems)
        return items

    def _without_waiting(
        self, items: list[BusinessObject], failed: dict[Name, BusinessObject], problems: list[Problem]
    ) -> list[BusinessObject]:
        staying = []
        for item in items:
            missing = next((name for name in self._translation.asks(item) if name in failed), None) if failed else None
            if missing is None or failed[missing] is item:
                staying.append(item)
            else:
                reason = f"it refers to {missing[0]} {missing[1]!r}, which failed"
                problems.append(Problem(item.entity.name, item.key, "waiting", reason, missing))
                failed.update(
                    (name, item)
                    for name in self._translation.provides(item)
                    if name[1] in self._translation.fresh[name[0]]
                )
        return staying

    def _delete_pieces(self, gone: Mapping[str, Mapping[str, str]], problems: list[Problem]) -> None:
        for entity in reversed(self._plan.moving):
            for key, target_key in gone.get(entity.name, {}).items():
                try:
                    with self._connection.transaction(), _refusals():
                        self._clear(entity, [target_key])
                        self.delete(entity, [target_key])
                except Refused as refused:
                    problems.append(Problem(entity.name, key, "failed", f"it is gone at the source, and {refused}"))

    def _unstage(self) -> None:
        for table in self._tables:
            self._connection.execute(target_sql.empty_stage(table))

    # -- the steps ----------------------------------------------------------------------------------------------------------

    def _gather(self, new: list[BusinessObject], changed: list[BusinessObject]) -> _Gathered:
        rows = _Gathered()
        for item in new:
            for layout, values in self._translation.rows(item):
                self._add(rows, layout, values, straight=self._is_fresh(layout, values))
        for item in changed:
            rows.changed_roots[item.entity.name].append(self._translation.keys[item.entity.name][item.key])
            for layout, values in self._translation.rows(item):
                self._add(rows, layout, values, straight=False)
        return rows

    def _is_fresh(self, layout: Layout, values: list[str]) -> bool:
        """Tell whether a row of a new object is surely not at the target: else it may have moved here."""
        if layout.own is None:
            return layout.table.root is None or layout.table.root in layout.table.key
        return plain(values[layout.own]) in self._translation.fresh[layout.table.name]

    def _add(self, rows: _Gathered, layout: Layout, values: list[str], *, straight: bool) -> None:
        row = self._translation.row(layout, values)
        for at in layout.closing:
            if row[at] != NULL or not straight:
                rows.closing[layout.table.name, at].append(([row[k] for k in layout.key], row[at]))
            row[at] = NULL
        (rows.copied if straight else rows.staged)[layout.table.name].append("\t".join(row))

    def _stage(self, rows: _Gathered) -> None:
        for name, lines in rows.staged.items():
            table = self._plan.table[name]
            self._copy(target_sql.copy_in(table, staged=True), lines)
            if len(lines) >= _ANALYZE_FROM:
                self._connection.execute(target_sql.analyze_stage(table))

    def _copy(self, statement: Composed, lines: list[str]) -> None:
        with self._connection.cursor().copy(statement) as copy:
            copy.write(("\n".join(lines) + "\n").encode())

    def _park(self, rows: _Gathered, gone: Mapping[str, Mapping[str, str]]) -> None:
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

    def _put(self, rows: _Gathered) -> None:
        for table in self._tables:
            if lines := rows.copied.get(table.name):
                self._copy(target_sql.copy_in(table, staged=False), lines)
            if rows.staged.get(table.name):
                closing = tuple(table.columns[at].name for at in self._translation.layouts[table.name].closing)
                self._run(target_sql.upsert(table, closing))

    def _close(self, rows: _Gathered) -> None:
        for (name, at), entries in rows.closing.items():
            table = self._plan.table[name]
            keys = {f"key_{n}": [plain(key[n]) for key, _ in entries] for n in range(len(table.key))}
            values = [None if value == NULL else plain(value) for _, value in entries]
            self._run(target_sql.close(table, table.columns[at].name), values=values, **keys)

    def _delete_gone_parts(self, rows: _Gathered) -> None:
        for table in reversed(self._tables):
            roots = rows.changed_roots.get(self._plan.entity_of[table.name].name)
            if roots and table.root:
                self._forget(table, self._run(target_sql.delete_gone_parts(self._plan, table), keys=roots))

    def _clear(self, entity: Entity, keys: list[str]) -> None:
        for table in entity.tables if keys else ():
            for at in self._translation.layouts[table.name].closing:
                self._run(target_sql.clear_closing(self._plan, table, table.columns[at].name), keys=keys)

    def delete(self, entity: Entity, keys: list[str]) -> None:
        """Delete objects by their target keys, parts first, and forget them."""
        for table in reversed(entity.tables) if keys else ():
            self._forget(table, self._run(target_sql.delete_of_roots(self._plan, table), keys=keys))

    def _forget(self, table: Table, keys: list[str]) -> None:
        if table.drawn and keys:
            self._connection.execute(
                _STATEMENTS["forget"], {"move_no": self._move_no, "name": table.name, "keys": keys}
            )

    # -- the key map --------------------------------------------------------------------------------------------------------

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
