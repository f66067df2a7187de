"""The copy of the windows in the places: each closes by itself, for whoever writes its interface tables.

Every worker copies the windows known beforehand, recurring ones too, into each guarded place whenever the schedule has
changed, and once in a while. A window is an unbroken period of the site or of an organization, so that the database
refuses exactly while the schedule says that it is down.

1. The control database or all workers are gone when a downtime starts: the copy is there, and the place's own clock
   counts.
2. Two workers copy at once, and the one with the older schedule comes last: the lock of the copy is taken in the
   place first, and the schedule and the places are read under it. So who comes last has read last.
3. A worker is killed while it copies an organization's windows: they are replaced in one transaction. The next one
   that looks, mostly at the same message, finds the difference.
4. The message of a change is lost: it is compared again after a minute. New occurrences of a series come in by that,
   too.
5. A place cannot be reached: it is tried again, later and later; why is noted with the place. Our own writers look at
   the schedule itself and are held; only others could write there, until it is reached.
6. A place answers no more: it is left after `_ANSWER_SECONDS`, and tried after the others from then on.
7. An organization gets another place, with a downtime in the first one's copy: nobody would ever end that there. The
   windows of whoever's place is surely another database by now are taken away.
8. An organization is kept for reference only, without a move of ours: no window says so, and others would go on
   writing there. It is closed in the place as a move closes its source, for good, once its writers have ended.
9. A downtime is ended early, and our writer is faster than the copy: the place refuses, which is a hold, and it looks
   again a moment later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

import psycopg
from psycopg.rows import TupleRow

from slacktide.core import clock
from slacktide.core.errors import OutsideError, SlacktideError
from slacktide.core.interval import union
from slacktide.downtime.schedule import Phase, Schedule
from slacktide.downtime.timeline import Timeline
from slacktide.guard import closing
from slacktide.guard.closing import SITE
from slacktide.guard.state import State
from slacktide.guard.window import Window, set_windows, windows
from slacktide.holding import store
from slacktide.holding.look import Look
from slacktide.holding.passage import Answering, open_place
from slacktide.holding.place import Place, list_places
from slacktide.postgres.sql import load

_sql = load(__package__, "window.sql")
_EVERY_SECONDS = 60.0
_RETRY_SECONDS = 1.0
_ANSWER_SECONDS = 10.0  # the statements are our own, and short; the other places wait meanwhile


class WritersLeft(OutsideError):
    """{organization} is for reference only and is still written in this place, so that it is tried again: `slacktide holders --organization {organization}` shows by whom."""  # noqa: E501 -- the message is one sentence


class Copier:
    """Copies the windows into the places, over a connection to the control database of its own."""

    def __init__(self, connection: psycopg.Connection[TupleRow]) -> None:
        """Take the connection, in autocommit mode."""
        self._connection = connection
        self._look = Look(connection)
        self._open: dict[str, Answering] = {}
        self._database: dict[str, str] = {}  # which database each address is, where it was reached last
        connection.execute(f"listen {store.SCHEDULE_CHANNEL}".encode())

    def run(self, *, ended: Callable[[], bool]) -> None:
        """Copy at every change of the schedule, until `ended` says so."""
        failures = 0
        try:
            while not ended():
                failures = 0 if self.copy() else failures + 1
                self._wait(_EVERY_SECONDS if failures == 0 else _RETRY_SECONDS * 2 ** min(failures, 6), ended)
        finally:
            self.close()

    def close(self) -> None:
        """Leave the places."""
        for connection in self._open.values():
            connection.close()
        self._open.clear()

    def copy(self) -> bool:
        """Bring the windows of all places up to date; tell whether each of them could be reached."""
        places = list_places(self._connection)
        places.sort(key=lambda place: place.address not in self._open)  # those that did not answer are tried last
        return all([self._copied(place) for place in places])  # noqa: C419 -- each is tried

    def _wait(self, seconds: float, ended: Callable[[], bool]) -> None:
        """Wait for a change of the schedule, not longer than this."""
        until = clock.monotonic_seconds() + seconds
        while not ended() and clock.monotonic_seconds() < until:
            for _ in self._connection.notifies(timeout=_RETRY_SECONDS, stop_after=1):
                return

    def _copied(self, place: Place) -> bool:
        problem = None
        try:
            if place.address not in self._open or self._open[place.address].closed:
                self._open[place.address] = open_place(place.address, name="windows")
                self._open[place.address].answer_seconds = _ANSWER_SECONDS
            self._copy(self._open[place.address], place)
        except (psycopg.Error, SlacktideError) as error:
            if place.address in self._open:
                self._open.pop(place.address).close()
            self._database.pop(place.address, None)
            problem = " ".join(str(error).split())
        self._connection.execute(_sql["copied"], {"name": place.name, "problem": problem})
        return problem is None

    def _copy(self, connection: psycopg.Connection[TupleRow], place: Place) -> None:
        guarded, self._database[place.address] = connection.execute(_sql["database"]).fetchone() or (False, "")
        if not guarded:
            return
        connection.execute(_sql["own"])
        try:
            (schedule, now), places = self._look.read(), list_places(self._connection)
            present = windows(connection)
            gone: dict[str, list[Window]] = {code: [] for code in self._gone(present, schedule, place, places)}
            for organization, wanted in (gone | _wanted(schedule, place, places, now=now)).items():
                own = [one for one in present if one.organization == organization and not one.period.ended(now)]
                if own != wanted:
                    set_windows(connection, organization=organization, windows=wanted)
            for code in _organizations(schedule, place, places):
                home = self._look.home(code)
                if home is not None and home.state == "reference only" and home.database is None:
                    _leave(connection, code, lives_at=home.lives_at or "")
        finally:
            if not connection.closed:
                connection.execute(_sql["disown"])

    def _gone(self, present: list[Window], schedule: Schedule, place: Place, places: list[Place]) -> set[str]:
        """Give whose windows are here and whose place is surely another database: one that is away may be this one."""
        here = self._database[place.address]
        own = [one for one in places if self._database.get(one.address, here) == here]
        kept = {code for one in own for code in _organizations(schedule, one, places)}
        return {one.organization for one in present} - kept - {SITE}


def _leave(connection: psycopg.Connection[TupleRow], organization: str, *, lives_at: str) -> None:
    """Refuse for good whoever writes an organization that lives elsewhere now. Raises WritersLeft, IllegalEvent."""
    present = closing.state(connection, organization=organization)
    if present.state is State.REFERENCE_ONLY and present.lives_at == lives_at:
        return
    if present.state is not State.REFERENCE_ONLY:
        closing.begin_closing(connection, organization=organization, reason=f"it lives now at {lives_at}")
        if not closing.try_quiet(connection, organization=organization):
            raise WritersLeft(organization=organization)
    closing.make_reference_only(connection, organization=organization, lives_at=lives_at)


def _wanted(schedule: Schedule, place: Place, places: Iterable[Place], *, now: datetime) -> dict[str, list[Window]]:
    """Give the windows that a place has to have, by organization; those of the site ('') too."""
    own = _organizations(schedule, place, places)
    found = {code: _windows(code, schedule.organizations[code].home.phases, now=now) for code in own}
    return {SITE: _windows(SITE, schedule.site, now=now)} | found


def _organizations(schedule: Schedule, place: Place, places: Iterable[Place]) -> list[str]:
    """Give the organizations whose place it is."""
    elsewhere = {one.organization for one in places if one.organization is not None}
    return [
        code
        for code in schedule.organizations
        if code == place.organization or (place.organization is None and code not in elsewhere)
    ]


def _windows(organization: str, phases: Timeline[Phase], *, now: datetime) -> list[Window]:
    """Give the unbroken periods of a scope that are not over, each with the reason that it begins with."""
    lasting = [phase for phase in phases.values if phase.period is not None]
    periods = union(phase.period for phase in lasting if phase.period is not None)
    return [
        Window(organization, period, next(phase.downtimes[0].reason for phase in lasting if phase.period == period))
        for period in periods
        if not period.ended(now)
    ]
