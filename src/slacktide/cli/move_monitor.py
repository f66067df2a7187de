"""The monitoring window of a down time as lines: each step's progress, rate and expected end, and the whole so far.

What is expected is what was predicted when it was started; nothing is expected of one that was started without a
rehearsal. Waiting for people is not predicted, so it moves every expected end.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from slacktide.cli.output import write_json
from slacktide.control import downtime as control_downtime
from slacktide.control.setting import control_now
from slacktide.core import clock
from slacktide.core.duration import format_instant
from slacktide.cutover import prediction, verifying
from slacktide.cutover.attempt import WORKING, State
from slacktide.cutover.decision_time import decision_time
from slacktide.cutover.record import Record
from slacktide.worker.presence import count_workers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.cli.output import Shown
    from slacktide.cutover.record import Attempt, StepRecord
    from slacktide.transfer.move import Move


def facts(
    connection: psycopg.Connection[TupleRow], *, move: Move, attempt: Attempt, steps: Sequence[StepRecord]
) -> dict[str, Any]:
    """Give what is expected of a down time, and its latest decision time; null where nothing was predicted or named."""
    now = control_now(connection)
    found = prediction.bound(connection, move=move, attempt=attempt.attempt)
    over = attempt.opened_at or attempt.abandoned_at
    time = None if over else decision_time(connection, move=move, open_by=attempt.open_by)
    return {
        "predicted": found,
        "expected_end": None
        if found is None or over
        else now + _left(found, steps) + _once_more(connection, move, found),
        "open_by": attempt.open_by,
        "latest_decision": time and time.latest,
        "decision_passed": bool(time and time.passed(now)),
        "decision": time and time.sentence(now),
    }


def _left(found: prediction.Prediction, steps: Sequence[StepRecord]) -> timedelta:
    """Give how long what is not done is expected to take yet."""
    left = sum(
        max(0.0, found.steps.get(step.step, 0.0) - step.work_seconds) for step in steps if step.state != "done"
    )  # fmt: skip
    return timedelta(seconds=left)


def _once_more(connection: psycopg.Connection[TupleRow], move: Move, found: prediction.Prediction) -> timedelta:
    """Give how long it takes to take away what testers wrote, and to prove it, while they are in."""
    return timedelta(seconds=found.round_seconds if verifying.is_in(connection, move=move) else 0.0)


def text(found: dict[str, Any]) -> list[str]:
    """Write that, a line each."""
    end, expected = found["expected_end"], found["predicted"]
    lines = [f"predicted: {expected.work_seconds:.1f} s of work in all"] if expected else []
    lines += [f"expected end: {format_instant(end)}, if nobody is waited for"] if end else []
    return [*lines, *([found["decision"]] if found["decision"] else [])]


def waits(connection: psycopg.Connection[TupleRow], *, move: Move) -> list[str]:
    """Say for whom or for what the last attempt waits, with the command that ends it; nothing while it goes on."""
    record = Record(connection, move_id=move.move_id, move=move.name)
    if (state := State(record.current().state)) in (State.OPEN, State.ABANDONED):
        return []
    lines = []
    if state in WORKING and count_workers(connection) == 0:
        lines.append("NO WORKER LIVES, so nothing is done: slacktide worker")
    elif waits_for := record.waits_for():
        lines.append(f"waits for: {waits_for}")
    for step in record.steps():
        listed = (step.detail or {}).get("waits_for", []) if step.state == "running" else []
        lines += [f"{step.title}: waits for {_holder(one)}" for one in listed]
    found = verifying.current(connection, move=move)
    if found is not None and found.ended_at is None:
        lines.append(f"testers may write at the target: {', '.join(found.testers)}")
    return lines


def _holder(one: dict[str, Any]) -> str:
    said = f"the transaction {one['id']} of {one['user']} ({one['state']}, {one['age_seconds']:.0f} s)"
    return f"{said}: slacktide transaction end {one['id']} --reason TEXT"


class Monitor:
    """Says each change of the steps of one attempt, and loudly when the latest decision time passes."""

    def __init__(
        self, connection: psycopg.Connection[TupleRow], *, move: Move, attempt: Attempt, options: Shown
    ) -> None:
        """Look at what was predicted, once."""
        self._connection, self._move, self._options = connection, move, options
        self._waited_for: list[str] = []
        self._begun = clock.monotonic_seconds()
        self._predicted = prediction.bound(connection, move=move, attempt=attempt.attempt)
        self._decision = decision_time(connection, move=move, open_by=attempt.open_by)
        self._down_since = control_downtime.downtime_of(connection, id=attempt.downtime_id).start
        self._said: dict[str, tuple[Any, ...]] = {}
        self._began: dict[str, float] = {}
        self._loud = False

    def say(self, steps: Sequence[StepRecord]) -> None:
        """Say what has changed since the last time."""
        now = control_now(self._connection)
        for step in steps:
            seen = (step.state, step.done, step.total)
            if step.state != "waiting" and self._said.get(step.step) != seen:
                self._said[step.step] = seen
                self._say_step(step, steps, now)
        waiting = waits(self._connection, move=self._move)
        if (stands := [line.partition(" (")[0] for line in waiting]) != self._waited_for:
            self._waited_for = stands
            for line in waiting:
                self._options.note(line)
        if self._decision and self._decision.passed(now) and not self._loud:
            self._loud = True
            self._options.note(self._decision.sentence(now))

    def _say_step(self, step: StepRecord, steps: Sequence[StepRecord], now: datetime) -> None:
        elapsed = clock.monotonic_seconds() - self._begun
        took = max(step.work_seconds, elapsed - self._began.setdefault(step.step, elapsed))
        rate = step.done / took if took > 0 and step.done > 1 else None
        end = now + _left(self._predicted, steps) if self._predicted else None
        if self._options.json:
            write_json({
                "step": step.step, "state": step.state, "done": step.done, "total": step.total,
                "elapsed_seconds": round(elapsed, 3),
                "rate_per_second": None if rate is None else round(rate, 1),
                "expected_seconds": self._predicted and self._predicted.steps.get(step.step),
                "down_seconds": round((now - self._down_since).total_seconds(), 3),
                "expected_end": end and format_instant(end),
                "latest_decision": self._decision and format_instant(self._decision.latest),
            })  # fmt: skip
        else:
            self._options.note(self._line(step, elapsed, rate, end))

    def _line(self, step: StepRecord, elapsed: float, rate: float | None, end: datetime | None) -> str:
        expected = self._predicted.steps.get(step.step) if self._predicted else None
        said = [f"{elapsed:7.2f} s  {step.title:<45} {step.state:<8} {step.done or '':<8}"]
        said += [f"{rate:,.0f}/s"] if rate else []
        said += [f"takes about {expected:.1f} s"] if expected is not None and step.state == "running" else []
        said += [f"open at about {format_instant(end.replace(microsecond=0))}"] if end else []
        said += [f"decide by {format_instant(self._decision.latest.replace(microsecond=0))}"] if self._decision else []
        return "  ".join(said).rstrip()
