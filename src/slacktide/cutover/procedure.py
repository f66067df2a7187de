"""*Start Down Time Procedures*: durable, checkpointed, resumed after a kill.

The process that runs it does the steps of `step` in order and notes each; whoever takes it up after a kill goes on at
the first one that is not done. An error stops it with both sides closed, and says how to go on.

A procedure that was told to end, because its worker ends or was killed, stays wanted: another worker takes it up. It is
no longer wanted only when it is open, waits for a go, or failed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from slacktide.core import clock
from slacktide.core.errors import SlacktideError
from slacktide.cutover.engine import BatchLost
from slacktide.cutover.night import Night
from slacktide.cutover.record import Record
from slacktide.cutover.step import BarrierVoid, Ended, GoMissing, Step, steps_of
from slacktide.postgres.connection import Unreachable
from slacktide.postgres.stream import SlotNotCreated, StreamEnded
from slacktide.transfer.journal import OwnedElsewhere
from slacktide.transfer.source import SourceBusy

if TYPE_CHECKING:
    from collections.abc import Callable

    from slacktide.transfer.journal import Journal
    from slacktide.transfer.move import Move

_PASSING = (
    Unreachable, StreamEnded, SlotNotCreated, SourceBusy, BatchLost, psycopg.OperationalError, OSError,
    OwnedElsewhere,
)  # fmt: skip
_RETRY_SECONDS = 0.3


def run(*, move: Move, journal: Journal, ended: Callable[[], bool]) -> None:
    """Own the procedure and do what is left of it; what passes by itself is tried again."""
    journal.own()
    journal.say("running")
    record = Record(journal.connection, move_id=move.move_id, move=move.name)
    while record.current().state == "running" and not ended() and journal.wanted():
        try:
            with Night(move=move, journal=journal, ended=ended) as night:
                _steps(night)
        except BarrierVoid:
            continue  # the record says where it begins anew
        except _PASSING as error:
            if journal.connection.closed or journal.connection.broken:
                raise
            journal.say("waiting", waits_for=" ".join(str(error).split()))
            clock.sleep(_RETRY_SECONDS)
        except Ended:
            return
        except SlacktideError as error:
            record.set_state("failed", error=str(error))
    if record.rest():
        journal.say("stopped")


def _steps(night: Night) -> None:
    done = {step.step for step in night.record.steps() if step.state == "done"}
    for step in steps_of(night.move.plan):
        if step.name not in done and not _did(night, step):
            return
    night.record.set_state("open")


def _did(night: Night, step: Step) -> bool:
    """Do one step and note it; False stops the procedure, with the reason in the record."""
    begun = clock.monotonic_seconds()
    night.record.set_step(step.name, state="running")
    night.waited()
    try:
        detail = step.do(night)
    except GoMissing as missing:
        night.record.set_step(step.name, state="waiting", seconds=_work(night, begun))
        night.record.set_state("ready", error=str(missing))
        return False
    except (BarrierVoid, Ended):
        raise
    except _PASSING:
        night.record.set_step(step.name, state="waiting", seconds=_work(night, begun))
        raise
    except SlacktideError as error:
        night.record.set_step(step.name, state="failed", seconds=_work(night, begun), detail={"error": str(error)})
        night.record.set_state("failed", error=str(error))
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


def _work(night: Night, begun: float) -> float:
    return max(0.0, clock.monotonic_seconds() - begun - night.waited())
