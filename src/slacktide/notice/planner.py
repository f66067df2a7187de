"""The planning: what is due of the downtimes as they are saved now is written down, with whom it is for.

One transaction each time: the instant, the settings, what an update of zone data has moved in them, what was told, and
what is told now. Whoever plans holds the row of the look until the commit, so the next one sees what was told. What is
saved meanwhile is seen by the next look, which comes at the message of the change, at the next instant at which
something is due, and once a minute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

import psycopg
from psycopg.rows import TupleRow

from slacktide.control.organization import list_organizations, list_sides
from slacktide.control.schedule import CHANNEL
from slacktide.control.setting import list_settings
from slacktide.control.zone_data import follow_zone_data
from slacktide.core import clock
from slacktide.core.interval import Period
from slacktide.downtime.compiling import compile_schedule
from slacktide.downtime.state import state_of
from slacktide.notice import store
from slacktide.notice.occurrence import Downtime, Known, Name
from slacktide.notice.rule import Kind, Step, Told, due, next_instant
from slacktide.notice.wording import Content

_EVERY_SECONDS = 60.0
_LOOK_SECONDS = 0.5
_LEAST_SECONDS = 0.02
_SINCE = timedelta(days=2)


class Planner:
    """Plans notices, over a connection to the control database of its own."""

    def __init__(self, connection: psycopg.Connection[TupleRow], *, configured: Mapping[store.Channel, bool]) -> None:
        """Take the connection, in autocommit mode, and which channels there are."""
        self._connection = connection
        self._configured = configured
        connection.execute(f"listen {CHANNEL}".encode())

    def run(self, *, ended: Callable[[], bool]) -> None:
        """Plan whatever is due, until `ended` says so."""
        while not ended():
            self._wait(self.plan(), ended)

    def plan(self, *, at: datetime | None = None) -> float:
        """Plan what is due now, or at an instant; give the seconds until something may be due without any change."""
        connection = self._connection
        with connection.transaction():
            now = at or store.look(connection)
            settings = list_settings(connection)
            if follow_zone_data(connection, settings=settings, now=now):
                settings = list_settings(connection)
            organizations = {each.code: each for each in list_organizations(connection)}
            known = Known(settings=settings, organizations=organizations, now=now)
            told = store.told_of(connection, since=now - _SINCE)
            downtimes = known.downtimes(told)
            for name in downtimes.keys() | told.keys():
                self._plan(known, name, downtimes.get(name), told.get(name))
            store.looked_at(connection, settings)
        return _seconds(downtimes.values(), now)

    def _plan(self, known: Known, name: Name, downtime: Downtime | None, told: Told | None) -> None:
        facts, leads = (downtime.facts, downtime.leads) if downtime else (None, ())
        step = due(facts, told=told, leads=leads, now=known.now)
        if step is None:
            return
        sequence = next((each.sequence for each in known.settings if each.id == name.downtime), 0)
        content = self._content(known, name, downtime, told, step)
        store.tell(
            self._connection,
            name=name,
            told=step.told,
            sequence=sequence,
            content=content,
            configured=self._configured,
        )

    def _content(self, known: Known, name: Name, downtime: Downtime | None, told: Told | None, step: Step) -> Content:
        about = downtime or known.gone(name, step.told.facts)
        period, before = step.told.facts.period, told.facts.period if told and step.kind is Kind.CHANGED else None
        return Content(
            kind=step.kind,
            downtime=name.downtime,
            occurrence=name.occurrence,
            organization=name.organization,
            scope=about.scope,
            start=period.start,
            end=period.end,
            users=step.told.facts.users,
            message=about.message,
            contact=about.contact,
            zone=about.zone,
            lead=step.told.lead,
            before=before.start if before else None,
            before_end=before.end if before else None,
            still=self._still(known, name) if step.kind is Kind.ENDED else (),
        )

    def _still(self, known: Known, name: Name) -> tuple[datetime | None, ...]:
        """Give until when the scope stays down all the same; nothing where it does not."""
        schedule = compile_schedule(
            settings=known.settings,
            organizations=known.organizations.values(),
            sides=list_sides(self._connection),
            around=known.now,
        )
        state = state_of(schedule=schedule, now=known.now, organization=name.organization)
        return (state.until,) if state.because else ()

    def _wait(self, seconds: float, ended: Callable[[], bool]) -> None:
        """Wait until something may be due, or until somebody says that the schedule has changed."""
        until = clock.monotonic_seconds() + seconds
        while (left := until - clock.monotonic_seconds()) > 0 and not ended():
            for _ in self._connection.notifies(timeout=min(left, _LOOK_SECONDS), stop_after=1):
                return


def _seconds(downtimes: Iterable[Downtime], now: datetime) -> float:
    """Give how long it is until something is due, a minute at the most."""
    instants = [next_instant(each.facts, leads=each.leads, now=now) for each in downtimes]
    soon = Period(now, now + timedelta(seconds=_EVERY_SECONDS))
    seconds = [(each - now).total_seconds() for each in instants if each is not None and soon.contains(each)]
    return max(min(seconds, default=_EVERY_SECONDS), _LEAST_SECONDS)
