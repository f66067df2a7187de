"""`slacktide move downtime pause`: the procedure stands still, with both sides closed."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from slacktide.cli import move_window
from slacktide.cli.output import ACTING, Acting
from slacktide.control.audit import record_audit
from slacktide.control.database import open_control
from slacktide.core import clock
from slacktide.core.errors import ExitStatus, UsageError
from slacktide.cutover import result
from slacktide.cutover.attempt import TRANSITIONS, Event, IllegalAttemptEvent, State
from slacktide.cutover.record import Record
from slacktide.transfer.journal import DOWN_TIME, Journal, OwnedElsewhere
from slacktide.transfer.move import Move, load_move

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

_WAIT_SECONDS = 60.0
_LOOK_SECONDS = 0.1


class NothingToPause(UsageError):
    """The down time of {move} is {state}, so there is nothing to pause: `slacktide move status {move}`."""


def pause(name: Annotated[str, Parameter(name="NAME", help="The move's name.")], /, *, options: Acting = ACTING) -> int:
    """Stop the procedure after the step in hand, or in it at its next safe point; both sides stay closed."""
    with open_control() as control, control.connect(name="move downtime pause") as connection:
        move = load_move(connection, name=name)
        record = Record(connection, move_id=move.move_id, move=move.name)
        state = record.current().state
        if (state, Event.PAUSE) not in TRANSITIONS:
            raise NothingToPause(move=name, state=state)
        record.happen(Event.PAUSE)
        record_audit(connection, who=options.who, what="move downtime pause", object=name, before={"state": state},
                     reason=options.reason or "")  # fmt: skip
        _await_stopped(connection, move, record)
        found = result.standing(connection, move=move)
        options.say(found, move_window.standing(found))
        return ExitStatus.DONE if found["result"] != State.PAUSING else ExitStatus.HELD


def _await_stopped(connection: psycopg.Connection[TupleRow], move: Move, record: Record) -> None:
    """Wait until the procedure stands still; where nobody runs it, it does already."""
    limit = clock.monotonic_seconds() + _WAIT_SECONDS
    while record.current().state == State.PAUSING and clock.monotonic_seconds() < limit:
        with contextlib.suppress(OwnedElsewhere, IllegalAttemptEvent):
            Journal(connection, move_id=move.move_id, process=DOWN_TIME).own()
            record.happen(Event.STOP)
        clock.sleep(_LOOK_SECONDS)
