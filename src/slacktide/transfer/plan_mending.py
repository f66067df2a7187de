"""A mended plan, taken into a move that is under way: what a changed schema of the source asks for.

The processes stop when a table of the plan is another one, and say which. Where the plan itself has to say something
new (a column that moves, or is left out by name), the move goes on by the mended plan. The events:

1. A process still works by the plan as it was, and its batches would not be of the new one's shape: all four have to be
   stopped, and their locks are held here.
2. Batches that were made by the plan as it was lie in the spools: none of those is applied, and what they held is read
   again.
3. An object's content is another one by the new plan, though nobody touched the object: all of its entity are read
   again.
4. An entity that has moved is no longer in the plan: its objects at the target would belong to nobody. It is refused.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import msgspec

from slacktide.control.audit import record_audit
from slacktide.core.errors import InputError
from slacktide.plan.check import check_plan
from slacktide.plan.load import load_plan_text
from slacktide.plan.problem import PlanError
from slacktide.transfer.configuration_switch import replan
from slacktide.transfer.journal import PROCESSES, Journal, OwnedElsewhere
from slacktide.transfer.slot import plan_pass
from slacktide.transfer.source import Source
from slacktide.transfer.spool import Spool

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.plan.model import Plan
    from slacktide.transfer.move import Move

    _Connection = psycopg.Connection[TupleRow]


class OtherPlan(InputError):
    """The file {file} is not the plan of the move {move}, mended: {reason}. Give that one: `slacktide move prepare {move} --plan FILE`."""  # noqa: E501 -- the message is one text


class ProcessesRun(InputError):
    """The process {process!r} of {move} still works by the plan as it was: `slacktide move processes stop {move}`."""


class Mended(msgspec.Struct, frozen=True):
    """A mended plan: its text, and the entities that are read again by it."""

    text: str
    file: str
    read_again: list[str]


def describe(source: _Connection, target: _Connection, *, move: Move, text: str, file: str) -> Mended:
    """Hold a mended plan against the move and both databases; say what it changes. Raises OtherPlan, PlanError."""
    plan = load_plan_text(text=text, file=file)
    gone = [entity.name for entity in move.plan.moving if entity.name not in {one.name for one in plan.moving}]
    if plan.name != move.plan.name or plan.version != move.plan.version:
        said = f"it is version {plan.version} of {plan.name}, and the move is by version {move.plan.version} of "
        raise OtherPlan(file=file, reason=said + move.plan.name, move=move.name)
    if gone:
        raise OtherPlan(file=file, reason=f"it does not have {', '.join(gone)}, which has moved", move=move.name)
    findings = check_plan(plan=plan, source=source, target=target)
    if findings.errors:
        raise PlanError(file=file, errors=list(findings.errors))
    return Mended(text, file, _changed(move.plan, plan))


def _changed(before: Plan, after: Plan) -> list[str]:
    """Name the entities that are others by the mended plan; whoever refers to a shared one brings it, so then all."""
    was = {entity.name: msgspec.to_builtins(entity) for entity in before.moving}
    changed = [entity for entity in after.moving if msgspec.to_builtins(entity) != was.get(entity.name)]
    if any(entity.shared for entity in changed):
        changed = [*after.moving]
    return [entity.name for entity in changed]


def take(control: _Connection, *, move: Move, mended: Mended, who: str, reason: str) -> Move:
    """Go on by a mended plan: forget what was made by the other one, and have read again what it changes."""
    for process in PROCESSES:
        try:
            Journal(control, move_id=move.move_id, process=process).own()
        except OwnedElsewhere as error:
            raise ProcessesRun(process=process, move=move.name) from error
    journal = Journal(control, move_id=move.move_id)
    with control.transaction():
        after = replan(control, move=move, text=mended.text)
        files = _forget_unapplied(journal)
        current = journal.current()
        if current is not None and journal.last_range(incarnation=current.incarnation) and mended.read_again:
            name = f"{move.name} prepare"
            source = Source(after.source, plan=after.plan, property_code=after.property_code, name=name)
            with closing(source):
                plan_pass(journal, source, plan=after.plan, incarnation=current.incarnation, only=mended.read_again)
        checksums = {"before": move.plan.checksum, "after": after.plan.checksum}
        record_audit(control, who=who, what="move prepare plan", object=f"move {move.name}", reason=reason,
                     after=checksums | {"read_again": mended.read_again})  # fmt: skip
    for spool in (after.source_spool, after.target_spool):
        for file in files:
            Spool(spool).remove(file)
    return after


def _forget_unapplied(journal: Journal) -> list[str]:
    """Forget every batch that is not applied; give the names of their files."""
    for state in ("transferred", "generated"):
        batch = journal.next_batch(state)
        if batch is not None:
            journal.fetch_again(batch.number)
            journal.lose(batch.number, reason="the plan was mended")
    return journal.free_lost()
