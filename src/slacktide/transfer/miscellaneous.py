"""Task 7: what the hotel can open without, from a source that stands still to a target that trades.

The same batches by the same engine: read at one instant, keys translated, each applied once. But the target is open,
and belongs to its users. The events:

1. A user has changed what an old stay refers to, or another property's clerk changes that shared profile at the source:
   nothing that the key map knows is written again.
2. A user has deleted what an attachment refers to: the target refuses it, it fails alone, and is named.
3. A user works on a row as soon as it is there: then no later comparison could prove anything. So a batch's objects
   are compared by content inside its own transaction, before anybody can see them.
4. The process is killed between two notes: a batch that the target has is counted as done, any other is made anew.
5. The property closes at the target, or moves on: we write under no role of the mover's, so the guard refuses us as
   everybody else; we wait, or stop.
6. Somebody wrote past the guard of the source after the ranges were planned: at the end the source's keys are held
   against the key map, and what is missing is read as well.
7. The source's tables are altered although it only stands for reference: it stops, and when it is started again, the
   plan is held against them, everything is planned anew, and what the target has is passed over.

The source is not followed: whatever could write there is shut out. So this incarnation has no slot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import psycopg

from slacktide.control.audit import record_audit
from slacktide.core import clock
from slacktide.core.duration import format_instant
from slacktide.core.errors import SQLSTATE_CLOSED, SQLSTATE_REFERENCE_ONLY, OutsideError
from slacktide.guard import written
from slacktide.transfer import panel
from slacktide.transfer.acceptance import accepted
from slacktide.transfer.ahead import business_date, subject_of
from slacktide.transfer.entry import Touched
from slacktide.transfer.journal import MISCELLANEOUS, Journal
from slacktide.transfer.move import load_move, set_fact, set_task
from slacktide.transfer.process import Generate, Process, Transfer
from slacktide.transfer.slot import plan_pass
from slacktide.transfer.source import SchemaChanged, fingerprint_of
from slacktide.transfer.verify import Comparison
from slacktide.transfer.verify_read import SourceReader, TargetReader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slacktide.transfer.entry import Batch, Incarnation
    from slacktide.transfer.move import Move

FACT = MISCELLANEOUS
_NO_SLOT = ""
_EVERYTHING = (1 << 64) - 1  # a position behind every other: there is no stream to wait for
_KNOWN = """
select source_key from slacktide.key_map k join slacktide.mover_move m using (move_no)
where m.name = %s and k.name = %s
"""


class PropertyClosed(OutsideError):
    """The target does not take it now: {reason}. It is tried again until the property is open."""


class PropertyMovedOn(OutsideError):
    """The property does not live at the target any more: {reason}. What is left stays at the source of {move}."""


class SourceAltered(OutsideError):
    """The source was altered while it was read: {what} Run `slacktide move miscellaneous {move}` again, which holds the plan against it first."""  # noqa: E501 -- the message is one text


class ArrivedOtherwise(OutsideError):
    """What the target would hold is not what the source has: {differences}. Nothing of the batch was written; see `slacktide move show {move} {entity} {key}`."""  # noqa: E501 -- the message is one sentence


class Miscellaneous:
    """The work of task 7, stepped by one owner: it holds the locks of the processes that it does by itself."""

    def __init__(self, move: Move, journal: Journal) -> None:
        """Take the move and this process's journal."""
        self._move, self._journal = move.late, journal
        self._names = [entity.name for entity in move.plan.miscellaneous]
        own = {
            name: Journal(journal.connection, move_id=journal.move_id, process=name)
            for name in ("generate", "transfer", "process")
        }
        self._own = [*own.values()]
        self._generate = Generate(self._move, own["generate"], reached=lambda _: _EVERYTHING, followed=False)
        self._transfer = Transfer(self._move, own["transfer"])
        self._process = Process(self._move, own["process"], prove=self._prove)

    def open(self) -> None:
        """Connect, plan what is to be read, and forget what was made and not applied. Raises OwnedElsewhere."""
        for each in self._own:
            each.own()
        for work in (self._generate, self._transfer, self._process):
            work.open()
        self._begin()
        self._free_unapplied()

    def step(self) -> int:
        """Make one batch and bring it to the target while its instant lasts; at the end see that nothing is missing."""
        try:
            if self._journal.batches_queued():  # the target has it
                return self._carry()
            batch = self._generate.generator.batch(held=self._carried)
        except psycopg.DatabaseError as error:
            raise self._refused(error) from error
        except SchemaChanged as error:
            raise SourceAltered(
                what=f"the table {error.facts['table']!r} is another one.", move=self._move.name
            ) from error
        if batch is None and not self._left():
            self._finish()
        return max(batch.objects, 1) if batch else 0

    def idle(self, seconds: float) -> None:
        """Wait for news in the journal."""
        self._journal.wait(seconds)

    def lag_seconds(self) -> None:
        """Nothing is behind: the source stands still."""

    def close(self) -> None:
        """Close everything."""
        for work in (self._generate, self._transfer, self._process):
            work.close()

    # -- beginning -------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Make sure of an incarnation without a slot, and of its ranges."""
        journal, current = self._journal, self._journal.current()
        if current is None or current.slot != _NO_SLOT or self._altered(current):
            behind, _, _ = self._process.applier.standing()
            current = journal.begin_incarnation(slot=_NO_SLOT, behind=behind)
        number = current.incarnation
        if current.snapshot is None:
            row = self._generate.source.connection.execute("select pg_current_snapshot()::text").fetchone()
            journal.slot_made(
                incarnation=number, system_id=None, timeline=None, consistent_point="0/0", snapshot=row and row[0]
            )
        if not journal.last_range(incarnation=number):
            source, plan = self._generate.source, self._move.plan
            plan_pass(journal, source, plan=plan, incarnation=number, only=self._names, absence=False)

    def _altered(self, current: Incarnation) -> bool:
        tables = [table.qualified for table in self._move.plan.table.values()]
        before = current.fingerprint
        return before is not None and before != fingerprint_of(self._generate.source.connection, tables=tables)

    def _free_unapplied(self) -> None:
        """Forget the batch that the target does not have, so that it is read and proven at one instant."""
        _, applied, _ = self._process.applier.standing()
        for state in ("transferred", "generated"):
            batch = self._journal.next_batch(state)
            if batch is not None and batch.number > applied:
                self._journal.fetch_again(batch.number)
                self._journal.lose(batch.number, reason="its process ended before it was applied")
        self._generate.generator.free_lost()

    # -- one batch -------------------------------------------------------------------------------------------------

    def _carried(self, _: Batch) -> None:
        self._carry()

    def _carry(self) -> int:
        return self._transfer.step() + self._process.step()

    def _prove(self, keys: Mapping[str, Mapping[str, str]]) -> None:
        """Compare new objects by content, in the snapshot that they were read in. Raises ArrivedOtherwise."""
        subject = subject_of(self._move, self._journal)
        source, target = self._generate.source.connection, self._process.connection
        assert target is not None  # noqa: S101 -- it is applying
        today = business_date(source, self._move.plan.property, property_code=self._move.property_code)
        found = Comparison(SourceReader(source, subject), TargetReader(target, subject), business_date=today)
        for name, some in keys.items():
            for _ in found.objects(self._move.plan.entity[name], keys=dict(some)):
                pass
        if found.count:
            found.explain()
            first = found.differences[0]
            said = "; ".join(f"{one.entity} {one.key}: {one.what}" for one in found.differences[:5])
            raise ArrivedOtherwise(differences=said, move=self._move.name, entity=first.entity, key=first.key)
        written.disown(target, organization=self._move.target_property)

    def _refused(self, error: psycopg.DatabaseError) -> Exception:
        """Say what a refusal by the guard means; anything else stays what it is."""
        kinds = {SQLSTATE_CLOSED: PropertyClosed, SQLSTATE_REFERENCE_ONLY: PropertyMovedOn}
        kind = kinds.get(error.sqlstate or "")
        return error if kind is None else kind(reason=error.diag.message_primary, move=self._move.name)

    # -- the end ---------------------------------------------------------------------------------------------------

    def _left(self) -> bool:
        incarnation = self._journal.incarnation().incarnation
        return bool(self._journal.ranges_left(incarnation=incarnation) or self._journal.pending())

    def _finish(self) -> None:
        """Hold the source's keys against the key map; then it is done, but for what failed."""
        problems = self._open_problems()
        failed = {(p.entity, p.key) for p in problems}
        moved, missing = {}, []
        for name in self._names:
            known = self._known(name)
            keys = self._generate.source.range_keys(self._move.plan.entity[name], after=None, upto=None)
            missing += [Touched(name, key) for key in keys if key not in known and (name, key) not in failed]
            moved[name] = len(known)
        if missing:
            self._journal.enqueue(missing, now=clock.now())
            return
        self._note(moved, failed=sum(p.accepted_by is None for p in problems))

    def _known(self, name: str) -> set[str]:
        assert self._process.connection is not None  # noqa: S101 -- it is open
        return {key for (key,) in self._process.connection.execute(_KNOWN, [self._move.name, name])}

    def _open_problems(self) -> list[panel.Problem]:
        listed = panel.problems(self._journal.connection, move=self._move, limit=1_000_000)
        return [p for p in listed if p.state in ("failed", "waiting")]

    def _accepted(self) -> list[dict[str, Any]]:
        """Give what is left out by name, with who accepted it and why."""
        listed = accepted(self._journal.connection, move_id=self._move.move_id)
        return [msgspec.to_builtins(one) for one in listed if one.entity in self._names]

    def _note(self, moved: dict[str, int], *, failed: int) -> None:
        """Write down what has come of it, and want no more."""
        control, plan = self._journal.connection, self._move.plan
        behind = {name: self._generate.source.left_behind(plan.entity[name]) for name in plan.filter_of}
        facts: dict[str, Any] = dict(load_move(control, name=self._move.name).facts.get(FACT) or {})
        facts |= {"moved": moved, "left_behind": behind, "failed": failed, "accepted": self._accepted()}
        facts |= {} if failed else {"done_at": format_instant(clock.now())}
        with self._journal.together():
            set_fact(control, move=self._move, name=FACT, value=facts)
            if not failed:
                set_task(control, move=self._move, task=7, state="miscellaneous moved")
            record_audit(control, who=facts.get("who", "worker"), what="move miscellaneous done", reason="",
                         object=f"move {self._move.name}", after=facts)  # fmt: skip
            self._journal.want(MISCELLANEOUS, running=False)
