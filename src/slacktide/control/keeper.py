"""The schedule, kept by one process over many questions: each is answered by all that was committed before it.

1. The schedule changes while nobody asks: the change is told on the channel; the next question sees it there, and reads
   anew before it is answered. The server tells after it has answered whoever made the change; only what has been asked
   of it on this connection afterwards comes behind the message. So `hear` asks: for the time, which is needed anyway.
2. It changes between the reading and the listening: the listening comes first.
3. A message is lost with the connection: then `hear` fails, and nothing is answered.
4. A boundary passes: the schedule holds for every instant up to its horizon, so nothing has to be read.
5. A question is about an instant that lies beyond what the schedule knows of recurring downtimes: for it another one is
   compiled.
6. This machine's clock is wrong: it is never asked. One that steps back at the database: a boundary that has passed
   stays passed.

The keeper of a gate (`slacktide.gates.keeper`) is another one, and rightly so: nobody who asks it ever waits for the
database, so it has a thread, clocks that carry the time on, and an age beyond which it closes. Whoever asks here is a
script that wants the answer of now, and an error where there is none. What they have in common, the reading of the
schedule and the decision by it, is `control.schedule` and `downtime.decide`, which both call.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import psycopg

from slacktide.control.schedule import CHANNEL, Known, known_of
from slacktide.control.setting import control_now
from slacktide.postgres.sql import load

_sql = load("slacktide.control", "keeper.sql")
_OTHERS = 10


class Keeper:
    """Keeps what decisions are made by; `connection` is its own while it does."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        """Listen, and read."""
        self.connection = connection
        self.readings = 0
        self._others: dict[datetime, Known] = {}
        self._latest = datetime.min.replace(tzinfo=UTC)
        connection.add_notify_handler(self._told)
        connection.execute(_sql["listen"])
        self._read()

    def hear(self) -> datetime:
        """Hear of every change that was committed before now; give this instant by the control database's clock."""
        self._latest = max(control_now(self.connection), self._latest)
        return self._latest

    def known(self) -> Known:
        """Give what is known, as of the last hearing at least."""
        if self._stale:
            self._read()
        return self._known

    def known_at(self, at: datetime) -> Known:
        """Give what is known, for use at an instant that may be far away."""
        known = self.known()
        if known.schedule.around(at):
            return known
        day = at.replace(hour=0, minute=0, second=0, microsecond=0)
        if day not in self._others:
            self._others = dict([*self._others.items()][1 - _OTHERS :])
            self._others[day] = known_of(self.connection, around=day)
        return self._others[day]

    def _read(self) -> None:
        self._stale = False  # before the reading: a change that is told meanwhile counts again
        self._others = {}
        self._known = known_of(self.connection)
        self.readings += 1

    def _told(self, message: psycopg.Notify) -> None:
        """Note a message, which comes with the answer to a statement."""
        self._stale = self._stale or message.channel == CHANNEL
