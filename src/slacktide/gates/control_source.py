"""The schedule straight from the control database, for the server itself and for gates beside it.

One connection listens and looks. Every second it asks for the time; the schedule is compiled anew only when something
has changed, of an organization that alone, and each hour, since of a recurring downtime only the occurrences of the
next weeks are known.

The events:

1. A change is committed. The database tells of it, and the schedule is compiled from what stands there.
2. A message is lost with its connection. A new connection compiles anew, whatever is known.
3. The database is silent: the connection is closed, the knowledge grows old, and the next second it is tried again.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from datetime import datetime
from importlib.metadata import version
from socket import gethostname
from typing import Any

import psycopg

from slacktide.control.gate import Seen, note_gates
from slacktide.control.schedule import ALL, CHANNEL, reschedule, schedule_of
from slacktide.control.setting import ClockSilent, control_now
from slacktide.core.errors import OutsideError
from slacktide.downtime.decision import MAXIMUM_AGE
from slacktide.downtime.schedule import Schedule
from slacktide.gates.source import Fetched, Report, ScheduleNotFetched
from slacktide.postgres.connection import Unreachable, connect, shown

_NOTED_SECONDS = 15.0
_NO_TOKEN = "(beside the control database)"  # noqa: S105 -- it says that there is none
_LIMITS = "-c statement_timeout=5000 -c lock_timeout=2000"

Beside = Callable[[psycopg.Connection[Any], frozenset[str]], None]


class ControlSource:
    """The schedule of a control database; `slacktide gate list` shows this gate by its `name`.

    `beside`, if it is given, is called with the connection at each look, about once a second, and then nothing is noted
    for that list. It is also told which of the `channels` have told something since its last call: all of them on a new
    connection, and when that is longer ago than the maximum age.
    """

    interval_seconds = 1.0

    def __init__(
        self,
        address: str,
        *,
        name: str | None = None,
        beside: Beside | None = None,
        channels: tuple[str, ...] = (),
    ) -> None:
        """Take the control database's address."""
        self._address, self._name = address, name or gethostname()
        self._beside, self._channels = beside, (CHANNEL, *channels)
        self._noted = float("-inf")
        self._ended = threading.Event()
        self._connection: psycopg.Connection[Any] | None = None
        self._told = frozenset(self._channels)
        self._whose = ALL
        self._all_told = float("-inf")
        self._hour: datetime | None = None
        self._schedule: Schedule | None = None
        self._count = 0

    def fetch(self, *, known: str | None, report: Report, monotonic: Callable[[], float]) -> Fetched:
        """Look once. Raises ScheduleNotFetched."""
        try:
            connection = self._connected()
            sent = monotonic()
            now = control_now(connection)
            received = monotonic()
            self._drain(connection, 0)  # what was committed before the time was read has been told with it
            told = self._told  # what is told of from here on waits to be drained
            schedule = None
            hour = now.replace(minute=0, second=0, microsecond=0)
            if CHANNEL in told or known is None or hour != self._hour:
                schedule = self._schedule = self._compiled(connection, hour, anew=known is None)
                self._hour, self._whose = hour, frozenset()
                self._count += 1
            self._do_beside(connection, told, report, now=now, monotonic=received)
            self._told = frozenset()
        except (psycopg.Error, Unreachable, ClockSilent) as error:
            self._leave()
            raise self._failed(error) from error
        return Fetched(schedule=schedule, tag=str(self._count), now=now, sent=sent, received=received)

    def _compiled(self, connection: psycopg.Connection[Any], hour: datetime, *, anew: bool) -> Schedule:
        """Compile what has changed; everything in a new hour, or where nothing is known."""
        if self._schedule is None or anew or hour != self._hour:
            return schedule_of(connection, around=hour, before=self._schedule)
        return reschedule(connection, before=self._schedule, told=self._whose, around=hour)

    def wait(self, seconds: float) -> bool:
        """Wait until told of a change, or so many seconds."""
        if self._connection is None:
            self._ended.wait(seconds)
            return False
        try:
            return self._drain(self._connection, seconds)
        except psycopg.Error:
            self._leave()
            return True  # to look at once, on a new connection

    def forked(self) -> None:
        """Forget the connection, which belongs to the process that this one was forked from."""
        self._connection = None

    def end(self) -> None:
        """Let a wait end soon."""
        self._ended.set()

    def close(self) -> None:
        """Close the connection."""
        self._leave()

    def _do_beside(
        self,
        connection: psycopg.Connection[Any],
        told: frozenset[str],
        report: Report,
        *,
        now: datetime,
        monotonic: float,
    ) -> None:
        """Do what is done with a look, or note the gate now and then."""
        if self._beside is not None:
            if monotonic - self._all_told > MAXIMUM_AGE.total_seconds():
                told = frozenset(self._channels)
            if told == frozenset(self._channels):
                self._all_told = monotonic
            self._beside(connection, told)
        elif monotonic - self._noted >= _NOTED_SECONDS:
            self._noted = monotonic
            self._note(connection, report, now=now)

    def _note(self, connection: psycopg.Connection[Any], report: Report, *, now: datetime) -> None:
        """Note what the gate says of itself; where that cannot be written it is not listed, and works all the same."""
        seen = Seen(
            token=_NO_TOKEN,
            name=self._name,
            version=version("slacktide"),
            seen_at=now,
            schedule=report.tag,
            offset_seconds=report.offset_seconds,
            age_seconds=report.age_seconds,
        )
        with contextlib.suppress(psycopg.Error):
            note_gates(connection, seen=[seen])

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            self._connection = connect(self._address, name=f"gate {self._name}", options=_LIMITS, tcp_user_timeout=5000)
            self._told, self._whose = frozenset(self._channels), ALL
            for channel in self._channels:
                self._connection.execute(psycopg.sql.SQL("listen {}").format(psycopg.sql.Identifier(channel)))
        return self._connection

    def _drain(self, connection: psycopg.Connection[Any], seconds: float) -> bool:
        """Take what the database tells, waiting for the first; tell whether there was something."""
        told = False
        for message in connection.notifies(timeout=seconds, stop_after=1):
            told = True
            self._told |= {message.channel}
            self._whose |= {message.payload} if message.channel == CHANNEL else frozenset()
        return (self._drain(connection, 0) or told) if told else False

    def _leave(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _failed(self, error: OutsideError | psycopg.Error) -> ScheduleNotFetched:
        reason = " ".join(str(error).split())
        return ScheduleNotFetched(place=shown(self._address), reason=reason, seconds=MAXIMUM_AGE.total_seconds())
