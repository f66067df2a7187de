"""Generate XML: from the journal to batches, each read at one instant of the source.

The events that a batch must survive:

1. A commit is streamed before it is visible: what N does not see stays in the journal and is asked again.
2. A commit is visible before it is streamed: N waits for the stream (see `source`).
3. The process is killed after the file was written: no batch names the file; the next one gets the same number.
4. It is killed after the batch was stored: the batch is there, and the next one begins behind it.
5. The schema changes: the fingerprint of N is another one, and nothing is read.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from slacktide.core.duration import format_instant
from slacktide.postgres.position import Snapshot, widen
from slacktide.transfer.closure import Closure, Selection
from slacktide.transfer.entry import Batch, Pending, Problem, Range
from slacktide.transfer.journal import Journal
from slacktide.transfer.message import Head, Present, head_xml, tail_xml
from slacktide.transfer.slot import plan_pass
from slacktide.transfer.source import Instant, SchemaChanged, Source, await_stream, changed_tables

if TYPE_CHECKING:
    from slacktide.plan.model import Plan
    from slacktide.transfer.entry import Incarnation
    from slacktide.transfer.spool import Spool

_STREAM_LIMIT_SECONDS = 30.0


Held = Callable[[Batch], None]


class Names(msgspec.Struct, frozen=True):
    """What every batch of a move says of itself."""

    move: str
    property: str


class Reading(msgspec.Struct):
    """What one batch was made of."""

    instant: Instant
    taken: list[Pending]
    ranges: list[Range]
    selection: Selection
    pieces: list[bytes] = []
    objects: int = 0
    problems: list[Problem] = []
    outside: list[tuple[str, str]] = []
    own_objects: int = 0


class Generator:
    """Makes batches of one move."""

    def __init__(
        self, *, source: Source, journal: Journal, spool: Spool, plan: Plan, names: Names,
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

    def batch(self, *, even_if_empty: bool = False, held: Held | None = None) -> Batch | None:
        """Make the next batch and store it; None where there is nothing (visible) to make one of.

        `held` is called with the stored batch while the instant that it was read at can still be read.
        Raises SchemaChanged and SourceBusy; then nothing was made.
        """
        incarnation = self._journal.incarnation()
        ranges = self._journal.ranges_left(incarnation=incarnation.incarnation)
        if not ranges and not self._is_planned(incarnation):
            return None
        if not (ranges or even_if_empty or self._journal.pending()):
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
            if not (taken or ranges or even_if_empty):
                return None
            batch = self._store(self._read(instant, taken, ranges), incarnation)
            if held is not None:
                held(batch)
        return batch

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
        if before is None:
            self._journal.set_fingerprint(instant.fingerprint, incarnation=number)
        elif before != instant.fingerprint:
            defined, filed = changed_tables(before=before, now=instant.fingerprint)
            if defined:
                raise SchemaChanged(
                    table=defined[0], what="its definition is another one than at `prepare`", move=self._names.move
                )
            names = sorted({self._entity_of[table] for table in filed})
            with self._journal.together():
                plan_pass(self._journal, self._source, plan=self._plan, incarnation=number, only=names)
                self._journal.set_fingerprint(instant.fingerprint, incarnation=number)
            return False
        return not ranges or instant.snapshot.sees_all_that(Snapshot.parse(incarnation.snapshot))

    def _read(self, instant: Instant, taken: list[Pending], ranges: list[Range]) -> Reading:
        following = ranges[:1]
        left = {span.entity for span in ranges}
        passed = {entity.name for entity in self._plan.moving if entity.name not in left}
        closure = Closure(self._source, plan=self._plan, passed=passed, outside=self._outside)
        closure.changed(self._journal.objects_of([p.sequence for p in taken]))
        for span in following:
            entity = self._plan.entity[span.entity]
            closure.ranged(span.entity, self._source.range_keys(entity, after=span.after, upto=span.upto))
        reading = Reading(instant, taken, following, closure.close())
        self._read_objects(reading)
        return reading

    def _read_objects(self, reading: Reading) -> None:
        codes = self._codes()
        for entity in self._plan.moving:
            keys = reading.selection.include.get(entity.name)
            if keys:
                read = self._source.objects(entity, sorted(keys), codes=codes)
                reading.pieces.append(read.xml + b"\n")
                reading.objects += read.count
                reading.problems += [
                    Problem(entity.name, key, "failed", _unmapped(text, move=self._names.move))
                    for key, text in read.unmapped
                ]
                reading.own_objects += read.count + len(read.unmapped) - len(read.outside)
                if not entity.shared:
                    reading.outside += [(entity.name, key) for key in read.outside]

    def _codes(self) -> dict[str, str]:
        mapped = self._journal.conversions()
        return {f"codes_{codes.name}": json.dumps(mapped.get(codes.name, {})) for codes in self._plan.lists}

    def _store(self, reading: Reading, incarnation: Incarnation) -> Batch:
        number = self._journal.last_batch() + 1
        gone = [(name, key) for name, keys in reading.selection.gone.items() for key in sorted(keys)]
        present = [Present(span.entity, span.after, span.upto) for span in reading.ranges if span.absence]
        head = Head(
            plan=self._plan.name, version=str(self._plan.version), move=self._names.move, property=self._names.property,
            incarnation=incarnation.incarnation, number=number, as_of=format_instant(reading.instant.as_of),
            snapshot=reading.instant.text,
        )  # fmt: skip
        pieces = [head_xml(head).encode(), *reading.pieces, tail_xml(gone=gone, present=present).encode()]
        written = self._spool.write(pieces, number=number)
        batch = Batch(
            number=number, incarnation=incarnation.incarnation, snapshot=reading.instant.text,
            position=reading.instant.position, as_of=reading.instant.as_of,
            oldest_commit=min((p.committed_at for p in reading.taken), default=None),
            file=written.name, checksum=written.checksum, bytes=written.bytes, objects=reading.objects + len(gone),
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


def _visible(pending: Pending, snapshot: Snapshot) -> bool:
    return pending.xid is None or snapshot.sees(widen(pending.xid, near=snapshot.xmax))


def _unmapped(text: str, *, move: str) -> str:
    missing = ", ".join(f"{c.lstrip('!').replace('=', ' ')!r}" for c in text.split(";") if c.startswith("!"))
    return f"the code {missing} has no mapping: give it one with `slacktide move convert {move} --mappings FILE.csv`"
