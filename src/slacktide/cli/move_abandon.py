"""`slacktide move downtime abandon`: the source opens at once, and the target is cleared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from slacktide.cli import move_window
from slacktide.cli.output import ACTING, Acting
from slacktide.control.database import open_control
from slacktide.core import clock
from slacktide.core.errors import ExitStatus, UsageError
from slacktide.cutover import abandon as abandoning
from slacktide.cutover import procedure, result, withdraw
from slacktide.cutover.attempt import State
from slacktide.cutover.record import Attempt, Record
from slacktide.guard.closing import Overtaken
from slacktide.postgres.connection import Unreachable
from slacktide.transfer.journal import DOWN_TIME, Journal, OwnedElsewhere
from slacktide.transfer.move import Move, load_move

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

_WAITS_SECONDS = 5.0  # what is not there by then is left to the workers
_WATCH_SECONDS = 600.0
_LOOK_SECONDS = 0.1


class NotConfirmed(UsageError):
    """Abandoning the down time of {move} has to be confirmed with the property's code, not {given}: `slacktide move downtime abandon {move} --yes {code} --reason TEXT`."""  # noqa: E501 -- the message is one sentence


def abandon(
    name: Annotated[str, Parameter(name="NAME", help="The move's name.")],
    /,
    *,
    yes: Annotated[str | None, Parameter(help="The property's code, typed again; without it nothing is done.")] = None,
    options: Acting = ACTING,
) -> int:
    """Give the down time up: the source is open within seconds, then the target is cleared for a second try."""
    begun = clock.monotonic_seconds()
    with open_control() as control, control.connect(name="move downtime abandon") as connection:
        move = load_move(connection, name=name)
        record = Record(connection, move_id=move.move_id, move=move.name)
        if yes is None:
            for line in abandoning.describe(move, record.current()):
                options.note(line)
        if yes != move.organization:
            raise NotConfirmed(move=name, given=repr(yes) if yes else "nothing", code=move.organization)
        abandoning.decide(connection, move=move, who=options.who, reason=options.reason or "")
        _open_source(connection, move, options)
        _clear(connection, move, record)
        return _say(record.current(), move, options, begun)


def _open_source(connection: psycopg.Connection[TupleRow], move: Move, options: Acting) -> None:
    """Open the source at once; where it cannot be reached, workers go on trying."""
    begun = clock.monotonic_seconds()
    while True:
        try:
            if abandoning.open_source(connection, move=move):
                options.note(f"{move.organization} is open at the source; the target is being cleared")
            else:
                withdraw.require_withdrawn(connection, move=move)  # a worker may have judged it
        except (Unreachable, Overtaken) as error:
            late = clock.monotonic_seconds() - begun > _WAITS_SECONDS
            if isinstance(error, Overtaken) and not late:  # by a worker, who does the same
                clock.sleep(_LOOK_SECONDS)
                continue
            options.note(f"{move.organization} is NOT OPEN yet at the source; it is tried again: {error}")
        return


def _clear(connection: psycopg.Connection[TupleRow], move: Move, record: Record) -> None:
    """Clear the target, or watch who does, until it is done, is stuck, or waits for something for too long."""
    journal = Journal(connection, move_id=move.move_id, process=DOWN_TIME)
    begun = waits = clock.monotonic_seconds()
    while (attempt := record.current()).state == State.ABANDONING and not attempt.error:
        now = clock.monotonic_seconds()
        waits = waits if "waits_for" in (attempt.cleared or {}) else now
        if now - waits > _WAITS_SECONDS or now - begun > _WATCH_SECONDS:
            return
        try:
            journal.own()
            procedure.abandon_once(move=move, journal=journal)
        except OwnedElsewhere:
            clock.sleep(_LOOK_SECONDS)
    if record.rest():
        journal.say("stopped")


def _say(attempt: Attempt, move: Move, options: Acting, begun: float) -> int:
    found = result.abandoned(attempt, move=move)
    options.say(found | {"seconds": round(clock.monotonic_seconds() - begun, 3)}, move_window.abandoned(found))
    if attempt.error:
        return ExitStatus.REFUSED
    return ExitStatus.DONE if attempt.state == State.ABANDONED else ExitStatus.HELD
