"""The milestones of a down time, each told once, by mail and by the webhook, to the property's administrators.

What has been reached is read from the record, and what was told is kept; a look tells the difference. The events:

1. Two workers look at once: the second waits for the first one's commit, and finds that it is told.
2. A worker is killed while it looks: that it is told, its notice and all deliveries are one transaction, or nothing.
3. All workers are away: the next look tells whatever has been reached meanwhile, in order.
4. The barrier is void and steps are done again: what was told of this attempt is told once all the same.
5. It is paused, or fails, a second time: that is another milestone, by the instant at which it began.
6. The hand over fails: both sides may be closed, and nobody goes on by himself; it is told, each time that it does.
7. It is open, and that is told; then it is given up all the same: that is told as well.
8. The planned end passes while the procedure goes on: it is told, and again if a later one passes.
9. An error quotes a row, with a guest's name: no mail has it; it points to the command that shows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from slacktide.control.downtime import UnknownDowntime, downtime_of
from slacktide.control.setting import control_now, list_settings
from slacktide.core.duration import format_instant
from slacktide.core.interval import Period
from slacktide.cutover.attempt import State
from slacktide.notice import store
from slacktide.notice.store import Milestone
from slacktide.postgres import sql
from slacktide.transfer.move import load_move

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    _Connection = psycopg.Connection[TupleRow]

_STATEMENTS = sql.load(__package__, "milestone.sql")
_BY_STEP = {"quiet": "closed", "verify": "verified", "resync_inventory": "ready"}
_OVER = (State.OPEN, State.ABANDONED)

_SAID = {
    "scheduled": "the down time is scheduled",
    "closing": "the down time has started, and the source is closing",
    "closed": "the source is closed: nobody writes any more",
    "half": "half of the steps are done",
    "verified": "both sides are verified, and equal",
    "ready": "the target is ready to open",
    "open": "the target is OPEN: the property lives there now",
    "abandoned": "the down time was ABANDONED, and the source is open again",
    "failed": "the down time has FAILED in a step, and both sides stay closed",
    "paused": "the down time is PAUSED, and both sides stay closed",
    "overdue": "the PLANNED END HAS PASSED, and the procedure is not over: the property stays closed",
}
_NEXT = {
    "ready": "Give the gos that are missing: slacktide move go {move} --role ROLE --name NAME",
    "failed": "See what to do: slacktide move status {move}; then slacktide move downtime resume {move}",
    "paused": "It goes on by: slacktide move downtime resume {move}",
    "overdue": "Look at it: slacktide move status {move}. Until it opens it can be given up: "
    "slacktide move downtime abandon {move}",
}
_HANDED_OVER = "It failed while the property was handed over: it can be resumed, but not abandoned."


def tell(control: _Connection, *, configured: Mapping[store.Channel, bool], at: datetime | None = None) -> list[str]:
    """Tell what has been reached by now, or by an instant, and was not told; give the keys of that."""
    told: list[str] = []
    now = at or control_now(control)
    for move, key, milestone, more in [*_scheduled(control, now), *_reached(control, now)]:
        facts = {"move": move, "key": key, "milestone": milestone}
        with control.transaction():
            if control.execute(_STATEMENTS["told"], facts).fetchone() is not None:
                store.tell_milestone(control, milestone=_worded(control, move, milestone, more), configured=configured)
                told.append(key)
    return told


def _worded(control: _Connection, name: str, milestone: str, more: str) -> Milestone:
    move = load_move(control, name=name)
    said = f"{move.organization}: {_SAID[milestone]}"
    lines = [f"{said} (move {name}).", *([more] if more else [])]
    if milestone in _NEXT:
        lines.append(_NEXT[milestone].format(move=name))
    return Milestone(move=name, organization=move.organization, milestone=milestone, subject=said,
                     text="\n\n".join(lines) + "\n")  # fmt: skip


def _scheduled(control: _Connection, now: datetime) -> Iterator[tuple[str, str, str, str]]:
    """Give the downtimes that came, since the move was made, over a property that has not moved yet."""
    settings = [each for each in list_settings(control) if each.is_on and each.definition.is_downtime]
    for move, code, created_at in control.execute(_STATEMENTS["moves"]).fetchall():
        for setting in settings:
            due = setting.organization == code and setting.users != "in" and not setting.over(now)
            if due and Period(created_at).contains(setting.start):
                yield move, f"scheduled {setting.id}", "scheduled", f"It begins at {format_instant(setting.start)}."


def _reached(control: _Connection, now: datetime) -> Iterator[tuple[str, str, str, str]]:
    """Give what each attempt has reached, in order: the move, the key, the milestone, and what more there is to say."""
    for row in control.execute(_STATEMENTS["attempts"]).fetchall():
        move, attempt, state, since, failed, downtime, was_open, source_open, done, steps = row
        names = ["closing", *_steps(done or [], steps)]
        names += [str(state)] if state == State.OPEN else []
        names += ["abandoned"] if source_open else []
        yield from ((move, f"{attempt} {name}", name, "") for name in names)
        if state in (State.FAILED, State.PAUSED):
            yield move, f"{attempt} {state} {format_instant(since)}", str(state), ""
        if state == State.OPENING and failed:
            yield move, f"{attempt} {State.FAILED} {format_instant(since)}", str(State.FAILED), _HANDED_OVER
        end = None if was_open or source_open else overdue(control, downtime=downtime, state=state, now=now)
        if end is not None:
            yield (
                move,
                f"{attempt} overdue {format_instant(end)}",
                "overdue",
                f"It was planned for {format_instant(end)}.",
            )


def _steps(done: list[str], steps: int) -> list[str]:
    """Give the milestones of the steps that are done, in order; half is reached with the step in the middle."""
    names: list[str] = []
    for number, step in enumerate(done, start=1):
        names += [_BY_STEP[step]] if step in _BY_STEP else []
        names += ["half"] if number == (steps + 1) // 2 else []
    return names


def overdue(control: _Connection, *, downtime: str, state: Any, now: datetime) -> datetime | None:
    """Give the planned end that has passed while a down time is not over."""
    try:
        end = downtime_of(control, id=downtime).end
    except UnknownDowntime:
        return None
    return end if end is not None and Period(end).contains(now) and state not in _OVER else None
