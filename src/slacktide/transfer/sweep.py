"""What is kept by reference goes when nothing refers to it any more.

Every batch ends with this sweep, so that the next one is closed under references as well. Candidates are the objects
of other properties, and shared ones, that rows of this batch referred to before it, and those that it brought without
anything that refers to them.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from slacktide.postgres import sql
from slacktide.transfer import target_sql

if TYPE_CHECKING:
    from collections.abc import Mapping

    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.plan.model import Plan
    from slacktide.transfer.message import BusinessObject
    from slacktide.transfer.translation import Translation
    from slacktide.transfer.writing import Writing

_STATEMENTS = sql.load(__package__, "target.sql")


class Sweep:
    """The sweep of one batch."""

    def __init__(self, connection: psycopg.Connection[TupleRow], *, plan: Plan, move_no: int, writing: Writing) -> None:
        """Take the connection, inside the batch's transaction."""
        self._connection, self._plan, self._move_no, self._writing = connection, plan, move_no, writing
        self._candidates: dict[str, set[str]] = defaultdict(set)

    def remember(
        self,
        *,
        changed: list[BusinessObject],
        gone: Mapping[str, Mapping[str, str]],
        translation: Translation,
    ) -> None:
        """Note, before anything is written, what the rows that change or go refer to now."""
        roots: dict[str, list[str]] = defaultdict(list)
        for item in changed:
            roots[item.entity.name].append(translation.keys[item.entity.name][item.key])
        for name, keys in gone.items():
            roots[name] += keys.values()
        self._add_referred(roots)

    def run(self, *, written: list[BusinessObject], translation: Translation) -> None:
        """Delete, again and again, what nothing refers to any more."""
        self._add_brought(written, translation)
        while self._candidates:
            candidates, self._candidates = self._candidates, defaultdict(set)
            for entity in reversed(self._plan.moving):
                keys = candidates.get(entity.name)
                if keys:
                    self._drop(entity.name, keys)

    def _add_referred(self, roots: Mapping[str, list[str]]) -> None:
        for name, keys in roots.items():
            for table, reference in self._plan.entity[name].references if keys else ():
                found = self._connection.execute(target_sql.referred_from(self._plan, table, reference), {"keys": keys})
                self._candidates[reference.entity].update(key for (key,) in found)

    def _add_brought(self, written: list[BusinessObject], translation: Translation) -> None:
        foreign = {(o.entity.name, o.key) for o in written if o.outside}
        if not foreign:
            return
        referred = {name for item in written for name in translation.asks(item)}
        for name, key in foreign - referred:
            self._candidates[name].add(translation.keys[name][key])

    def _drop(self, name: str, keys: set[str]) -> None:
        entity = self._plan.entity[name]
        foreign = self._connection.execute(
            _STATEMENTS["outside"], {"move_no": self._move_no, "name": name, "keys": list(keys)}
        )
        left = [key for (key,) in foreign]
        if left:
            free = [
                key for (key,) in self._connection.execute(target_sql.unreferenced(self._plan, entity), {"keys": left})
            ]
            self._add_referred({name: free})
            self._writing.delete(entity, free)
