"""The schedule, kept by one process over many questions, and never older than it may be.

1. The schedule changes while nobody asks: the change is told on the channel; the next question sees it there, and reads
   anew before it is answered. The server tells after it has answered whoever made the change; only what has been asked
   of it on this connection afterwards comes behind the message. So `hear` asks.
2. It changes between the reading and the listening: the listening comes first.
3. A message is lost with the connection: nothing older than the maximum age is asked; a lost connection is an error.
4. A boundary passes: the schedule holds for every instant up to its horizon, so nothing has to be read.
5. A question is about an instant that lies beyond what the schedule knows of recurring downtimes: for it another one is
   compiled.
6. This machine's clock is wrong: only the control database's counts; its offset is measured at each reading, and the
   time since then by a clock that only goes forward. A boundary that has passed stays passed.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from slacktide.control.schedule import CHANNEL, Known, known_of
from slacktide.control.setting import control_now
from slacktide.core import clock
from slacktide.downtime.decision import MAXIMUM_AGE
from slacktide.postgres.sql import load

_sql = load("slacktide.control", "keeper.sql")


class Keeper:
    """Keeps what decisions are made by; `connection` is its own while it does."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        """Listen, and read."""
        self.connection = connection
        self.readings = 0
        self._stale = False
        self._others: dict[datetime, Known] = {}
        self._latest = datetime.min.replace(tzinfo=UTC)
        connection.add_notify_handler(self._told)
        connection.execute(_sql["listen"])
        self._read()

    def now(self) -> datetime:
        """Give this instant by the control database's clock."""
        now = self._read_at + timedelta(seconds=clock.monotonic_seconds() - self._read_seconds)
        self._latest = max(now, self._latest)
        return self._latest

    def hear(self) -> None:
        """Hear of every change that was committed before now."""
        self.connection.execute(_sql["hear"])

    def known(self) -> Known:
        """Give what is known, as of the last hearing at least."""
        if self._stale or clock.monotonic_seconds() - self._read_seconds > MAXIMUM_AGE.total_seconds():
            self._read()
        return self._known

    def known_at(self, at: datetime) -> Known:
        """Give what is known, for use at an instant that may be far away."""
        known = self.known()
        if known.schedule.around(at):
            return known
        day = at.replace(hour=0, minute=0, second=0, microsecond=0)
        if day not in self._others:
            self._others = {**dict(list(self._others.items())[-9:]), day: known_of(self.connection, around=day)}
        return self._others[day]

    def _read(self) -> None:
        self._stale = False  # before the reading: a change that is told meanwhile counts again
        self._others = {}
        self._known = known_of(self.connection)
        self._read_at = control_now(self.connection)
        self._read_seconds = clock.monotonic_seconds()
        self.readings += 1

    def _told(self, message: psycopg.Notify) -> None:
        """Note a message, which comes with the answer to a statement."""
        self._stale = self._stale or message.channel == CHANNEL
