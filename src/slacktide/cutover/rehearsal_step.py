"""The steps of a down time as a rehearsal does them: the same functions, with nothing closed and nothing handed over.

A rehearsal is a move of its own into a shadow target, and the property trades. The instant of the last batch takes the
place of the barrier: what is compared is compared at an instant. What closing, waiting for quiet and opening the source
again take is measured at the shadow, whose guard is the same, with an organization that does not exist. The events:

1. A step is added to the down time that writes at the source or ends a downtime: a rehearsal does only the steps that
   are named here, and leaves out every other one.
2. The property trades while what is derived is compared: both sides are looked at in the instant of one more batch.
3. It is asked what each object more would take: some objects of the shadow are made to count as changed, and carried
   once more, beside the step and apart from its work. At the source they are only read.
4. The property trades without a pause: the final synchronization makes one round, and compares at the next batch, which
   brings what was committed meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from slacktide.core import clock
from slacktide.cutover import step as real
from slacktide.cutover.attempt import Event
from slacktide.cutover.engine import BatchLost
from slacktide.cutover.step import Step, steps_of
from slacktide.guard import closing
from slacktide.postgres import sql
from slacktide.transfer.entry import Touched

if TYPE_CHECKING:
    from slacktide.cutover.night import Night
    from slacktide.transfer.entry import Batch
    from slacktide.transfer.move import Move

REOPEN = "reopen"
_QUIET_PAUSE_SECONDS = 0.05
_AS_IT_IS = ("counters", "verify")
_SAMPLE = 1000
_STATEMENTS = sql.load(__package__, "rehearsal_step.sql")


class _Took(msgspec.Struct, frozen=True):
    """What one more synchronization took, and how many objects it wrote."""

    seconds: float
    objects: int


def steps_for(move: Move) -> list[Step]:
    """Give the steps of a move's down time, or of its rehearsal."""
    return steps_of(move.plan) if move.rehearses is None else _rehearsed(move)


def _rehearsed(move: Move) -> list[Step]:
    as_it_is = {*_AS_IT_IS, *(step.name for step in move.plan.steps)}
    done = [
        step if step.name in as_it_is else Step(step.name, step.title, _INSTEAD[step.name])
        for step in steps_of(move.plan)
        if step.name in as_it_is or step.name in _INSTEAD
    ]
    return [*done, Step(REOPEN, "Reopen, as abandoning would", _reopen)]


def _close(night: Night) -> Any:
    """Close an organization that does not exist, at the shadow."""
    closing.register(night.target, organization=night.move.name)
    seen = closing.begin_closing(night.target, organization=night.move.name, reason=night.attempt.reason)
    return {"state": str(seen.state)}


def _wait_until_quiet(night: Night) -> Any:
    while not closing.try_quiet(night.target, organization=night.move.name):
        night.require_stepping()
        night.wait_for_people(_QUIET_PAUSE_SECONDS)
    return {"state": "quiet"}


def _synchronize(night: Night) -> Any:
    """Synchronize finally; then measure, beside it, what each object more and comparing everything would take.

    The batch that is compared holds what was traded since the round before. In the night it is empty: it is left out.
    """
    begun = clock.monotonic_seconds()
    detail = real.synchronize_finally(night)
    night.leave_out(night.engine.batch_seconds)
    took = clock.monotonic_seconds() - begun - night.engine.batch_seconds
    objects = _moved_before(night, detail["batch"])
    beside = clock.monotonic_seconds()
    night.verified_batch(whole=True)
    whole = clock.monotonic_seconds() - beside - night.engine.batch_seconds
    few = _synchronize_again(night)
    _make_differ(night)
    many = _synchronize_again(night)
    night.leave_out(clock.monotonic_seconds() - beside)
    each = (many.seconds - few.seconds) / max(many.objects - few.objects, 1)
    each = min(max(each, 0.0), took / max(objects, 1))
    return detail | {"objects": objects, "object_seconds": each, "whole_seconds": whole}


def _synchronize_again(night: Night) -> _Took:
    begun, before = clock.monotonic_seconds(), night.record.moved()
    night.engine.drain()
    batch, _ = night.verified_batch()
    objects = _moved_before(night, batch.number) - before if batch else 0
    return _Took(clock.monotonic_seconds() - begun - night.engine.batch_seconds, objects)


def _moved_before(night: Night, batch: int) -> int:
    """Give how many objects were written since Start by the batches before one."""
    facts = {"move_id": night.move.move_id, "first": night.attempt.first_batch, "batch": batch}
    row = night.control.execute(_STATEMENTS["moved_before"], facts).fetchone()
    return int(row[0]) if row else 0


def _make_differ(night: Night) -> None:
    """Have objects of the shadow count as changed, so that they are read, carried, written and compared once more."""
    rows = night.target.execute(_STATEMENTS["make_differ"], {"move": night.move.name, "count": _SAMPLE}).fetchall()
    night.journal.enqueue([Touched(entity, key) for entity, key in rows], now=clock.now())


def _resync(night: Night) -> Any:
    """Rebuild and compare at the instant of one more batch; what that batch takes is not counted."""
    found: list[Any] = []
    begun, inside = clock.monotonic_seconds(), 0.0

    def compared(_: Batch) -> None:
        nonlocal inside
        at = clock.monotonic_seconds()
        found.append(real.resync_inventory(night, night.engine.generate.source.connection))
        inside = clock.monotonic_seconds() - at

    batch = night.engine.batch(held=compared)
    night.leave_out(clock.monotonic_seconds() - begun - inside)
    if batch is None:
        raise BatchLost(number=night.journal.last_batch() + 1)
    return found[0]


def _hand_over(night: Night) -> Any:
    """Carry what came since, which in the night is nothing and is left out, and open the shadow."""
    begun = clock.monotonic_seconds()
    night.engine.drain()
    night.engine.batch()
    night.leave_out(clock.monotonic_seconds() - begun)
    night.own_objects()
    night.record.happen(Event.HAND_OVER)
    closing.open_target(night.target, organization=night.move.target_property, reason=night.attempt.reason)
    return {}


def _reopen(night: Night) -> Any:
    """Open what `_close` closed."""
    closing.state(night.target, organization=night.move.name)
    closing.reopen(night.target, organization=night.move.name, reason=night.attempt.reason)
    return {"state": "open"}


_INSTEAD = {
    "closing": _close,
    "quiet": _wait_until_quiet,
    "final_synchronization": _synchronize,
    "resync_inventory": _resync,
    "hand_over": _hand_over,
}
