"""`slacktide move verifying`: named testers enter the target before it opens, and leave it again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from slacktide.cli.address import reachable
from slacktide.cli.output import ACTING, Acting, Flag, table
from slacktide.control.audit import record_audit
from slacktide.control.database import open_control
from slacktide.core.errors import UsageError
from slacktide.cutover import prediction, verifying
from slacktide.cutover.attempt import Event, State
from slacktide.cutover.record import Record
from slacktide.postgres.connection import copyable
from slacktide.transfer.journal import DOWN_TIME, Journal
from slacktide.transfer.move import Move, load_move
from slacktide.worker.presence import require_worker

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow


class EndOrEnter(UsageError):
    """Testers enter with --tester, or all leave with --end, not both at once: `slacktide move verifying {move} --end`."""  # noqa: E501 -- the message is one sentence


def verifying_(
    name: Annotated[str, Parameter(name="NAME", help="The move's name.")],
    /,
    *,
    tester: Annotated[
        tuple[str, ...],
        Parameter(consume_multiple=True, negative="", show_default=False, help="A user who may enter the target."),
    ] = (),
    end: Annotated[Flag, Parameter(help="All testers leave; what they wrote is taken away, and proven away.")] = False,
    options: Acting = ACTING,
) -> int:
    """Let named testers enter the target before it opens, or have them leave; without options: show who is in."""
    if tester and end:
        raise EndOrEnter(move=name)
    with open_control() as control, control.connect(name="move verifying") as connection:
        move = load_move(connection, name=name)
        if tester:
            return _enter(connection, move, [*tester], options)
        if end:
            return _end(connection, move, options)
        return _show(connection, move, options)


def _enter(connection: psycopg.Connection[TupleRow], move: Move, testers: list[str], options: Acting) -> int:
    with reachable(move.target):
        still = verifying.enter(connection, move=move, testers=testers, who=options.who, reason=options.reason or "")
    found = verifying.current(connection, move=move)
    everybody = found.testers if found else testers
    about = _about(connection, move)
    lines = [
        f"{', '.join(everybody)} may enter {move.organization} at the target; all others stay out.",
        "Their database users act by `set role slacktide_tester`; who may not yet: grant slacktide_tester to USER;",
        f"  psql {copyable(move.target)}",
        f"What they write of the property is taken away before it opens; everything is compared again{about}.",
        "They leave with the last go, or now:",
        f"  slacktide move verifying {move.name} --end",
        *(f"still kept out by the downtime {each['id']} ({each['scope']}): {each['reason']}" for each in still),
    ]
    return options.say({"move": move.name, "testers": everybody, "still_down": still}, "\n".join(lines))


def _about(connection: psycopg.Connection[TupleRow], move: Move) -> str:
    """Say how long it is expected to take, where that was rehearsed."""
    attempt = Record(connection, move_id=move.move_id, move=move.name).current().attempt
    found = prediction.bound(connection, move=move, attempt=attempt)
    return f", in about {found.round_seconds:.0f} s" if found and found.round_seconds else ""


def _end(connection: psycopg.Connection[TupleRow], move: Move, options: Acting) -> int:
    record = Record(connection, move_id=move.move_id, move=move.name)
    if not verifying.is_in(connection, move=move):
        raise verifying.NobodyIn(move=move.name)
    require_worker(connection)
    with connection.transaction():
        state = record.lock()
        if state in (State.READY, State.PAUSED, State.FAILED):  # else it goes on already, and they leave
            record.void()
        if state is State.READY:
            record.happen(Event.GO)
            Journal(connection, move_id=move.move_id).want(DOWN_TIME, running=True)
        record_audit(connection, who=options.who, what="move verifying leave", object=move.name,
                     reason=options.reason or "")  # fmt: skip
    resume = f"slacktide move downtime resume {move.name}"
    if state in (State.PAUSED, State.FAILED):
        still = verifying.current(connection, move=move)
        text = (
            f"The testers are in until it goes on; then they leave first, and what they wrote is taken away: {resume}"
        )
        return options.say({"move": move.name, "testers": still.testers if still else []}, text)
    text = f"The testers leave; what they wrote is taken away: {resume}"
    return options.say({"move": move.name, "testers": []}, text)


def _show(connection: psycopg.Connection[TupleRow], move: Move, options: Acting) -> int:
    found = verifying.current(connection, move=move)
    if found is None:
        raise verifying.NobodyIn(move=move.name)
    state = "may enter" if found.ended_at is None else "are out again, and what they wrote is proven gone"
    rows = [[str(each) for each in line] for line in found.wrote]
    text = [f"Testers ({', '.join(found.testers)}) {state}; let in by {found.who}: {found.reason}"]
    text += [table(rows, head=["database user", "table", "wrote", "rows"])] if rows else []
    return options.say({"move": move.name, "is_in": found.ended_at is None, **_value(found)}, "\n".join(text))


def _value(found: verifying.Verifying) -> dict[str, object]:
    names = ("tester", "relation", "operation", "rows")
    return {
        "testers": found.testers,
        "who": found.who,
        "reason": found.reason,
        "began_at": found.began_at,
        "ended_at": found.ended_at,
        "wrote": [dict(zip(names, line, strict=True)) for line in found.wrote],
    }
