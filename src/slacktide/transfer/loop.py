"""Keep one process going: step it while it is wanted, show its panel, and begin again after what passes by itself.

What passes: a database that restarts or cannot be reached, a table that is locked, a stream that breaks, a full disk.
The panel says what is waited for, since when. What does not pass (a changed schema, a malformed or
foreign batch, a lost ownership, and whatever nobody has thought of) ends the process as `failed`, with the reason; it
starts again when it is told to.
"""

from __future__ import annotations

from collections.abc import Callable

import psycopg

from slacktide.core import clock
from slacktide.core.errors import BugError, SlacktideError
from slacktide.postgres.connection import Unreachable
from slacktide.postgres.stream import SlotNotCreated, StreamEnded
from slacktide.transfer.journal import MISCELLANEOUS, Journal
from slacktide.transfer.miscellaneous import Miscellaneous, PropertyClosed
from slacktide.transfer.move import Move
from slacktide.transfer.process import Work, work_of
from slacktide.transfer.slot import SlotWaits
from slacktide.transfer.source import SourceBusy
from slacktide.transfer.spool import NotWritable

_PASSING = (
    Unreachable,
    StreamEnded,
    SlotNotCreated,
    SlotWaits,
    SourceBusy,
    PropertyClosed,
    NotWritable,
    psycopg.OperationalError,
    OSError,
)
_BEAT_SECONDS = 0.5
_IDLE_SECONDS = 0.5
_RETRY_SECONDS = 0.5
_LOOK_SECONDS = 0.1


class Unexpected(BugError):
    """The process {process!r} met what it does not know: {kind}: {error}. It stopped. Look into it, or tell who maintains Slacktide; then `slacktide move processes start {move}` starts it again."""  # noqa: E501 -- the message is one text


class Beat:
    """A process's panel: rate over the last seconds, lag, and for what it waits."""

    def __init__(self, journal: Journal) -> None:
        """Write to the journal of the process."""
        self._journal = journal
        self._at = clock.monotonic_seconds()
        self._done = 0
        self._rate = 0.0

    def count(self, done: int) -> None:
        """Add to what was done."""
        self._done += done

    def due(self) -> bool:
        """Tell whether the panel should be written."""
        return clock.monotonic_seconds() - self._at >= _BEAT_SECONDS

    def write(self, *, lag_seconds: float | None, waits_for: str | None) -> None:
        """Write the panel."""
        now = clock.monotonic_seconds()
        fresh = self._done / max(now - self._at, 0.001)
        self._rate = 0.7 * self._rate + 0.3 * fresh
        self._journal.beat(
            done=self._done, rate_per_second=round(self._rate, 1), lag_seconds=lag_seconds, waits_for=waits_for
        )
        self._done, self._at = 0, now


def run(*, move: Move, journal: Journal, ended: Callable[[], bool]) -> None:
    """Own the process and keep it going until it is no longer wanted, or `ended` says so.

    Raises OwnedElsewhere, and psycopg.OperationalError where the control database is lost: without its connection
    nothing may be written.
    """
    journal.own()
    if not journal.wanted():
        return  # another one ended as failed meanwhile, and its reason stays
    work: Work
    if journal.process == MISCELLANEOUS:
        work = Miscellaneous(move, journal)
    else:
        work = work_of(journal.process, move=move, journal=journal, ended=ended)
    beat = Beat(journal)
    journal.say("running")
    try:
        while not ended() and journal.wanted():
            _once(work, journal, beat, ended)
    except SlacktideError as error:
        journal.fail(str(error))
        return
    except Exception as error:
        if not (journal.connection.closed or journal.connection.broken):
            journal.fail(str(_unexpected(error, journal)))
        raise
    finally:
        work.close()
    journal.say(
        "stopped" if not journal.wanted() else "waiting", waits_for=None if not journal.wanted() else "a worker"
    )


def _unexpected(error: Exception, journal: Journal) -> Unexpected:
    text = " ".join(str(error).split())
    return Unexpected(process=journal.process, kind=type(error).__name__, error=text, move=journal.move_name())


def _stand_still(journal: Journal, ended: Callable[[], bool]) -> None:
    """Wait while this process is held; what it is to wait for is over within seconds."""
    if journal.held():
        journal.say("waiting", waits_for="the steps of a rehearsal")
        while not ended() and journal.wanted() and journal.held():
            clock.sleep(_LOOK_SECONDS)


def _once(work: Work, journal: Journal, beat: Beat, ended: Callable[[], bool]) -> None:
    """Open the work and step it until it is no longer wanted, or something passing stops it."""
    try:
        work.open()
        while not ended():
            done = work.step()
            beat.count(done)
            if beat.due():
                beat.write(lag_seconds=work.lag_seconds(), waits_for=None if done else journal.earlier_ended())
                if not journal.wanted():
                    return
                _stand_still(journal, ended)
            if not done:
                work.idle(_IDLE_SECONDS)
    except _PASSING as error:
        if journal.connection.closed or journal.connection.broken:
            raise
        if ended() or not journal.wanted():
            return
        journal.say("waiting", waits_for=" ".join(str(error).split()))
        work.close()
        clock.sleep(_RETRY_SECONDS)
