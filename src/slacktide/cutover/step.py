"""The steps of the System Down Time, in their order (migration specification, section 3).

Each step can be done again: a procedure that was killed goes on at the step where it was. A step gives a detail that
the monitoring window shows, or raises. The events:

1. The procedure dies after the closing: the closing is durable in the source; the next owner goes on.
2. A writer that passed the guard is still open: quiet is only recorded under the exclusive lock.
3. Something of the property changes after the barrier: the barrier is void and is made anew.
4. It dies between the source becoming reference only and the target's opening: never are both open; it goes on there.
5. Somebody pauses or abandons it at this very moment: the attempt's row decides before the target opens.
6. Another property's clerk changes a shared profile after the barrier: it is carried, and voids nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from slacktide.control import downtime as control_downtime
from slacktide.control.organization import list_sides, set_side
from slacktide.control.schedule import still_down
from slacktide.core import clock
from slacktide.core.errors import InputError, OutsideError
from slacktide.cutover import go, verifying
from slacktide.cutover.attempt import Event, IllegalAttemptEvent
from slacktide.cutover.night import Ended
from slacktide.downtime.saving import AlreadyOver
from slacktide.downtime.series import NoneInEffect
from slacktide.guard import closing, presence
from slacktide.guard.holders import holders
from slacktide.guard.state import State
from slacktide.postgres.connection import shown
from slacktide.transfer import panel
from slacktide.transfer.acceptance import accepted_of
from slacktide.transfer.configuration_property import business_dates
from slacktide.transfer.configuration_sql import set_business_date
from slacktide.transfer.counter import raise_counters
from slacktide.transfer.move import set_task
from slacktide.transfer.prepare import guarded_tables

if TYPE_CHECKING:
    from slacktide.cutover.night import Night
    from slacktide.transfer.verify import Verification

_QUIET_PAUSE_SECONDS = 0.05
_NOTE_SECONDS = 0.2


class ErrorsOpen(InputError):
    """Messages failed or wait ({count}): {listed}. What can be done: `slacktide move error list {move}`. Then `slacktide move downtime resume {move}`."""  # noqa: E501 -- the message is one sentence


class NotEqual(OutsideError):
    """The target is not the source: {differences}. Nothing is opened; both sides stay closed."""


class BarrierVoid(OutsideError):
    """{count} objects of the property changed after the barrier: the final synchronization begins anew."""


class Step(msgspec.Struct, frozen=True):
    """One step: its name in scripts, its title on the screen, and what does it."""

    name: str
    title: str
    do: Callable[[Night], Any]


def close_source(night: Night) -> Any:
    """Commit the durable closing in the source: from here on only open or abandon end it."""
    move = night.move
    closing.register(night.source, organization=move.property_code)
    seen = closing.state(night.source, organization=move.property_code)
    who, reason = night.attempt.who, night.attempt.reason
    night.require_stepping()  # after the epoch was read: whoever abandons it from here on raises that
    if seen.state not in (State.CLOSING, State.QUIET):
        closing.begin_closing(night.source, organization=move.property_code, reason=reason, epoch=seen.epoch)
    sides = list_sides(night.control, organization=move.organization)
    if not any(side.side == "source" and side.state == "closed" for side in sides):  # killed before it was noted
        set_side(night.control, organization=move.organization, side="source", state="closed", who=who, reason=reason)
    return {"state": str(closing.state(night.source, organization=move.property_code).state)}


def wait_until_quiet(night: Night) -> Any:
    """Take the exclusive lock behind every writer that passed the guard, and record quiet under it."""
    organization = night.move.property_code
    if closing.state(night.source, organization=organization).state in (State.QUIET, State.REFERENCE_ONLY):
        return {"state": "quiet"}
    while True:
        begun = clock.monotonic_seconds()
        if closing.try_quiet(night.source, organization=organization):
            return {"state": "quiet"}
        night.leave_out(clock.monotonic_seconds() - begun)  # it waited for who writes
        night.require_stepping()
        listed = [msgspec.to_builtins(holder) for holder in holders(night.source, organization=organization)]
        night.record.set_step("quiet", state="running", detail={"waits_for": listed})
        night.wait_for_people(_QUIET_PAUSE_SECONDS)


def synchronize_finally(night: Night) -> Any:
    """Bring every change committed before the barrier to the target, and compare at the last batch's instant."""
    step = "final_synchronization"

    noted = clock.monotonic_seconds()
    moved = 0

    def progress(done: int) -> None:
        nonlocal noted, moved
        moved = done
        if (
            clock.monotonic_seconds() - noted >= _NOTE_SECONDS
        ):  # not each time: while others trade, that would hold it up
            night.require_stepping()
            night.record.set_step(step, state="running", done=done, total=done)
            noted = clock.monotonic_seconds()

    tested = verifying.current(night.control, move=night.move) is not None
    if tested:
        verifying.turn_out(night)
    night.engine.drain(progress=progress)
    night.record.set_step(step, state="running", done=moved, total=moved)
    _require_no_problems(night)
    batch, verification = verifying.take_away(night) if tested else night.verified_batch()
    _require_no_problems(night)
    if batch is None or verification is None:
        raise BarrierVoid(count="some")
    night.record.set_final(batch.number, verification=_kept(night, verification))
    verifying.note_gone(night)
    return {"batch": batch.number, "as_of": batch.as_of, "objects": night.record.moved()}


def entities_step(name: str, entities: tuple[str, ...]) -> Callable[[Night], Any]:
    """Make the step that proves and reports some entities: rows, totals, and what moved since the closing."""

    def prove(night: Night) -> Any:
        kept = night.record.current().verification or {}
        plan = night.move.plan
        names = [table.name for entity in entities for table in plan.entity[entity].tables]
        rows = {n: [kept["rows"][side].get(n, 0) for side in ("source", "target")] for n in names}
        totals = {k: v for k, v in kept["totals"].items() if kept["total_entities"].get(k) in entities}
        moved = sum(kept["moved"].get(entity, 0) for entity in entities)
        wrong = [n for n, (one, other) in rows.items() if one != other]
        wrong += [n for n, both in totals.items() if both["source"] != both["target"]]
        if wrong:
            raise NotEqual(differences=", ".join(wrong))
        night.record.set_step(name, state="running", done=moved, total=moved)
        return {"rows": rows, "totals": totals, "moved_since_closing": moved}

    return prove


def raise_number_ranges(night: Night) -> Any:
    """Raise every number range of the target to the source's; never lower one. Its business date is the source's."""
    raised = raise_counters(
        source=night.source, target=night.target, plan=night.move.plan,
        source_property=night.move.property_code, target_property=night.move.target_property,
    )  # fmt: skip
    dates = business_dates(night.source, night.target, move=night.move)
    facts = {"date": dates.source, "code": night.move.target_property}
    night.target.execute(set_business_date(night.move.plan), facts)
    return {"counters": raised, "business_date": dates.source}


def verify(night: Night) -> Any:
    """Hold every object, every table's rows and every control total of both sides against each other."""
    kept = night.record.current().verification or {}
    if not kept.get("equal"):
        raise NotEqual(differences="; ".join(kept.get("differences") or ["nothing was compared"]))
    for connection in (night.source, night.target):
        presence.verify_presence(connection, tables=guarded_tables(night.move.plan))
    return {"read": kept["read"], "carried": kept["carried"], "differences": 0}


def resync_inventory(night: Night, source: Any = None) -> Any:
    """Rebuild at the target what is derived, and compare it with the source's, as `source` sees that."""
    if night.kind is None:
        return None
    rows = night.kind.rebuild(night.target, property_code=night.move.target_property)
    different = night.kind.differences(
        source=source or night.source, target=night.target,
        source_property=night.move.property_code, target_property=night.move.target_property,
    )  # fmt: skip
    if different:
        raise NotEqual(differences="; ".join(different[:5]))
    return {"rows": rows, "differences": 0}


def require_gos(night: Night) -> Any:
    """Go on only with a go by name from each role that the plan lists; testers leave before it opens."""
    given = go.require(night)
    if verifying.is_in(night.control, move=night.move):
        night.record.void()
        raise BarrierVoid(count="the testers'")
    return {"gos": given}


def hand_over(night: Night) -> Any:
    """Make the source reference only, decide, then open the target: never are both open."""
    move, who, reason = night.move, night.attempt.who, night.attempt.reason
    place = shown(move.target)
    seen = closing.state(night.source, organization=move.property_code)
    there = closing.state(night.target, organization=move.target_property)  # before it is decided: see `open_target`
    if seen.state is not State.REFERENCE_ONLY:
        _still_behind_barrier(night)
        night.require_stepping()
        closing.make_reference_only(
            night.source, organization=move.property_code, lives_at=place, reason=reason, epoch=seen.epoch
        )
    _decide(night)
    set_side(night.control, organization=move.organization, side="source", state="reference only",
             lives_at=place, who=who, reason=reason)  # fmt: skip
    closing.open_target(night.target, organization=move.target_property, reason=reason, epoch=there.epoch)
    set_side(night.control, organization=move.organization, side="target", state="open", who=who, reason=reason)
    set_task(night.control, move=move, task=6, state="open")
    return {"lives_at": place, "still_down": _end_downtime(night)}


def _decide(night: Night) -> None:
    """Decide that the target opens: from here on nothing can be abandoned. Raises Ended where that came first."""
    try:
        night.record.happen(Event.HAND_OVER)
    except IllegalAttemptEvent as told:
        raise Ended from told


def _end_downtime(night: Night) -> list[Any]:
    """End the downtime given at Start, unless it is over; give what still keeps the organization down."""
    facts = {"who": night.attempt.who, "reason": night.attempt.reason}
    with contextlib.suppress(AlreadyOver, NoneInEffect):
        control_downtime.end_downtime(night.control, id=night.attempt.downtime_id, **facts)
    return still_down(night.control, organization=night.move.organization)


def _still_behind_barrier(night: Night) -> None:
    """Carry what came since the barrier, up to now, and see that nothing of it was the property's.

    What came and went is counted from the barrier on, so that a change is seen by whoever takes the step up after a
    kill. Another property's objects, which the target does not know, come and go without a trace in its key map.
    """
    attempt = night.record.current()
    night.engine.drain()
    batch = night.engine.batch()
    _require_no_problems(night)
    final, last = attempt.final_batch or 0, night.journal.last_batch()
    written = sum(night.journal.own_objects(number) for number in range(final + 1, last + 1))
    changed = written or abs(night.own_objects() - (attempt.verification or {}).get("own", 0))
    if changed or batch is None:
        night.record.void()
        raise BarrierVoid(count=changed or "some")


def _require_no_problems(night: Night) -> None:
    listed_ones = panel.problems(night.control, move=night.move)
    open_ones = [p for p in listed_ones if p.state in ("failed", "waiting") and p.accepted_by is None]
    if open_ones:
        listed = "; ".join(f"{p.entity} {p.key} {p.state}: {p.reason}" for p in open_ones[:3])
        raise ErrorsOpen(count=len(open_ones), listed=listed, move=night.move.name)


def _kept(night: Night, found: Verification) -> dict[str, Any]:
    """Give what is kept of the verification at the barrier."""
    sides = ("source", "target")
    sums = {str(side): totals for side, totals in found.totals.items()}
    totals: dict[str, dict[str, str]] = {}
    of: dict[str, str] = {}
    for total in night.move.plan.totals:
        labels = sorted({*sums["source"].get(total.name, {}), *sums["target"].get(total.name, {})})
        for label in labels:
            name = f"{total.name} {label}".strip()
            totals[name] = {side: str(sums[side].get(total.name, {}).get(label, 0)) for side in sides}
            of[name] = total.entity
    return {
        "equal": found.equal,
        "read": found.read,
        "carried": found.carried,
        "different": found.different,
        "differences": [f"{d.entity} {d.key}: {d.what}" for d in found.differences[:20]]
        + [f"{name}: {both}" for name, both in totals.items() if both["source"] != both["target"]],
        "rows": {str(side): rows for side, rows in found.rows.items()},
        "totals": totals,
        "total_entities": of,
        "moved": night.moved_by_entity(),
        "own": night.own_objects(),
        "accepted": accepted_of(night.control, move=night.move, left_out=found.accepted),
    }


def steps_of(plan: Any) -> list[Step]:
    """Give the steps of a plan's down time."""
    return [
        Step("closing", "Close the source", close_source),
        Step("quiet", "Wait until nobody writes", wait_until_quiet),
        Step("final_synchronization", "Final synchronization", synchronize_finally),
        *(Step(s.name, s.title, entities_step(s.name, s.entities)) for s in plan.steps),
        Step("counters", "Counters", raise_number_ranges),
        Step("verify", "Verify", verify),
        Step("resync_inventory", "Resync inventory", resync_inventory),
        Step("ready_to_open", "Ready to open", require_gos),
        Step("hand_over", "Hand over", hand_over),
    ]
