"""The look: whether work of an organization may be written now, by the schedule as it is saved at this very moment.

The schedule is compiled once and kept, but never trusted without asking. Each look reads the control database's clock
and a count that every change of the schedule raises before it commits, outside MVCC. What stands against what:

1. A downtime that starts now commits a moment before we look: the count is another one, so the schedule is read anew.
2. The count has risen, and the change has not committed: we would read the old schedule and keep it under the new
   count. It is read under a SHARE lock, which waits for every transaction that has changed something. It waits a
   short time only; whoever does not get it holds its work, and looks again.
3. A downtime ends at T, and is extended shortly before: the change was checked before T and commits after it. A look
   behind T would find it over. So where a boundary lies between the last reading and now, it is read anew, under the
   same lock. The database refuses an extension after T by its own clock, and one that was let through before T holds
   the lock.
4. A look takes place, and then the write lasts: `Look.require` is asked again directly before the commit.
5. The schedule is in doubt, or that is confirmed: that is a change like any other, counted and waited for.
6. The server crashes, and the count falls back: all connections are gone then, and a look belongs to a connection.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import psycopg

from slacktide.control.organization import list_organizations, list_sides
from slacktide.control.origin import doubt_of
from slacktide.control.setting import ClockSilent, list_settings
from slacktide.core.duration import format_instant
from slacktide.core.errors import ExitStatus, OutsideError
from slacktide.core.interval import Period
from slacktide.downtime.compiling import compile_schedule
from slacktide.downtime.decision import Decision, decide
from slacktide.downtime.schedule import Schedule, Side
from slacktide.downtime.setting import Setting, lookup
from slacktide.holding.item import Step
from slacktide.holding.wording import because
from slacktide.postgres.sql import load

_sql = load(__package__, "look.sql")
ACTIONS: dict[Step, str] = {"insert": "write_interface", "import": "import"}
_LOCK_TIMEOUT = "300ms"
_RELEASE_RATE = "hold_release_rate"
_RECHECK = timedelta(seconds=10)  # as long as nothing is known


class HeldBack(OutsideError):
    """{because}. Nothing was written; try again at {next_check}."""

    exit_status = ExitStatus.HELD

    def __init__(self, *, decision: Decision) -> None:
        """Keep the decision, for those who wait."""
        self.decision = decision
        self.next_check: datetime = decision.next_check or decision.now
        super().__init__(because=because(decision), next_check=format_instant(self.next_check))


class LeftBehind(OutsideError):
    """{organization} is here for reference only, so nothing of it is written: it lives now at {lives_at}."""

    exit_status = ExitStatus.DENIED


class ScheduleInChange(OutsideError):
    """Somebody is changing the schedule and has not committed it, so that nothing is written: try again."""

    exit_status = ExitStatus.HELD


class Look:
    """The looks of one connection to the control database, which is in autocommit mode."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        """Take the connection; nothing is read yet."""
        self._connection = connection
        self._schedule: Schedule | None = None
        self._rates: list[Setting] = []
        self._at: datetime | None = None
        self._sides: list[Side] = []
        self._count = -1
        self._read_at: datetime | None = None

    @property
    def count(self) -> int:
        """The count of the schedule that the last look was by."""
        return self._count

    def decide(self, *, organization: str, step: Step) -> Decision:
        """Decide on a step of an organization, now. Raises UnknownOrganization, ScheduleInChange."""
        now = self._current(organization)
        return decide(action=ACTIONS[step], schedule=self._schedule, now=now, organization=organization)

    def require(self, *, organization: str, step: Step) -> Decision:
        """Go on where the step is allowed now. Raises HeldBack, LeftBehind, ScheduleInChange."""
        decision = self.decide(organization=organization, step=step)
        if decision.decision == "hold":
            raise HeldBack(decision=decision)
        if not decision.allowed:
            lives_at = decision.reason.lives_at if decision.reason else None
            raise LeftBehind(organization=organization, lives_at=lives_at or "a place that your administrator knows")
        return decision

    def rate(self, organization: str) -> int | None:
        """Give how many items a second may be released of an organization, as of the last look; None: no limit."""
        if self._at is None or not self._rates:
            return None
        value = lookup(parameter=_RELEASE_RATE, settings=self._rates, now=self._at, organization=organization)
        return None if value == "none" else int(value)

    def recheck(self, now: datetime) -> timedelta:
        """Give how often held work looks again, as of the last look."""
        return self._schedule.recheck.at(now) if self._schedule is not None else _RECHECK

    def home(self, organization: str) -> Side | None:
        """Give the side where an organization lives, as of the last look; None for one that has no sides.

        Where nothing was read yet it is read now. Raises ScheduleInChange.
        """
        if self._schedule is None:
            self.read()
        own = sorted((side for side in self._sides if side.organization == organization), key=lambda side: side.side)
        return next((side for side in own if side.state != "reference only"), own[0] if own else None)

    def _current(self, organization: str) -> datetime:
        """Give the time, with a schedule that holds at it."""
        now, count = self._now()
        if self._schedule is None or count != self._count or self._passed(organization, now):
            self.read()
            now, _ = self._now()
        self._at = now
        return now

    def _passed(self, organization: str, now: datetime) -> bool:
        """Tell whether a boundary lies between the last reading and now; for who is not known, that it may."""
        if self._schedule is None or self._read_at is None or organization not in self._schedule.organizations:
            return True
        boundary = self._schedule.next_boundary(self._read_at, organization=organization)
        return boundary is not None and Period(boundary).contains(now)

    def _now(self) -> tuple[datetime, int]:
        row = self._connection.execute(_sql["now"]).fetchone()
        if row is None:
            raise ClockSilent
        return row[0], row[1]

    def read(self) -> tuple[Schedule, datetime]:
        """Read the schedule anew, and give it with the time at which it was read. Raises ScheduleInChange."""
        connection = self._connection
        self._schedule = None
        try:
            with connection.transaction():
                connection.execute(_sql["lock_timeout"], {"milliseconds": _LOCK_TIMEOUT})
                connection.execute(_sql["still"])
                now, self._count = self._now()
                settings, self._sides = list_settings(connection), list_sides(connection)
                self._rates = [setting for setting in settings if setting.parameter == _RELEASE_RATE]
                self._schedule = schedule = compile_schedule(
                    settings=settings,
                    organizations=list_organizations(connection),
                    sides=self._sides,
                    around=now,
                    doubt=doubt_of(connection),
                )
                self._read_at = now
                return schedule, now
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
            raise ScheduleInChange from error
