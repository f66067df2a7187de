"""Generate XML: from the journal to batches, each read at one instant of the source.

The events that a batch must survive:

1. A commit is streamed before it is visible: what N does not see stays in the journal and is asked again.
2. A commit is visible before it is streamed: N waits for the stream (see `source`).
3. The process is killed after the file was written: no batch names the file; the next one gets the same number.
4. It is killed after the batch was stored: the batch is there, and the next one begins behind it.
5. The schema changes: the fingerprint of N is another one, and nothing is read.
6. A file is lost in both spools before it is applied: its batch and those behind it are forgotten, and what they held
   is read again, at a later instant, into a batch of the same number.
7. A new incarnation begins while it is read: it is not stored, and the next one is of the new incarnation.
8. A leaf comes whose changes do not name their objects: it stops Generate, and after `prepare` all is read again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

import msgspec

from slacktide.core.duration import format_instant
from slacktide.core.piece import pieces
from slacktide.postgres.position import Snapshot, widen
from slacktide.transfer.closure import Closure, Selection
from slacktide.transfer.entry import Batch, Pending, Problem, Range
from slacktide.transfer.journal import Journal, Superseded
from slacktide.transfer.message import Gone, Head, Present, head_xml, tail_xml
from slacktide.transfer.slot import RANGE_OBJECTS, plan_pass
from slacktide.transfer.source import (
    ChangesUnseen,
    Instant,
    SchemaChanged,
    Source,
    Unwritten,
    await_stream,
    changed_tables,
)

if TYPE_CHECKING:
    from slacktide.plan.model import Entity, Plan
    from slacktide.transfer.entry import Incarnation
    from slacktide.transfer.source import Fingerprint, Merging, ReadObjects
    from slacktide.transfer.spool import SealedSpool

_STREAM_LIMIT_SECONDS = 30.0


Held = Callable[[Batch], None]


class Names(msgspec.Struct, frozen=True):
    """What every batch of a move says of itself."""

    move: str
    property: str


class Reading(msgspec.Struct):
    """What one batch is made of; what is counted is known when the last of its XML was read."""

    instant: Instant
    taken: list[Pending]
    ranges: list[Range]
    selection: Selection
    objects: int = 0
    problems: list[Problem] = []
    outside: list[tuple[str, str]] = []
    own_objects: int = 0


class Generator:
    """Makes batches of one move."""

    def __init__(
        self, *, source: Source, journal: Journal, spool: SealedSpool, plan: Plan, names: Names,
        reached: Callable[[float], int],
    ) -> None:  # fmt: skip
        """Take the means; `reached(seconds)` asks the stream for its position and waits so long for it."""
        self._source, self._journal, self._spool, self._plan, self._names = (
            source,
            journal,
            spool,
            plan,
            names,
        )
        self._reached = reached
        self._entity_of = {table.qualified: plan.entity_of[table.name].name for table in plan.table.values()}
        self._planned = 0
        self._outside = {name: set(keys) for name, keys in journal.outside().items()}

    def batch(
        self, *, even_if_empty: bool = False, held: Held | None = None, passing: bool = True
    ) -> Batch | None:  # fmt: skip
        """Make the next batch and store it; None where there is nothing (visible) to make one of.

        While the pass pauses (`passing`) changes alone are taken. `held` is called with the stored batch while the
        instant that it was read at can still be read.
        Raises SchemaChanged and SourceBusy; then nothing was made.
        """
        incarnation = self._journal.incarnation()
        ranges = self._journal.ranges_left(incarnation=incarnation.incarnation)
        if not ranges and not self._is_planned(incarnation):
            return None
        following = ranges[:1] if passing else []
        if not (following or even_if_empty or self._journal.pending()):
            return None
        with self._source.at_one_instant() as instant:
            if not self._serves(instant, incarnation, ranges) or not await_stream(
                source=self._source,
                position=instant.position,
                reached=self._reached,
                limit_seconds=_STREAM_LIMIT_SECONDS,
            ):
                return None
            taken = [p for p in self._journal.pending() if _visible(p, instant.snapshot)]
            if not (taken or following or even_if_empty):
                return None
            try:
                batch = self._store(self._read(instant, taken, ranges, following), incarnation)
            except Superseded:
                return None
            if held is not None:
                held(batch)
        return batch

    def free_lost(self) -> None:
        """Forget a batch that was lost in both spools, and those behind it, so that they are made again."""
        for name in self._journal.free_lost():
            self._spool.remove(name)

    def _is_planned(self, incarnation: Incarnation) -> bool:
        """Tell whether the pass of an incarnation is planned: before that, nothing is known to have arrived."""
        number = incarnation.incarnation
        if self._planned != number and self._journal.last_range(incarnation=number):
            self._planned = number
        return self._planned == number

    def _serves(self, instant: Instant, incarnation: Incarnation, ranges: list[Range]) -> bool:
        """Tell whether the snapshot may be read: the schema is the plan's, and it sees all that the slot's own does.

        A table whose files alone changed was emptied or rewritten: every object of its entity is read again.
        """
        number, before = incarnation.incarnation, incarnation.fingerprint
        if incarnation.snapshot is None:
            return False  # its slot is not made yet
        filed = self._filed(instant, before)
        if before is None:
            self._journal.set_fingerprint(instant.fingerprint, before=None, incarnation=number)
        elif filed:
            with self._journal.together():
                plan_pass(self._journal, self._source, plan=self._plan, incarnation=number, only=filed)
                self._journal.set_fingerprint(instant.fingerprint, before=before, incarnation=number)
            return False
        return not ranges or instant.snapshot.sees_all_that(Snapshot.parse(incarnation.snapshot))

    def _filed(self, instant: Instant, before: Fingerprint | None) -> list[str]:
        """Name the entities to be read again. Raises SchemaChanged, ChangesUnseen.

        Who refers to a shared object brings it along: where one of those is to be read again, all are.
        """
        defined, filed = changed_tables(
            before=instant.fingerprint if before is None else before, now=instant.fingerprint
        )
        for name, top in defined:
            leaf = f"a partition of {top}: " if name != top else ""
            what = f"{leaf}its definition is another one than at `prepare`"
            raise SchemaChanged(table=name, what=what, move=self._names.move)
        for name, reason in instant.unseen.items():
            raise ChangesUnseen(table=name, reason=reason, move=self._names.move)
        names = {self._entity_of[table] for table in filed}
        if any(self._plan.entity[name].shared for name in names):
            names = {entity.name for entity in self._plan.moving}
        return sorted(names)

    def _read(
        self, instant: Instant, taken: list[Pending], ranges: list[Range], following: list[Range]
    ) -> Reading:  # fmt: skip
        left = {span.entity for span in ranges}
        passed = {entity.name for entity in self._plan.moving if entity.name not in left}
        closure = Closure(self._source, plan=self._plan, passed=passed, outside=self._outside)
        closure.changed(self._journal.objects_of([p.sequence for p in taken]))
        for span in following:
            entity = self._plan.entity[span.entity]
            closure.ranged(span.entity, self._source.range_keys(entity, after=span.after, upto=span.upto))
        return Reading(instant, taken, following, closure.close())

    def _objects_xml(self, reading: Reading) -> Iterator[bytes]:
        """Read the objects in the order of references, some at a time: a backlog may be larger than our memory."""
        codes = self._codes()
        for entity in self._plan.moving:
            keys = sorted(reading.selection.include.get(entity.name, ()))
            for some in pieces(keys, size=RANGE_OBJECTS):
                for read in self._source.objects(entity, list(some), codes=codes):
                    yield read.xml + b"\n"
                    self._note(read, entity, reading)

    def _note(self, read: ReadObjects, entity: Entity, reading: Reading) -> None:
        """Note how many objects were written, and which were not."""
        reading.objects += read.count
        reading.problems += [
            Problem(entity.name, one.key, "failed", _reason(one, names=self._names)) for one in read.unwritten
        ]
        reading.own_objects += read.count + len(read.unwritten) - len(read.outside)
        if not entity.shared:
            reading.outside += [(entity.name, key) for key in read.outside]

    def _codes(self) -> dict[str, str]:
        mapped = self._journal.conversions()
        return {f"codes_{codes.name}": json.dumps(mapped.get(codes.name, {})) for codes in self._plan.lists}

    def _store(self, reading: Reading, incarnation: Incarnation) -> Batch:
        number = self._journal.last_batch() + 1
        gone = sum(map(len, reading.selection.gone.values()))
        head = Head(
            plan=self._plan.name, version=str(self._plan.version), move=self._names.move, property=self._names.property,
            incarnation=incarnation.incarnation, number=number, as_of=format_instant(reading.instant.as_of),
            snapshot=reading.instant.text,
        )  # fmt: skip
        opening = head_xml(head).encode()
        written = self._spool.write(chain([opening], self._objects_xml(reading), _tail(reading)), number=number)
        batch = Batch(
            number=number, incarnation=incarnation.incarnation, snapshot=reading.instant.text,
            position=reading.instant.position, as_of=reading.instant.as_of,
            oldest_commit=min((p.committed_at for p in reading.taken), default=None),
            file=written.name, checksum=written.checksum, bytes=written.bytes, objects=reading.objects + gone,
        )  # fmt: skip
        self._journal.store(
            batch,
            sequences=[p.sequence for p in reading.taken],
            ordinals=[span.ordinal for span in reading.ranges],
            problems=reading.problems,
            outside=reading.outside,
            own_objects=reading.own_objects,
        )
        for name, key in reading.outside:
            self._outside.setdefault(name, set()).add(key)
        return batch


def _tail(reading: Reading) -> Iterator[bytes]:
    """Write what closes a batch: what could not be written is known when all was read."""
    left = reading.selection.left
    gone = [Gone(n, key, key not in left[n]) for n, keys in reading.selection.gone.items() for key in sorted(keys)]
    failed = [(problem.entity, problem.key) for problem in reading.problems]
    present = [Present(span.entity, span.after, span.upto) for span in reading.ranges if span.absence]
    yield tail_xml(gone=gone, failed=failed, present=present).encode()


def _visible(pending: Pending, snapshot: Snapshot) -> bool:
    return pending.xid is None or snapshot.sees(widen(pending.xid, near=snapshot.xmax))


def _reason(one: Unwritten, *, names: Names) -> str:
    """Say why an object could not be written, and what mends it."""
    reasons = []
    missing = ", ".join(f"{c.lstrip('!').replace('=', ' ')!r}" for c in one.unmapped.split(";") if c.startswith("!"))
    if missing:
        mend = f"give it one with `slacktide move convert {names.move} --mappings FILE.csv`"
        reasons.append(f"the code {missing} has no mapping: {mend}")
    reasons += [
        f"{line}, which does not belong to the property {names.property!r}, and the plan refuses that: "
        "change it at the source, and the object goes on by itself"
        for line in sorted(set(one.refused.splitlines()))
    ]
    if one.too_large:
        reasons.append(
            f"it is too large to be read as one text: the source says {one.too_large!r}. A row can have about 250 "
            "million characters; make it smaller there, or name its large column under left_out in the plan"
        )
    if one.merging:
        reasons.append(_merging(one.merging, move=names.move))
    return "; ".join(reasons)


def _merging(one: Merging, *, move: str) -> str:
    codes = " and ".join(map(repr, sorted(one.codes)))
    return (
        f"the codes {codes} of the list {one.of_list} become {one.becomes!r}, so that rows of {one.table} would have "
        f"one key: give each a code of its own with `slacktide move convert {move} --mappings FILE.csv`"
    )
