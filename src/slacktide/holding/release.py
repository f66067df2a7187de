"""The release: held work goes on by itself, in the order of its arrival, once and only while no downtime is in effect.

Any number of releasers run, each with a connection of its own to the control database. Whoever has the lock of an
organization's queue releases its work, for a moment at a time, so that a few releasers serve many organizations. The
events:

1. A releaser is killed before the write: the lock goes with its connection; what it had taken waits again.
2. It is killed between the ERP's commit and the note: the next one finds the key in the ERP and only notes it.
3. It is killed after an import was sent: the item is `sent`, noted before it was sent. Its result is read first; only
   if the ERP never got it is it sent again. That uses up no retry.
4. Its connection to the control database is lost while it writes, and another one begins: that one's first write is
   the same item. It finds the key, or waits for the unique key and finds it then. Nothing later can overtake it, and
   the note of the first one cannot come through.
5. An item fails: it is tried again before anything that came later, and steps aside after its last retry. Before a
   failure counts, the key is looked for: a predecessor may have written it meanwhile.
6. The ERP fails: nothing uses up a retry, and after a run of these the release of the organization stops for longer
   and longer, visibly; the first success starts it again.
7. The downtime ends: the queue's next check is that end, if it is near. It is ended early: the count of the schedule
   is another one, and whoever listens is woken. The message is lost: every queue is looked at once a recheck
   interval.
8. It is extended, or joined by another one: every look is by the schedule of that moment (see `look`).
9. The database closes before we know: its guard refuses, and that is a hold. What we know of holds before the ERP is
   asked: it may be switched off in its downtime, and that is no failure.
10. Many organizations wait for a site's downtime to end: a queue is left after a moment, one that was held after its
    first item, for the one that has waited longest.
11. The ERP is busy with what it accepted before the start: its result is read within the downtime, too; nothing is
    sent. The ERP is off then, and the reading fails: what stands against writing is still the downtime, or its end
    would wake nothing.
12. It is not known whether an import arrived, and it is read later and later: before anything of its organization is
    written it is read, or a later import would overtake it.
13. Something fails that nobody foresaw, a bug: the release of that organization stops, visibly, and the others go on.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec
import psycopg
from psycopg.rows import TupleRow

from slacktide.control.setting import control_now
from slacktide.core import clock
from slacktide.holding import failure, place, store
from slacktide.holding.attempt import Attempt, Pause
from slacktide.holding.item import Queue
from slacktide.holding.look import Look
from slacktide.holding.wording import storable

_AT_ONCE = 16
_SLICE_SECONDS = 0.1
_WAIT_SECONDS = 1.0
_IDLE_SECONDS = 5.0
_LOOK_SECONDS = 0.5
_BUSY_SECONDS = 0.05


class Releaser:
    """Releases the work of whichever organizations are due and nobody else's at the moment."""

    def __init__(self, connection: psycopg.Connection[TupleRow]) -> None:
        """Take a connection to the control database, in autocommit mode, that is used for nothing else."""
        self._connection = connection
        self._look = Look(connection)
        self._attempt = Attempt(connection, look=self._look)
        for channel in store.CHANNELS:
            connection.execute(f"listen {channel}".encode())

    def run(self, *, ended: Callable[[], bool]) -> None:
        """Release until `ended` says so. Raises psycopg.OperationalError where the control database is lost."""
        try:
            while not ended():
                if not any(self._released(organization) for organization in store.due(self._connection)):
                    self._wait(ended)
        finally:
            self.close()

    def close(self) -> None:
        """Leave the ERPs."""
        self._attempt.close()

    def release(self, organization: str) -> bool:
        """Release the work of one organization for a moment; tell whether it was ours to release."""
        connection = self._connection
        if not store.try_own(connection, organization=organization):
            return False
        try:
            self._attempt.begin(place.list_places(connection))
            store.put_back(connection, organization=organization)
            self._slice(organization)
        finally:
            if not connection.closed:
                store.disown(connection, organization=organization)
        return True

    def _released(self, organization: str) -> bool:
        """Release, and let what nobody foresaw stop this organization alone; the next one's turn has come then."""
        try:
            return self.release(organization)
        except Exception as error:
            if self._connection.closed:
                raise
            traceback.print_exc()
            self._stop(organization, error)
            return False

    def _wait(self, ended: Callable[[], bool]) -> None:
        """Wait until something may be due, or until somebody says that something has changed."""
        seconds = store.pause_seconds(self._connection)
        longest = _IDLE_SECONDS if seconds is None else min(max(seconds, _BUSY_SECONDS), _WAIT_SECONDS)
        until = clock.monotonic_seconds() + longest
        while (left := until - clock.monotonic_seconds()) > 0 and not ended():
            for _ in self._connection.notifies(timeout=min(left, _LOOK_SECONDS), stop_after=1):
                return

    def _slice(self, organization: str) -> None:
        """Read results, then write what is waiting, until something stands against it or the moment is over."""
        queue = store.queue_of(self._connection, organization=organization)
        if queue is None:
            return
        begun = control_now(self._connection) if queue.kind != "open" else None
        pause = self._read_results(organization, unknown=queue.is_due)
        if pause is None and queue.is_due:
            pause = self._write(organization, seconds=_SLICE_SECONDS if queue.kind == "open" else 0.0)
            store.put_back(self._connection, organization=organization)
        elif pause is None or pause.kind == "open" or not queue.is_due:
            return  # what stands against the others still does
        self._note(queue, pause, begun)

    def _read_results(self, organization: str, *, unknown: bool) -> Pause | None:
        """Give what stands against writing: what the ERP has accepted does not, though it cannot be read."""
        for item in store.sent_items(self._connection, organization=organization, unknown=unknown):
            pause = self._attempt.read_result(item)
            if pause is not None:
                return None if pause.erp_failed and item.accepted else pause
        return None

    def _write(self, organization: str, *, seconds: float) -> Pause | None:
        """Write one item after the other, for so long; give what stands against the next one."""
        begun, released, count = clock.monotonic_seconds(), 0, _AT_ONCE if seconds else 1
        while items := store.take(self._connection, organization=organization, count=count):
            for item in items:
                pause = self._attempt.write(item)
                released += 1
                passed = clock.monotonic_seconds() - begun
                pause = pause or self._paced(organization, released, passed)
                if pause is not None or passed >= seconds:
                    return pause
        return None

    def _paced(self, organization: str, released: int, seconds: float) -> Pause | None:
        """Keep to the release rate: wait for the next item's time, or leave the queue until then."""
        rate = self._look.rate(organization)
        early = 0.0 if rate is None else released / rate - seconds
        if early > _SLICE_SECONDS:
            return Pause(next_check=control_now(self._connection) + timedelta(seconds=early))
        if early > 0:
            clock.sleep(early)
        return None

    def _note(self, queue: Queue, pause: Pause | None, begun: datetime | None) -> None:
        """Write down when this queue is looked at next, and why."""
        if pause is None or pause.kind == "open":
            next_check = pause.next_check if pause else None
            store.looked(self._connection, organization=queue.organization, next_check=next_check, at=begun)
            return
        failures = queue.failures + 1 if pause.next_check is None else 0
        if pause.next_check is None:
            pause = self._erp_failed(pause, failures) if pause.erp_failed else self._busy(pause, failures)
        facts = msgspec.structs.asdict(pause)
        del facts["erp_failed"]
        store.looked(
            self._connection, organization=queue.organization, failures=failures, seen=self._look.count, **facts
        )

    def _stop(self, organization: str, error: Exception) -> None:
        """Say that the release of an organization fails by itself, and try again later and later."""
        queue = store.queue_of(self._connection, organization=organization)
        failures, now = queue.failures + 1 if queue else 1, control_now(self._connection)
        store.looked(
            self._connection,
            organization=organization,
            kind="stopped",
            because=f"the release itself fails: {storable(repr(error))}",
            next_check=now + failure.pause(failures, recheck=self._look.recheck(now)),
            failures=failures,
        )

    def _busy(self, pause: Pause, failures: int) -> Pause:
        """Look again soon where somebody is in the way, or the database is closed and the schedule is not."""
        next_check = control_now(self._connection) + failure.busy_pause(failures)
        return msgspec.structs.replace(pause, next_check=next_check)

    def _erp_failed(self, pause: Pause, failures: int) -> Pause:
        now = control_now(self._connection)
        next_check = now + failure.pause(failures, recheck=self._look.recheck(now))
        because = f"the ERP itself fails: {pause.because}"
        kind = "stopped" if failure.stopped(failures) else "retry"
        return msgspec.structs.replace(pause, kind=kind, because=because, said=because, next_check=next_check)
