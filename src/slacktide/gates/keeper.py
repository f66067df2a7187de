"""The keeper: holds the schedule, and decides by it on the spot.

A thread looks at the source at intervals, and at once when it is told of a change; whoever asks never waits for it (but
for the very first look, some seconds). What matters most is what an allowed request costs. So of each organization it
is remembered until when nothing is in effect, as a count of seconds: such a request is one look-up and one comparison.

The events:

1. A downtime that is known begins or ends. Nothing has to happen: what is remembered ends at the next boundary, and the
   next request is judged anew.
2. Somebody starts a downtime now. The source tells of it, the thread fetches, and what was remembered is forgotten.
3. A message is lost, or the stream of messages breaks. The next look at the latest brings what it would have told.
4. The source is silent. The gate goes on by what it knows up to its maximum age; then it closes, near downtimes only,
   as the specification says. A gate that never had a schedule closes everywhere.
5. A machine's clock steps, or the machine slept: see `slacktide.gates.reading`. The thread sees it within a quarter of
   a second.
6. The process forks, as application servers do. Threads are not copied: the child forgets, and starts its own one.
7. A request is judged while the thread changes what is known. What belongs together is one value that is exchanged
   whole; a judgement that began before is remembered with the old one, and so forgotten with it.
8. An organization is asked for that the schedule does not name: new, or none of this gate's business. Its downtimes are
   not known, so that it is judged as by a gate that has no schedule.
9. Of several servers behind one address one has lost the control database, and gives a schedule that is older than what
   is known. It is not taken, or a downtime that has begun would be over; a second later it is looked again.

`check --lines` has a keeper of its own (`slacktide.control.keeper`), which reads before it answers instead of
beside it, and says why.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Callable
from datetime import datetime
from typing import Self

import msgspec

from slacktide.core import clock
from slacktide.downtime.decision import FREE, MAXIMUM_AGE, Decision, decide
from slacktide.downtime.schedule import Schedule
from slacktide.downtime.table import Action
from slacktide.gates.ask import Ask
from slacktide.gates.reading import Reading, take_reading
from slacktide.gates.source import Fetched, Report, ScheduleNotFetched, Source

_LOG = logging.getLogger("slacktide.gates")
_TICK_SECONDS = 0.25
_AGAIN_SECONDS = 1.0
_FIRST_LOOK_SECONDS = 3.0
_END_SECONDS = 5.0
_NEVER = float("-inf")
_MAXIMUM_AGE_SECONDS = MAXIMUM_AGE.total_seconds()
_WITHOUT_ORGANIZATION = frozenset((Action.LOGIN, Action.READ, Action.CHANGE_SETTING))


class Known(msgspec.Struct, frozen=True):
    """What the gate knows, and until when (a count of seconds) nothing is in effect, by organization."""

    schedule: Schedule
    tag: str
    reading: Reading
    open_until: dict[str | None, float]


class Moment(msgspec.Struct, frozen=True):
    """What the gate knows at a count of seconds: the schedule (None: it never had one), the time, the age."""

    schedule: Schedule | None
    now: datetime
    count: float
    age_seconds: float | None = None
    tag: str | None = None

    @property
    def stale(self) -> bool:
        """Tell whether it is too old to decide by."""
        return self.age_seconds is not None and self.age_seconds > _MAXIMUM_AGE_SECONDS


class Keeper:
    """Holds the schedule of one source. It starts by itself when it is first asked."""

    def __init__(
        self,
        source: Source,
        *,
        wall: Callable[[], datetime] = clock.now,
        monotonic: Callable[[], float] = clock.monotonic_seconds,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """Take the source and the clocks; `changed` is called, by the keeper's thread, for each new schedule."""
        self._source, self._wall, self._monotonic, self._changed = source, wall, monotonic, changed
        self._known: Known | None = None
        self._open_until: dict[str | None, float] = {}
        self._failing = False
        self._due = _NEVER
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._ended, self._looked = threading.Event(), threading.Event()
        _at_fork(self)

    def __enter__(self) -> Self:
        """Start, and wait for the first schedule."""
        self.start(wait_seconds=_FIRST_LOOK_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        """End the thread."""
        self.close()

    # -- asking --------------------------------------------------------------------------------------------------------

    def refusal(self, ask: Ask) -> Decision | None:
        """Judge a request: None if it may go on, else the decision that says why not."""
        if (
            self._monotonic() < self._open_until.get(ask.organization, _NEVER)
            and ask.side is None
            and ask.action in FREE
        ):
            return None
        decision = self.decide(ask)
        return None if decision.allowed else decision

    def decide(self, ask: Ask) -> Decision:
        """Judge a request by what is known at this instant."""
        self._ensure()
        known = self._known
        moment = self._moment(known)
        schedule, organization = moment.schedule, ask.organization
        if schedule is not None and organization is not None and not _names(schedule, ask):
            if ask.action in _WITHOUT_ORGANIZATION:
                organization = None
            else:
                schedule = None
        if known is not None and schedule is not None and ask.organization == organization:
            self._remember(known, moment, organization)
        return decide(
            action=ask.action,
            schedule=schedule,
            now=moment.now,
            user_is_admin=ask.admin,
            user=ask.user,
            own_downtime=ask.own_downtime,
            organization=organization,
            side=ask.side if organization is not None else None,
            lease=ask.lease,
            session=ask.session,
            writer=ask.writer,
            link_asks=ask.link_asks,
            stale=moment.stale,
        )

    def moment(self) -> Moment:
        """Give what is known now."""
        self._ensure()
        return self._moment(self._known)

    def seconds_to_boundary(self, *, organization: str | None, at_most: float) -> float:
        """Give the seconds until a judgement may change by what is known, `at_most` where that is later."""
        moment = self._moment(self._known)
        if moment.schedule is None or (organization and organization not in moment.schedule.organizations):
            return at_most
        boundary = moment.schedule.next_boundary(moment.now, organization=organization)
        return at_most if boundary is None else max(0.0, min(at_most, (boundary - moment.now).total_seconds()))

    def report(self) -> Report:
        """Give what the gate says of itself."""
        known = self._known
        if known is None:
            return Report()
        age = known.reading.age(self._monotonic(), self._wall())
        return Report(tag=known.tag, offset_seconds=known.reading.offset_seconds, age_seconds=age)

    def _moment(self, known: Known | None) -> Moment:
        monotonic = self._monotonic()
        if known is None:
            return Moment(None, self._wall(), monotonic)
        age = known.reading.age(monotonic, self._wall())
        return Moment(known.schedule, known.reading.time(monotonic), monotonic, age, known.tag)

    def _remember(self, known: Known, moment: Moment, organization: str | None) -> None:
        """Remember until when nothing is in effect, if nothing is now; counted from the moment, to be exact."""
        schedule, now, monotonic = known.schedule, moment.now, moment.count
        if monotonic < known.open_until.get(organization, _NEVER):
            return
        side = schedule.side(organization) if organization is not None else None
        down = schedule.site.at(now).in_effect or (side is not None and side.phases.at(now).in_effect)
        if down or moment.stale or (side is not None and side.reference_since is not None):
            return
        left = _MAXIMUM_AGE_SECONDS - (moment.age_seconds or 0.0)
        boundary = schedule.next_boundary(now, organization=organization)
        if boundary is not None:
            left = min(left, (boundary - now).total_seconds())
        known.open_until[organization] = monotonic + left

    # -- looking -------------------------------------------------------------------------------------------------------

    def start(self, *, wait_seconds: float = 0.0) -> None:
        """Start the thread, unless it runs, and wait for the end of the first look."""
        with self._lock:
            if self._thread is None and not self._ended.is_set():
                self._thread = threading.Thread(target=self._run, name="slacktide keeper", daemon=True)
                self._thread.start()
        if wait_seconds:
            self._looked.wait(wait_seconds)

    def close(self) -> None:
        """End the thread. What is known grows old from here on."""
        self._ended.set()
        self._source.end()
        if self._thread is None:
            self._source.close()
        else:
            self._thread.join(_END_SECONDS)

    def look(self) -> bool:
        """Look at the source once, in the caller's thread; tell whether it answered."""
        known = self._known
        try:
            fetched = self._source.fetch(
                known=None if known is None else known.tag, report=self.report(), monotonic=self._monotonic
            )
        except ScheduleNotFetched as error:
            if not self._failing:  # once an outage
                _LOG.warning("%s", error)
            self._failing, self._due = True, self._monotonic() + _AGAIN_SECONDS
            return False
        finally:
            self._looked.set()
        self._failing = False
        taken = self._take(fetched, known)
        self._due = self._monotonic() + (self._source.interval_seconds if taken else _AGAIN_SECONDS)
        return True

    def tick(self, *, told: bool = False) -> None:
        """Look if it is time to: when told, at the interval, or when the machine's clock disagrees."""
        known, monotonic = self._known, self._monotonic()
        if known is not None and known.reading.disagrees(monotonic, self._wall()):
            self._open_until = {}  # until the new reading, each request is judged in full
            told = told or not self._failing
        if told or monotonic >= self._due:
            self.look()

    def _take(self, fetched: Fetched, known: Known | None) -> bool:
        """Take what was fetched, and tell whether it serves: another schedule that is older than the known does not."""
        schedule = fetched.schedule if fetched.schedule is not None or known is None else known.schedule
        if schedule is None:
            return True
        if known is not None and fetched.schedule is not None and self._older(fetched, known.reading):
            return False
        reading = take_reading(
            now=fetched.now,
            sent=fetched.sent,
            received=fetched.received,
            wall=self._wall(),
            age_seconds=fetched.age_seconds,
            before=None if known is None else known.reading,
        )
        self._known = Known(schedule, fetched.tag, reading, {})
        self._open_until = self._known.open_until
        if fetched.schedule is not None:
            self._changed()
        return True

    def _older(self, fetched: Fetched, reading: Reading) -> bool:
        """Tell whether what was fetched is older for certain, however long each answer was under way."""
        return fetched.age_seconds > reading.age(fetched.received, self._wall()) + reading.error_seconds

    def _run(self) -> None:
        ended = self._ended
        while not ended.is_set():
            try:
                self.tick(told=self._source.wait(0.0 if self._known is None and not self._failing else _TICK_SECONDS))
            except Exception:  # noqa: BLE001 -- whatever it was, the gate goes on by what it knows, and looks again
                _LOG.exception("the keeper of the schedule failed, and looks again")
                self._looked.set()
                ended.wait(_AGAIN_SECONDS)
        self._source.close()

    def _ensure(self) -> None:
        if self._thread is None:
            self.start()
        if self._known is None and not self._looked.is_set():
            self._looked.wait(_FIRST_LOOK_SECONDS)

    def forked(self) -> None:
        """Begin anew in a process that was forked from the keeper's."""
        self._open_until = {}
        if not self._ended.is_set():
            self._thread, self._lock, self._looked = None, threading.Lock(), threading.Event()
            self._source.forked()


def _names(schedule: Schedule, ask: Ask) -> bool:
    found = schedule.organizations.get(ask.organization or "")
    return found is not None and (ask.side is None or ask.side in found.sides)


def _at_fork(keeper: Keeper) -> None:
    reference = weakref.ref(keeper)

    def forked() -> None:
        if (found := reference()) is not None:
            found.forked()

    os.register_at_fork(after_in_child=forked)
