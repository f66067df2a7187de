"""`slacktide move miscellaneous`: task 7, what the hotel can open without, while the target trades."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from slacktide.cli import move_window
from slacktide.cli.address import reachable
from slacktide.cli.output import ACTING, Acting, Flag, write_json
from slacktide.control.audit import record_audit, require_reason
from slacktide.control.database import open_control
from slacktide.core import clock
from slacktide.core.duration import format_instant
from slacktide.core.errors import ExitStatus, InputError
from slacktide.cutover.attempt import State
from slacktide.cutover.record import Record
from slacktide.plan.check import check_plan
from slacktide.plan.problem import PlanError
from slacktide.transfer import panel
from slacktide.transfer.journal import MISCELLANEOUS, Journal
from slacktide.transfer.move import Move, load_move, set_fact, set_task
from slacktide.transfer.preparation import both
from slacktide.worker.presence import require_worker

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

_WATCH_SECONDS = 0.2
_RESTING = ("stopped", "failed")


class NotOpenYet(InputError):
    """The move {move} is not open at the target, and what the hotel can open without comes after that: first `slacktide move downtime start {move}`; `slacktide move status {move}` shows how it stands."""  # noqa: E501 -- the message is one text


class MiscellaneousLeft(InputError):
    """What the hotel can open without has not moved: {entities}. Without what `clean` takes away it never can: `slacktide move miscellaneous {move}` moves it, `slacktide move miscellaneous {move} --leave --reason TEXT` leaves it at the source."""  # noqa: E501 -- the message is one text


def miscellaneous(
    name: Annotated[str, Parameter(name="NAME", help="The move's name.")],
    /,
    *,
    stop: Annotated[Flag, Parameter(help="Stop it after the batch in hand; it goes on there when it is called again.")]
    = False,
    leave: Annotated[Flag, Parameter(help="Leave what has not moved at the source, for good; with --reason.")] = False,
    options: Acting = ACTING,
) -> int:  # fmt: skip
    """Task 7: move what the hotel can open without, while the target trades; killing the command stops nothing."""
    with open_control() as control, control.connect(name="move miscellaneous") as connection:
        move = load_move(connection, name=name)
        last = Record(connection, move_id=move.move_id, move=move.name).last()
        if last is None or last.state != State.OPEN:
            raise NotOpenYet(move=name)
        if leave:
            require_reason(options.reason or "", what=f"slacktide move miscellaneous {name} --leave")
        if stop or leave:
            _stop(connection, move, options, left=options.reason if leave else None)
        else:
            _begin(connection, move, options)
        return _watched(connection, move, options)


def require_moved(move: Move) -> None:
    """Refuse to clean while something would be left at the source that nobody left there. Raises MiscellaneousLeft."""
    facts = move.facts.get(MISCELLANEOUS) or {}
    if move.plan.miscellaneous and not (facts.get("done_at") or facts.get("left")):
        names = ", ".join(entity.name for entity in move.plan.miscellaneous)
        raise MiscellaneousLeft(entities=names, move=move.name)


def _begin(connection: psycopg.Connection[TupleRow], move: Move, options: Acting) -> None:
    """Say that it is wanted, once the plan fits both databases still. Raises PlanError."""
    require_worker(connection)
    with reachable(move.source, move.target), both(move, what="miscellaneous") as (source, target):
        findings = check_plan(plan=move.plan, source=source, target=target)
        if findings.errors:
            raise PlanError(file=move.plan_file, errors=list(findings.errors))
    with connection.transaction():
        record = Record(connection, move_id=move.move_id, move=move.name)
        if record.lock() is not State.OPEN:  # given up meanwhile
            raise NotOpenYet(move=move.name)
        record.lock_move()
        set_fact(connection, move=move, name=MISCELLANEOUS, value={"who": options.who})
        Journal(connection, move_id=move.move_id).want(MISCELLANEOUS, running=True)
        record_audit(connection, who=options.who, what="move miscellaneous", object=move.name,
                     after={"entities": [entity.name for entity in move.plan.miscellaneous]},
                     reason=options.reason or "")  # fmt: skip


def _stop(connection: psycopg.Connection[TupleRow], move: Move, options: Acting, *, left: str | None) -> None:
    facts = dict(move.facts.get(MISCELLANEOUS) or {})
    with connection.transaction():
        Journal(connection, move_id=move.move_id).want(MISCELLANEOUS, running=False)
        if left is not None:
            set_fact(connection, move=move, name=MISCELLANEOUS, value=facts | {"who": options.who, "left": left})
            set_task(connection, move=move, task=7, state="miscellaneous left")
        record_audit(connection, who=options.who, what="move miscellaneous " + ("stop" if left is None else "leave"),
                     object=move.name, before=facts, reason=options.reason or "")  # fmt: skip


def _watched(connection: psycopg.Connection[TupleRow], move: Move, options: Acting) -> int:
    """Say each change until it rests, and then what has come of it."""
    begun, said = clock.monotonic_seconds(), None
    while True:
        seen = panel.status(connection, move=move)
        own = seen.miscellaneous
        assert own is not None  # noqa: S101 -- every status has it
        if own.state in _RESTING:
            return _say(connection, move, own.state, seen.errors, options)
        changed = (own.state, own.waits_for, seen.pass_left)
        if changed != said:
            said = changed
            _say_progress(seen, own, clock.monotonic_seconds() - begun, options)
        clock.sleep(_WATCH_SECONDS)


def _say_progress(seen: panel.MoveStatus, own: panel.Panel, elapsed: float, options: Acting) -> None:
    done = seen.pass_objects - seen.pass_left
    ends = format_instant(seen.expected_end.replace(microsecond=0)) if seen.expected_end else None
    line = {"state": own.state, "done": done, "total": seen.pass_objects, "rate_per_second": own.rate_per_second,
            "waits_for": own.waits_for, "expected_end": ends, "elapsed_seconds": round(elapsed, 3)}  # fmt: skip
    if options.json:
        write_json(line)
        return
    waits = f", waits for {own.waits_for}" if own.waits_for else ""
    until = f", should end at {ends}" if ends else ""
    options.note(f"{elapsed:7.2f} s  {done:,} of {seen.pass_objects:,} objects, {own.state}{waits}{until}")


def _say(connection: psycopg.Connection[TupleRow], move: Move, state: str, errors: list[str], options: Acting) -> int:
    facts: dict[str, Any] = load_move(connection, name=move.name).facts.get(MISCELLANEOUS) or {}
    result, status = "stopped", ExitStatus.HELD
    if facts.get("done_at") or facts.get("left"):
        result, status = ("left" if facts.get("left") else "done"), ExitStatus.DONE
    elif state == "failed" or facts.get("failed"):
        result, status = "failed", ExitStatus.REFUSED
    mend = {
        "failed": f"`slacktide move messages {move.name}` shows what failed; when that is mended, "
        f"`slacktide move reprocess {move.name}` and `slacktide move miscellaneous {move.name}`",
        "stopped": f"`slacktide move miscellaneous {move.name}` goes on",
    }.get(result)  # fmt: skip
    text = "\n".join([f"{move.name}: {move_window.miscellaneous(facts)}", *errors, *([mend] if mend else [])])
    options.say({"move": move.name, "result": result, **facts, "errors": errors}, text)
    return status
