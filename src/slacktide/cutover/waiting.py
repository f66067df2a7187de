"""Waiting until a downtime has started, is quiet, or its scope is open again.

1. A boundary passes: it is known beforehand, so the waiting ends at that instant by the control database's clock.
2. The downtime is moved, ended, cancelled, or joined by another: the change is told, and everything is looked at anew.
3. That happens between the first look and the listening: the listening comes first.
4. The last lease or session goes: that is told too. One that ends by its limits, and a transaction in a guarded
   database, tell nobody: while it is a matter of them, there is a look every second.
5. A message is lost: there is a look every minute.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from slacktide.control.downtime import downtime_of
from slacktide.control.schedule import schedule_of
from slacktide.control.setting import control_now
from slacktide.core import clock
from slacktide.cutover.state import measure_of, state
from slacktide.downtime.setting import Setting, in_effect
from slacktide.downtime.waiting import Goal, Outcome, outcome
from slacktide.postgres.sql import load

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.downtime.state import State

    _Connection = psycopg.Connection[TupleRow]

_sql = load("slacktide.cutover", "waiting.sql")
_LONGEST_SECONDS = 60.0
_MEASURE_SECONDS = 1.0


class Look(msgspec.Struct, frozen=True):
    """What was seen: the outcome, the state of the scope, and after how many seconds to look again at the latest."""

    outcome: Outcome
    state: State
    seconds: float


def wait(connection: _Connection, *, listener: _Connection, id: str, goal: Goal, seconds: float | None) -> Look:  # noqa: A002 -- the word of the interface
    """Wait for a downtime, at most so many seconds (None: as long as it takes). Raises UnknownDowntime.

    `listener` is another connection to the control database, of its own while it waits.
    """
    began = clock.monotonic_seconds()
    for statement in ("listen_schedule", "listen_holder"):
        listener.execute(_sql[statement])
    while True:
        look = _look(connection, id=id, goal=goal)
        left = None if seconds is None else seconds - (clock.monotonic_seconds() - began)
        if look.outcome != "not yet" or (left is not None and left <= 0):
            return look
        _rest(listener, seconds=look.seconds if left is None else min(look.seconds, left))


def _look(connection: _Connection, *, id: str, goal: Goal) -> Look:  # noqa: A002 -- the word of the interface
    setting = downtime_of(connection, id=id)
    organization = setting.organization
    measured = measure_of(connection, [organization])
    found = state(connection, organization=organization, measured=measured)
    now = control_now(connection)
    return Look(
        outcome(goal, setting=setting, state=found, now=now), found, _seconds(connection, setting, goal=goal, now=now)
    )


def _seconds(connection: _Connection, setting: Setting, *, goal: Goal, now: datetime) -> float:
    """Give the seconds until there may be more to see without anybody telling."""
    measuring = goal == "quiet" and in_effect(setting, now)
    own = setting.organization
    boundary = schedule_of(connection, organization=own).next_boundary(now, organization=own)
    until = timedelta(days=1) if boundary is None else boundary - now
    return min(until.total_seconds(), _MEASURE_SECONDS if measuring else _LONGEST_SECONDS)


def _rest(listener: _Connection, *, seconds: float) -> None:
    """Wait until something is told, or for so long."""
    for _ in listener.notifies(timeout=max(seconds, 0.0), stop_after=1):
        pass
