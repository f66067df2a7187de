"""What is kept by reference goes when nothing refers to it any more.

Every batch ends with this sweep, so that the next one is closed under references as well. What may have come loose:
the objects of other properties, and shared ones, to which rows of this batch referred before it, and those that it
brought. From there on it is a question of what can be reached, not of a count: two objects that refer to each other
hold nobody; nor does what is about to go.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING

from slacktide.postgres import sql
from slacktide.transfer import target_sql

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.plan.model import Plan
    from slacktide.transfer.message import BusinessObject
    from slacktide.transfer.translation import Name, Translation

_STATEMENTS = sql.load(__package__, "target.sql")
Going = Mapping[str, Mapping[str, str]]
"""Objects that go: by entity, their keys at the source and at the target."""


class Sweep:
    """The sweep of one batch. Objects are named by entity and target key."""

    def __init__(
        self, connection: psycopg.Connection[TupleRow], *, plan: Plan, move_no: int, translation: Translation
    ) -> None:
        """Take the connection, inside the batch's transaction."""
        self._connection, self._plan, self._move_no, self._translation = connection, plan, move_no, translation
        self._before: dict[str, set[str]] = defaultdict(set)

    def remember(self, *, changed: list[BusinessObject], gone: Going) -> None:
        """Note, before anything is written, what the rows that change or go refer to now."""
        roots: dict[str, list[str]] = defaultdict(list)
        for item in changed:
            roots[item.entity.name].append(self._key(item))
        for name, keys in gone.items():
            roots[name] += keys.values()
        for _, (name, key) in self._referred(roots):
            self._before[name].add(key)

    def loose(
        self, *, written: list[BusinessObject], gone: Going, changed_roots: Mapping[str, list[str]]
    ) -> dict[str, dict[str, str]]:
        """Give, by entity, source key and target key, what the property does not reach any more.

        Asked when all is written and nothing is deleted yet: the staged rows say which parts stay.
        """
        start = {name: set(keys) for name, keys in self._before.items()}
        for item in written:
            if item.outside:
                start.setdefault(item.entity.name, set()).add(self._key(item))
        going = {(name, key) for name, keys in gone.items() for key in keys.values()}
        held = self._held(written)
        sources = self._outside(start)
        found = sources.keys() - held - going
        edges: dict[Name, set[Name]] = defaultdict(set)
        frontier = found
        while frontier:
            pairs = list(self._referred(_by_entity(frontier)))
            for one, other in pairs:
                edges[one].add(other)
            further = self._outside(_by_entity(other for _, other in pairs))
            sources |= further
            frontier = further.keys() - found - going
            found |= frontier
        if not found:
            return {}
        kept = _reached(self._anchored(found, going, changed_roots) | (found & held), edges)
        loose: dict[str, dict[str, str]] = defaultdict(dict)
        for name, key in found - kept:
            loose[name][sources[name, key]] = key
        return loose

    def _key(self, item: BusinessObject) -> str:
        return self._translation.keys[item.entity.name][item.key]

    def _referred(self, roots: Mapping[str, Iterable[str]]) -> Iterator[tuple[Name, Name]]:
        """Give what the rows of given objects refer to, each with who does; of a large batch that is a lot."""
        return (
            ((name, root), (reference.entity, key))
            for name, keys in roots.items()
            if keys
            for table, reference in self._plan.entity[name].references
            for root, key in self._connection.execute(
                target_sql.referred_from(self._plan, table, reference), {"keys": list(keys)}
            )
        )

    def _outside(self, names: Mapping[str, Iterable[str]]) -> dict[Name, str]:
        """Give those of some objects that are kept by reference, with their source keys."""
        return {
            (name, key): source_key
            for name, keys in names.items()
            if keys
            for key, source_key in self._connection.execute(
                _STATEMENTS["outside"], {"move_no": self._move_no, "name": name, "keys": list(keys)}
            )
        }

    def _anchored(self, found: set[Name], going: set[Name], changed_roots: Mapping[str, list[str]]) -> set[Name]:
        """Give those of some objects to which anything refers that neither is one of them nor goes."""
        among = _by_entity(found | going)
        facts = {f"among_{entity.name}": among.get(entity.name, []) for entity in self._plan.moving}
        facts |= {f"changed_{entity.name}": changed_roots.get(entity.name, []) for entity in self._plan.moving}
        return {
            (name, key)
            for name, keys in _by_entity(found).items()
            for (key,) in self._connection.execute(
                target_sql.referred_to_by_others(self._plan, self._plan.entity[name]), {"keys": keys, **facts}
            )
        }

    def _held(self, written: list[BusinessObject]) -> set[Name]:
        """Give what objects of the property in this batch refer to, as far as the batch shows it; no parts."""
        held: set[Name] = set()
        edges: dict[Name, set[Name]] = {}
        keys = self._translation.keys
        for item in written:
            own, refers = (
                (item.entity.name, self._key(item)),
                {(n, keys[n][k]) for n, k in self._translation.asks(item)},
            )
            if item.outside:
                edges[own] = refers
            else:
                held |= {own, *refers}
        return _reached(held, edges)


def _by_entity(names: Iterable[Name]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = defaultdict(list)
    for name, key in names:
        grouped[name].append(key)
    return grouped


def _reached(start: set[Name], edges: Mapping[Name, set[Name]]) -> set[Name]:
    reached, frontier = set(start), set(start)
    while frontier:
        frontier = {other for one in frontier for other in edges.get(one, ())} - reached
        reached |= frontier
    return reached
