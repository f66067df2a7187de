"""*Start Down Time Procedures*: judge the preconditions, and write the attempt down, whoever asks for it.

1. It is killed half way: the attempt, the task, the trail and the wanted procedure are one transaction.
2. An operator and a wave start the same move at once: the move's row is locked, and the second finds it started.
3. Its processes are started while the preconditions are looked at: whoever starts them locks the row as well, and it
   is seen under the lock that none is wanted. Else they would own what the down time waits for.
4. Another move of the same property is under way, or has opened it elsewhere: it would be opened twice. One at a time
   begins, and the source's own state says whether it lives there.
5. The wave is stopped while the preconditions are looked at: `still` asks in the transaction that begins the attempt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from slacktide.control.audit import record_audit
from slacktide.control.setting import control_now
from slacktide.cutover import precondition, prediction
from slacktide.cutover.attempt import OVER, State, follows
from slacktide.cutover.record import Record
from slacktide.cutover.result import AlreadyStarted
from slacktide.cutover.step import steps_of
from slacktide.postgres.connection import connect
from slacktide.transfer.journal import DOWN_TIME, Journal
from slacktide.transfer.move import set_task

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.downtime.setting import Setting
    from slacktide.transfer.move import Move

    _Connection = psycopg.Connection[TupleRow]


def find(control: _Connection, *, move: Move, wish: precondition.Wish) -> precondition.Finding:
    """Look at every precondition, over connections of its own to both databases. Raises Unreachable."""
    with connect(move.source, name="precondition") as source, connect(move.target, name="precondition") as target:
        sides = precondition.Sides(control, source, target)
        return precondition.check(sides, move=move, wish=wish, now=control_now(control))


def require(found: precondition.Finding, *, move: Move) -> Setting:
    """See that all preconditions hold; give the downtime. Raises PreconditionsFail."""
    if not found.ok or found.downtime is None:
        bad = [f"{line.title.lower()}: {line.reason}" for line in found.lines if not line.ok and not line.waived_by]
        raise precondition.PreconditionsFail(move=move.name, reasons="; ".join(bad))
    return found.downtime


def start_down_time(
    control: _Connection, *, move: Move, wish: precondition.Wish, gos: dict[str, str], who: str, reason: str,
    still: Callable[[], None] = lambda: None,
) -> None:  # fmt: skip
    """Begin an attempt, which a worker takes up, unless `still` refuses.

    Raises AlreadyStarted, AnotherUnderWay, PreconditionsFail, Unreachable.
    """
    record = Record(control, move_id=move.move_id, move=move.name)
    _require_over(record, move)
    found = find(control, move=move, wish=wish)
    downtime = require(found, move=move)
    with control.transaction():
        still()
        record.lock_move()
        _require_over(record, move)
        record.require_alone(move.organization)
        if not record.stopped():
            raise precondition.PreconditionsFail(move=move.name, reasons="its processes were started meanwhile")
        attempt = record.begin(
            steps=[(step.name, step.title) for step in steps_of(move.plan)], waived=wish.waived, gos=gos,
            downtime_id=str(downtime.id), business_date=found.business_date, open_by=wish.open_by,
            who=who, reason=reason,
        )  # fmt: skip
        prediction.bind(control, move=move, attempt=attempt)
        set_task(control, move=move, task=6, state="down time")
        facts = {"downtime": str(downtime.id), "waived": wish.waived, "gos": gos}
        record_audit(control, who=who, what="move downtime start", object=move.name, after=facts, reason=reason)
        Journal(control, move_id=move.move_id).want(DOWN_TIME, running=True)


def _require_over(record: Record, move: Move) -> None:
    last = record.last()
    if last is not None and State(last.state) not in OVER:
        raise AlreadyStarted(move=move.name, state=last.state, follows=follows(move=move.name, state=last.state))
