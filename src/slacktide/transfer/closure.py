"""What goes into a batch, decided at one instant of the source.

A batch begins with objects that changed and a key range of the pass. It is closed under references: whatever its
objects refer to and the target may not have comes along. And it is honest about leaving: a changed object that no
longer belongs to the property goes, unless something of the property still refers to it.

The events behind the rules: a posting moves to another property's folio while our invoice still names it (the folio
is pulled in); an account changes hands, so all its invoices do, and no change of theirs is in the stream (dependents);
a party changes hands that our booking names and may not name then: the booking is read again, and fails (minding).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from slacktide.plan.model import Plan
    from slacktide.transfer.source import Source


class Selection(msgspec.Struct):
    """The objects of a batch, by entity: those to be read, and those that are gone; of these some only left it."""

    include: dict[str, set[str]]
    gone: dict[str, set[str]]
    left: dict[str, set[str]]


class Closure:
    """Builds the selection of one batch."""

    def __init__(
        self, source: Source, *, plan: Plan, passed: Collection[str], outside: Mapping[str, Collection[str]]
    ) -> None:
        """Take the source at its instant.

        `passed` are the entities whose pass is complete, so that the target knows all of the property's; `outside`
        the objects of other properties that were sent before.
        """
        self._source, self._plan, self._passed = source, plan, frozenset(passed)
        self._outside = outside
        self._complete = self._passed >= {entity.name for entity in plan.moving}
        self.include: dict[str, set[str]] = defaultdict(set)
        self.gone: dict[str, set[str]] = defaultdict(set)
        self._left: dict[str, set[str]] = defaultdict(set)

    def changed(self, touched: Mapping[str, tuple[Iterable[str], Iterable[str]]]) -> None:
        """Judge changed objects; `touched` gives, by entity, all keys, and those that may have changed hands."""
        keys = {name: set(listed) for name, (listed, _) in touched.items()}
        crossed = {name: set(listed) for name, (_, listed) in touched.items()}
        self._add_dependents(keys, crossed)
        self._add_minding(keys, crossed)
        for name, listed in keys.items():
            self._judge(name, listed)

    def ranged(self, entity: str, keys: Iterable[str]) -> None:
        """Take the objects of a key range of the pass."""
        self.include[entity].update(keys)

    def close(self) -> Selection:
        """Add what is referred to, until nothing is new."""
        frontier = {name: set(keys) for name, keys in self.include.items()}
        while frontier:
            found: dict[str, set[str]] = defaultdict(set)
            for name, keys in frontier.items():
                for other, key in self._missing(name, keys):
                    if key not in self.include[other]:
                        found[other].add(key)
            for name, keys in found.items():
                self.include[name] |= keys
                self.gone[name] -= keys
            frontier = {name: keys for name, keys in found.items() if keys}
        gone = {n: k for n, k in self.gone.items() if k}
        return Selection({n: k for n, k in self.include.items() if k}, gone, self._left)

    def _missing(self, name: str, keys: set[str]) -> Iterable[tuple[str, str]]:
        """Give what these objects refer to, but for what the target has already."""
        rows = self._source.referred_to(self._plan.entity[name], keys, every=not self._complete)
        return ((other, key) for other, key, inside in rows if not (inside and other in self._passed))

    def _add_dependents(self, keys: dict[str, set[str]], crossed: dict[str, set[str]]) -> None:
        """Add what belongs to the property through objects that may have changed hands, level by level.

        Of entities that belong through others no change of hands is in the stream: each changed one counts.
        """
        for entity in self._plan.moving:
            if entity.via is not None:
                owner = entity.root.reference_of[entity.via].entity
                moved = crossed.get(owner, set()) if self._plan.entity[owner].via is None else keys.get(owner, set())
                if moved:
                    keys.setdefault(entity.name, set()).update(self._source.dependents(entity, moved))

    def _add_minding(self, keys: dict[str, set[str]], crossed: dict[str, set[str]]) -> None:
        """Add what minds whose the objects are that may have changed hands: it is null, or refused, for others'.

        A part changes hands with its root, and by going to another root, which only says that it changed.
        """
        for entity in self._plan.moving:
            moved = crossed.get(entity.name, set()) if entity.via is None else keys.get(entity.name, set())
            changed = keys.get(entity.name, set())
            for other, key in self._source.minding(entity, moved, changed=changed) if changed else ():
                keys.setdefault(other, set()).add(key)

    def _judge(self, name: str, keys: set[str]) -> None:
        foreign: set[str] = set()
        for key, there, inside in self._source.standing(self._plan.entity[name], keys):
            if inside:
                self.include[name].add(key)
            elif there:
                foreign.add(key)
            else:
                self.gone[name].add(key)
        kept = self._referred(name, foreign) if foreign else set()
        self.include[name] |= kept
        self.gone[name] |= foreign - kept
        self._left[name] |= foreign - kept

    def _referred(self, name: str, keys: set[str]) -> set[str]:
        """Give those of some foreign objects to which something refers that the target has.

        Between the two may stand shared objects that did not change: a booking names a person, who names another.
        """
        refers: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
        held: set[tuple[str, str]] = set()
        asked: set[tuple[str, str]] = set()
        frontier = {(name, key) for key in keys}
        while frontier:
            asked |= frontier
            for one, referrer in self._referrers(frontier):
                if referrer is None or referrer[1] in self._outside.get(referrer[0], ()):
                    held.add(one)
                elif self._plan.entity[referrer[0]].shared:
                    refers[referrer].add(one)
            frontier = refers.keys() - asked
        frontier = set(held)
        while frontier:
            frontier = {one for referrer in frontier for one in refers.get(referrer, ())} - held
            held |= frontier
        return {key for key in keys if (name, key) in held}

    def _referrers(
        self, names: Collection[tuple[str, str]]
    ) -> Iterable[tuple[tuple[str, str], tuple[str, str] | None]]:
        """Give who refers to objects: the object and the referrer, None for the property's own."""
        for entity in self._plan.moving:
            keys = [key for name, key in names if name == entity.name]
            for key, other, other_key in self._source.referrers(entity, keys) if keys else ():
                yield (entity.name, key), (other, other_key) if other is not None and other_key is not None else None
