"""*Start Down Time Procedures*: durable, checkpointed, resumed after a kill.

The process that runs it does the steps of `step` in order and notes each; whoever takes it up after a kill goes on at
the first one that is not done. An error stops it with both sides closed, and says how to go on.

A procedure that was told to end, because its worker ends or was killed, stays wanted: another worker takes it up. It is
no longer wanted only when it is open, paused, waits for a go, or failed. Told to pause, it stops between two steps, or
inside a long one where what it did so far is durable (`Night.require_stepping`).
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import psycopg

from slacktide.core import clock
from slacktide.core.errors import SlacktideError
from slacktide.cutover import abandon, go
from slacktide.cutover.attempt import Event, IllegalAttemptEvent, State
from slacktide.cutover.engine import BatchLost
from slacktide.cutover.go import GoMissing
from slacktide.cutover.night import Ended, Night
from slacktide.cutover.record import Record
from slacktide.cutover.rehearsal_step import steps_for
from slacktide.cutover.step import BarrierVoid, Step
from slacktide.guard.closing import Overtaken
from slacktide.postgres.connection import Unreachable, connect
from slacktide.postgres.stream import SlotNotCreated, StreamEnded
from slacktide.transfer import prepare
from slacktide.transfer.journal import OwnedElsewhere
from slacktide.transfer.source import SourceBusy
from slacktide.transfer.spool import NotWritable

if TYPE_CHECKING:
    from collections.abc import Callable

    from slacktide.transfer.journal import Journal
    from slacktide.transfer.move import Move

_PASSING = (
    Unreachable, Overtaken, StreamEnded, SlotNotCreated, SourceBusy, BatchLost, NotWritable,
    psycopg.OperationalError, OSError, OwnedElsewhere,
)  # fmt: skip
_RETRY_SECONDS = 0.3


def run(*, move: Move, journal: Journal, ended: Callable[[], bool]) -> None:
    """Own the procedure and do what is left of it; what passes by itself is tried again."""
    journal.own()
    journal.say("running")
    record = Record(journal.connection, move_id=move.move_id, move=move.name)
    while not ended() and journal.wanted():
        attempt = record.current()
        if attempt.state == State.PAUSING:
            _quietly(record, Event.STOP)
        elif attempt.state == State.ABANDONING and not attempt.error:
            abandon_once(move=move, journal=journal)
        elif attempt.state == State.RUNNING or (attempt.state == State.OPENING and not attempt.error):
            _attempt(move, journal, record, ended)
        else:
            break
    if record.current().state == State.OPEN:
        _spare_the_source(move)
    if record.rest():
        journal.say("stopped")


def _spare_the_source(move: Move) -> None:
    """Drop the slot of a move that is open: nobody streams any more, and the source would keep its log for it."""
    with contextlib.suppress(Unreachable, psycopg.Error), connect(move.source, name=f"{move.name} open") as source:
        prepare.drop_slots(source, move=move.name, known=move.slots)


def _attempt(move: Move, journal: Journal, record: Record, ended: Callable[[], bool]) -> None:
    """Do the steps that are left, until it is open or something stops it; the record says what."""
    try:
        with Night(move=move, journal=journal, ended=ended) as night:
            _steps(night)
    except (BarrierVoid, Ended):
        return  # the record says where it begins anew
    except _PASSING as error:
        if journal.connection.closed or journal.connection.broken:
            raise
        journal.say("waiting", waits_for=" ".join(str(error).split()))
        clock.sleep(_RETRY_SECONDS)
    except (SlacktideError, psycopg.Error) as error:
        _quietly(record, Event.FAIL, error=" ".join(str(error).split()))


def abandon_once(*, move: Move, journal: Journal) -> None:
    """Do what is left of an abandoned attempt, as the owner of the procedure; note what it waits for, or what stops."""
    record = Record(journal.connection, move_id=move.move_id, move=move.name)
    try:
        abandon.carry_on(journal.connection, move=move)
    except _PASSING as error:
        if journal.connection.closed or journal.connection.broken:
            raise
        abandon.note_waiting(journal.connection, move=move, waits_for=" ".join(str(error).split()))
        clock.sleep(_RETRY_SECONDS)
    except (SlacktideError, psycopg.Error) as error:
        _quietly(record, Event.STICK, error=" ".join(str(error).split()))


def _quietly(record: Record, event: Event, *, error: str | None = None) -> None:
    """Let an event happen, unless somebody has told otherwise meanwhile: what he told comes first."""
    with contextlib.suppress(IllegalAttemptEvent):
        record.happen(event, error=error)


def _steps(night: Night) -> None:
    done = {step.step for step in night.record.steps() if step.state == "done"}
    for step in steps_for(night.move):
        if step.name not in done and not _did(night, step):
            return
    night.record.happen(Event.OPEN)


def _did(night: Night, step: Step) -> bool:
    """Do one step and note it; False stops the procedure, with the reason in the record."""
    night.require_stepping()
    begun = clock.monotonic_seconds()
    night.record.set_step(step.name, state="running")
    night.waited()
    try:
        detail = step.do(night)
    except GoMissing as missing:
        night.record.set_step(step.name, state="waiting", seconds=_work(night, begun))
        _wait_for_gos(night, str(missing))
        return False
    except BarrierVoid:
        raise
    except (*_PASSING, Ended):
        night.record.set_step(step.name, state="waiting", seconds=_work(night, begun))
        raise
    except (SlacktideError, psycopg.Error) as error:
        said = " ".join(str(error).split())
        night.record.set_step(step.name, state="failed", seconds=_work(night, begun), detail={"error": said})
        _quietly(night.record, Event.FAIL, error=said)
        return False
    seen = next(s for s in night.record.steps() if s.step == step.name)
    night.record.set_step(
        step.name,
        state="done",
        done=max(seen.done, 1),
        total=max(seen.total, 1),
        seconds=_work(night, begun),
        detail=detail,
    )
    return True


def _wait_for_gos(night: Night, missing: str) -> None:
    """Wait for a go, unless the last one that was missing has come meanwhile: then it goes on."""
    with night.control.transaction():
        night.record.lock()
        if any(go.lacking(night.record.current(), move=night.move)):
            _quietly(night.record, Event.WAIT, error=missing)


def _work(night: Night, begun: float) -> float:
    return max(0.0, clock.monotonic_seconds() - begun - night.waited())
