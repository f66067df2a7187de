"""What a down time came to, as `move downtime start` gives it at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slacktide.control import downtime as control_downtime
from slacktide.control.setting import control_now
from slacktide.core.errors import UsageError
from slacktide.cutover.attempt import State, sentence
from slacktide.cutover.record import Record

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.cutover.record import Attempt
    from slacktide.transfer.move import Move


class AlreadyStarted(UsageError):
    """The down time of {move} is {state}, so it is not started again: go on with `{follows}`."""


def standing(connection: psycopg.Connection[TupleRow], *, move: Move) -> dict[str, Any]:
    """Give where a down time stands: its state and what that means, what was done, and what comes next."""
    record = Record(connection, move_id=move.move_id, move=move.name)
    steps = record.steps()
    left = [step.title for step in steps if step.state != "done"]
    state = State(record.current().state)
    return {
        "move": move.name,
        "result": str(state),
        "meaning": sentence(state=state),
        "done": [step.title for step in steps if step.state == "done"],
        "next": left[0] if left else None,
    }


def abandoned(attempt: Attempt, *, move: Move) -> dict[str, Any]:
    """Give what an abandoned down time has come to: the source, what keeps it down all the same, the target."""
    opened, decided = attempt.source_opened_at, attempt.abandoned_at
    return {
        "move": move.name,
        "result": attempt.state,
        "abandoned_by": attempt.abandoned_by,
        "reason": attempt.abandoned_reason,
        "source_open": opened is not None,
        "source_open_seconds": round((opened - decided).total_seconds(), 3) if opened and decided else None,
        "still_down": attempt.still_down or [],
        "target": attempt.cleared or {},
        "target_cleared": attempt.cleared_at is not None,
        "error": attempt.error,
    }


def _by_table(rows: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    names = sorted({*rows.get("source", {}), *rows.get("target", {})})
    return {name: {side: rows.get(side, {}).get(name, 0) for side in ("source", "target")} for name in names}


def of(connection: psycopg.Connection[TupleRow], *, move: Move) -> dict[str, Any]:
    """Give the result: how long it was down, how long it worked, what moved, what was verified, both sides' totals.

    `down_seconds` counts from the start of the downtime given at Start to open (or now); `work_seconds` is the
    procedure alone, without waiting for people.
    """
    record = Record(connection, move_id=move.move_id, move=move.name)
    attempt = record.current()
    kept = attempt.verification or {}
    begun = control_downtime.downtime_of(connection, id=attempt.downtime_id).start
    until = attempt.opened_at or control_now(connection)
    steps = record.steps()
    still = [one for step in steps for one in (step.detail or {}).get("still_down", [])]
    return {
        "result": attempt.state,
        "down_seconds": round((until - begun).total_seconds(), 3),
        "work_seconds": round(sum(step.work_seconds for step in steps), 3),
        "objects_moved": record.moved(),
        "verified_objects": kept.get("read", 0) + kept.get("carried", 0),
        "differences": kept.get("different", 0),
        "still_down": still,
        "accepted": kept.get("accepted", []),
        "totals": kept.get("totals", {}),
        "rows": _by_table(kept.get("rows", {})),
        "error": attempt.error,
    }
