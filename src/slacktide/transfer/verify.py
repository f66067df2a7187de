"""Verification: every object by content on both sides, every row count, every control total.

The source is read at its instant N, the target in one snapshot right after the batch that was read in N. Three things
have to hold, and each difference is named with its object:

1. every object of the property, and every object of others that the key map knows, has the same digest (`verify_sql`);
2. every row of the property at the target is in the key map, and every row of the key map has its object or part;
3. every control total measures the same of every object, so that the sums are the same as well.

An object of another property that the key map does not know needs no proof of its own: if anything that moved refers
to it, that reference has no source key at the target, and the object that refers differs.

What was verified ahead, and what is read again in the down time, is in `verify_carry`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from slacktide.transfer.verify_explain import explained
from slacktide.transfer.verify_read import (
    SourceReader,
    Subject,
    TargetReader,
    at_one_snapshot,
    fields,
    key_of,
    measure_of,
    merged,
)
from slacktide.transfer.verify_sql import MARK, UNKNOWN, Side, is_named

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.plan.model import Entity, Total
    from slacktide.transfer.verify_read import Lines

_LISTED = 1000  # differences that are listed; all are counted
_CONTENT = "its content differs"
_SMALLER = (
    "as one text it is more than 1 GB; make it smaller there, or name its large column under left_out in the plan"
)
_EXPLAINED = 20  # differences of which the columns are named
Sums = dict[str, dict[str, Decimal]]  # by total, by label


class Difference(msgspec.Struct, frozen=True):
    """An object (by the source's key, or the target's where the key map has none) and what differs."""

    entity: str
    key: str
    what: str


class Verification(msgspec.Struct):
    """What a verification found.

    `read` and `carried` count the objects that were read and those that were not, being as they were verified.
    `rows` are by side and table (a root's rows are the objects), `totals` by side, total and label, without zeros;
    `left_out` counts the objects without an optional code, by list and code. `differences` lists the first of
    `different`. `accepted` are the objects that differ and whose error is accepted: they are left out by name, and
    count neither there nor in rows and totals.
    """

    batch: int = 0
    read: int = 0
    carried: int = 0
    rows: dict[str, dict[str, int]] = {}
    totals: dict[str, Sums] = {}
    differences: list[Difference] = []
    different: int = 0
    left_out: dict[tuple[str, str], int] = {}
    accepted: list[Difference] = []

    @property
    def equal(self) -> bool:
        """Tell whether both sides are the same."""
        return (
            self.different == 0
            and self.rows[Side.SOURCE] == self.rows[Side.TARGET]
            and self.totals[Side.SOURCE] == self.totals[Side.TARGET]
        )


class Comparison:
    """Holds the sides against each other, entity by entity and total by total, and gathers what it finds."""

    def __init__(self, source: SourceReader, target: TargetReader, *, business_date: date) -> None:
        """Take both sides, each in its snapshot."""
        self.source, self.target, self.business_date = source, target, business_date
        self.plan = source.subject.plan
        self.differences: list[Difference] = []
        self.different: dict[str, set[str]] = defaultdict(set)
        self.count, self.read = 0, 0
        self.rows: dict[str, Counter[tuple[str, bytes]]] = {side: Counter() for side in Side}
        self.sums: dict[str, dict[str, defaultdict[bytes, Decimal]]] = {
            side: {total.name: defaultdict(Decimal) for total in self.plan.totals} for side in Side
        }
        self.left_out: Counter[tuple[str, str]] = Counter()
        self.accepted: dict[tuple[str, str], Difference] = {}

    # -- objects ----------------------------------------------------------------------------------------------------

    def objects(self, entity: Entity, *, keys: dict[str, str | None] | None = None) -> Lines:
        """Compare an entity's objects, or those of `keys` (source's to target's), and give the equal ones' lines."""
        if keys is None:
            known = self.target.by_reference(entity.name)
            source, target = self.source.digests(entity, keys=None, known=known), self.target.digests(entity, keys=None)
        else:
            held = [key for key in keys.values() if key is not None]
            source = self.source.digests(entity, keys=list(keys), known=[])
            target = self.target.digests(entity, keys=held)
        with closing(merged(source, target, order=key_of)) as pairs:
            for found, right in pairs:
                left = found
                if found is not None and _own(found) == b"f" and (right is None or _own(right) == b"t"):
                    left = None  # another property's, and not known to the target as such
                if left is None and right is None:
                    continue
                self.read += 1
                same = left is not None and right is not None and self._same(left, right)
                if not same and self._is_accepted(entity, left, right):
                    continue
                self._count(Side.SOURCE, entity, left)
                self._count(Side.TARGET, entity, right)
                if left is not None and same:
                    yield left
                else:
                    self._differs(entity, left, right)

    def _is_accepted(self, entity: Entity, left: bytes | None, right: bytes | None) -> bool:
        """Leave out a differing object whose error is accepted; it is read again each time."""
        key = fields(left or right or b"")[0]
        if key not in self.source.subject.accepted.get(entity.name, ()):
            return False
        what = _what(entity, fields(left) if left else None, fields(right) if right else None)
        self.accepted[entity.name, key] = Difference(entity.name, key, what)
        self.different[entity.name].add(key)
        return True

    def _same(self, left: bytes, right: bytes) -> bool:
        if left == right:
            return True
        form, _, left_out = left.rpartition(b"\t")
        if left_out == b"\n" or form != right.rpartition(b"\t")[0]:
            return False
        self.left_out.update(codes_of(fields(left)[4]))
        return True

    def _count(self, side: Side, entity: Entity, line: bytes | None) -> None:
        if line is not None:
            self.rows[side][entity.name, line.split(b"\t", 3)[2]] += 1

    def _differs(self, entity: Entity, left: bytes | None, right: bytes | None) -> None:
        here, there = fields(left) if left else None, fields(right) if right else None
        key = (here or there or [""])[0]
        self.note(entity, key, _what(entity, here, there))

    def note(self, entity: Entity, key: str, what: str) -> None:
        """Note a difference."""
        self.count += 1
        self.different[entity.name].add(key)
        if len(self.differences) < _LISTED:
            self.differences.append(Difference(entity.name, key, what))

    def loose(self) -> None:
        """Find what the key map and the target's tables do not share. No source key names that: see `names_nothing`."""
        for entity in self.plan.moving:
            for key in self.target.loose(entity):
                what = f"the target's row {key} of {entity.root.qualified} is not in the key map"
                self.note(entity, f"{UNKNOWN}{key}", what)
            for name, key in self.target.empty(entity):
                self.note(entity, f"{UNKNOWN}{key}", f"the key map has {name} {key}, which is not at the target")

    # -- totals -----------------------------------------------------------------------------------------------------

    def measures(self, total: Total, *, keys: dict[str, str | None] | None = None) -> Lines:
        """Compare what a total measures, object by object, and give the equal lines."""
        held = None if keys is None else [key for key in keys.values() if key is not None]
        source = self.source.measures(
            total, business_date=self.business_date, keys=None if keys is None else list(keys)
        )
        target = self.target.measures(total, business_date=self.business_date, keys=held)
        entity = self.plan.entity[total.entity]
        with closing(merged(source, target, order=measure_of)) as pairs:
            for left, right in pairs:
                if (entity.name, fields(left or right or b"")[0]) in self.accepted:
                    continue
                self._add(Side.SOURCE, total, left)
                self._add(Side.TARGET, total, right)
                if left is not None and left == right:
                    yield left
                else:
                    key, label, _ = fields(left or right or b"\t\t")
                    here, there = (fields(line)[2] if line else "nothing" for line in (left, right))
                    what = f"{total.title}, {label}: {here} at the source, {there} at the target"
                    self.note(entity, key, what)

    def _add(self, side: Side, total: Total, line: bytes | None) -> None:
        if line is not None:
            _, label, value = line.split(b"\t")
            self.sums[side][total.name][label] += Decimal(value.decode())

    # -- what was found -----------------------------------------------------------------------------------------------

    def row_counts(self, side: Side) -> Counter[tuple[str, int]]:
        """Give the rows by entity and place of the table in it, from 1."""
        found: Counter[tuple[str, int]] = Counter()
        for (name, counts), objects in self.rows[side].items():
            for place, rows in enumerate(parsed(counts.decode()), start=1):
                found[name, place] += rows * objects
        return found

    def totals(self, side: Side, total: Total) -> dict[str, Decimal]:
        """Give the sums of a total by label."""
        return without_zeros({fields(label)[0]: value for label, value in self.sums[side][total.name].items()})

    def explain(self) -> None:
        """Name the columns in which the first of the differing objects differ. No lines may be coming meanwhile."""
        todo = [n for n, difference in enumerate(self.differences) if difference.what == _CONTENT]
        for n in todo[:_EXPLAINED]:
            entity, key = self.plan.entity[self.differences[n].entity], self.differences[n].key
            what = explained(self.source, self.target, entity=entity, key=key)
            self.differences[n] = Difference(entity.name, key, what)

    def verification(self) -> Verification:
        """Give what was found, of all that was read."""
        self.explain()
        return Verification(
            batch=self.target.number,
            read=self.read,
            rows={side: by_table(self.plan.moving, self.row_counts(side)) for side in Side},
            totals={side: {t.name: self.totals(side, t) for t in self.plan.totals} for side in Side},
            differences=self.differences,
            different=self.count,
            left_out=dict(self.left_out),
            accepted=[*self.accepted.values()],
        )


def compare(
    *,
    source: psycopg.Connection[TupleRow],
    target: psycopg.Connection[TupleRow],
    subject: Subject,
    business_date: date,
) -> Verification:
    """Compare everything. `source` is inside `Source.at_one_instant()`, `target` outside a transaction.

    Raises MoveUnknown.
    """
    with at_one_snapshot(target):
        comparison = Comparison(
            SourceReader(source, subject), TargetReader(target, subject), business_date=business_date
        )
        for entity in subject.plan.moving:
            _exhaust(comparison.objects(entity))
        for total in subject.plan.totals:
            _exhaust(comparison.measures(total))
        comparison.loose()
        return comparison.verification()


def digests(
    *,
    connection: psycopg.Connection[TupleRow],
    side: Side,
    subject: Subject,
    known: dict[str, list[str]] | None = None,
) -> Iterator[tuple[str, str, bytes]]:
    """Give entity, source key and digest of every object of one side, entity by entity, in the order of keys.

    Of one too large for a text the digest is empty. `known` are, at the source, the objects of others that the target
    has (`TargetReader.by_reference`).
    """
    for entity in subject.plan.moving:
        if side is Side.SOURCE:
            lines = SourceReader(connection, subject).digests(
                entity, keys=None, known=(known or {}).get(entity.name, [])
            )
        else:
            lines = TargetReader(connection, subject).digests(entity, keys=None)
        for line in lines:
            key, _, _, digest, _ = fields(line)
            yield entity.name, key, bytes.fromhex("" if digest.startswith(MARK) else digest)


def names_nothing(different: Mapping[str, Iterable[str]]) -> bool:
    """Tell whether some of these differences are of rows that no source key names (see `verify_sql.is_named`)."""
    return not all(is_named(key) for keys in different.values() for key in keys)


def codes_of(text: str) -> list[tuple[str, str]]:
    """Give list and code of what an object's line says is left out, each once."""
    return [(name, code) for name, _, code in (piece.partition("=") for piece in set(text.split("\n")) if piece)]


def parsed(counts: str) -> list[int]:
    """Read an array of counts."""
    return [int(count) for count in counts.strip("{}").split(",")]


def by_table(moving: Iterable[Entity], counts: Counter[tuple[str, int]]) -> dict[str, int]:
    """Give counts by the tables' names."""
    return {t.name: counts[e.name, n] for e in moving for n, t in enumerate(e.tables, start=1)}


def without_zeros(sums: dict[str, Decimal]) -> dict[str, Decimal]:
    """Give sums in the order of labels, zeros left out."""
    return {label: value for label, value in sorted(sums.items()) if value}


def _own(line: bytes) -> bytes:
    return line.split(b"\t", 2)[1]


def _what(entity: Entity, here: list[str] | None, there: list[str] | None) -> str:
    if here is None:
        return _not_at_the_source(there)
    if there is None:
        return "it is not at the target"
    if there[3] == "":
        return "it is in the key map, but not at the target"
    if large := [each[3] for each in (here, there) if each[3].startswith(MARK)]:
        return f"it is {' and '.join(large)} to be compared: {_SMALLER}"
    if here[1] != there[1]:
        return "it is the property's own at the source, and taken for another property's at the target"
    return _CONTENT if here[2] == there[2] else _other_rows(entity, here[2], there[2])


def _not_at_the_source(there: list[str] | None) -> str:
    if there is None or there[3] == "":
        return "it is at neither side, but in the key map"
    return "the property does not have it at the source" if there[1] == "t" else "it is not at the source"


def _other_rows(entity: Entity, here: str, there: str) -> str:
    pieces = [
        f"{at_source} rows of {part.element} at the source, {at_target} at the target"
        for part, at_source, at_target in zip(entity.tables, parsed(here), parsed(there), strict=True)
        if at_source != at_target
    ]
    return "it has " + "; ".join(pieces)


def _exhaust(lines: Iterator[bytes]) -> None:
    for _ in lines:
        pass
