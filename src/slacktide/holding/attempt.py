"""One attempt at one item: write it, or send it and read its result, and say what stands against going on.

The order of each attempt, and why a kill between any two steps is harmless, is in `release`. Every attempt ends with
one event of the item (`state`), or leaves it as it is, with a pause.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

import msgspec
import psycopg
from psycopg.rows import TupleRow

from slacktide.control.setting import control_now
from slacktide.core.errors import InputError, OutsideError, SlacktideError
from slacktide.holding import failure, store
from slacktide.holding.failure import Kind
from slacktide.holding.item import Item
from slacktide.holding.look import HeldBack, LeftBehind, Look, ScheduleInChange
from slacktide.holding.passage import open_place, passage
from slacktide.holding.place import Place, address_of
from slacktide.holding.state import Event, IllegalHeldEvent, State
from slacktide.holding.wording import because, storable, waiting
from slacktide.holding.work import NotAccepted, Outcome, Work, work_named
from slacktide.postgres.connection import shown


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """What stands against the next item of an organization, and when it is looked at again.

    `said` is the sentence of the history. Without a next check that depends on how often it happened in a row: for a
    failure of the ERP (`erp_failed`), and for a hold that is not the schedule's.
    """

    next_check: datetime | None = None
    kind: Literal["open", "hold", "retry", "stopped"] = "open"
    because: str = ""
    said: str = ""
    until: datetime | None = None
    erp_failed: bool = False


class NotTaken(LeftBehind):
    """{organization} lives now at {lives_at}, which has no place for this work."""


class NotKept(InputError):
    """{key} is written, but what follows from it cannot be kept: {reason}. Mend that, then `slacktide held check`."""


class HomeChanged(OutsideError):
    """{organization} has moved to another database at this moment, so nothing was written here: it is tried there."""


class Attempt:
    """Attempts of one releaser: its connection to the control database, and those to the ERPs."""

    def __init__(self, connection: psycopg.Connection[TupleRow], *, look: Look) -> None:
        """Take the connection to the control database and the looks over it."""
        self._places: list[Place] = []
        self._looked = False
        self._connection = connection
        self._look = look
        self._open: dict[tuple[str, str], psycopg.Connection[TupleRow]] = {}

    def begin(self, places: list[Place]) -> None:
        """Begin with an organization: where its first item goes is looked up anew, and the next ones follow it.

        Each is looked at under the lock of its place, and leaves it if the organization lives there no more.
        """
        self._places, self._looked = places, False

    def close(self) -> None:
        """Leave the ERPs."""
        for connection in self._open.values():
            connection.close()
        self._open.clear()

    def write(self, item: Item) -> Pause | None:
        """Do what the item is for; give what stands against going on with the next one."""
        try:
            work = work_named(item.work)
            return self._insert(work, item) if item.step == "insert" else self._import(work, item)
        except IllegalHeldEvent:
            raise
        except Exception as error:  # noqa: BLE001 -- a bug of the program is a failure of its item
            return self._failed(item, error)

    def read_result(self, item: Item, *, failed: Exception | None = None) -> Pause | None:
        """Read what became of an import that was sent; not to know it uses up no retry.

        `failed` is what the sending failed with, in case it never arrived.
        """
        try:
            return self._result(work_named(item.work), item, failed)
        except NotKept as error:
            return self._item_failed(item, _text(error))
        except Exception as error:  # noqa: BLE001 -- whatever it is, the result is not known
            return self._unknown(item, error)

    def _result(self, work: Work, item: Item, failed: Exception | None) -> Pause | None:
        place = (
            self._place(work, item, use="result") if item.sent_to is None else self._connected(item.sent_to, "result")
        )
        result = work.result(place, key=item.key)
        outcome = Outcome(result.outcome)
        if outcome is Outcome.FAILED:
            return self._item_failed(item, storable(result.reason))
        if outcome is Outcome.ABSENT:
            return self._not_arrived(item, failed)
        if outcome is Outcome.DONE:
            self._finish(work, item)
        else:
            self._later(item, Event.NOT_YET)
        return None

    # -- the two steps ----------------------------------------------------------------------------------------------

    def _insert(self, work: Work, item: Item) -> Pause | None:
        place = self._place(work, item, use="write")
        with passage(place, look=self._look, organization=item.organization, step=item.step):
            self._require_home(item, place)
            if not work.find(place, key=item.key):
                work.write(place, item=item)
        self._finish(work, item)
        return None

    def _import(self, work: Work, item: Item) -> Pause | None:
        place, outside = (self._place(work, item, use=use) for use in ("write", "result"))
        with passage(place, look=self._look, organization=item.organization, step=item.step, judged_at_commit=False):
            address, now = self._require_home(item, place), control_now(self._connection)
            store.happen(self._connection, item, Event.SEND, next_check=now, sent_to=address)
            sent = msgspec.structs.replace(item, state=State.SENT, sent_at=now, sent_to=address)
            try:
                if not self._has_arrived(work, item):
                    work.send(outside, item=sent)
            except Exception as error:  # noqa: BLE001 -- whatever it is, it may have arrived
                return self._not_sent(sent, error)
        return self.read_result(sent)

    def _has_arrived(self, work: Work, item: Item) -> bool:
        """Tell whether an import that was sent before is in the ERP by now, so that it is not sent again."""
        if item.sent_to is None:
            return False
        result = work.result(self._connected(item.sent_to, "result"), key=item.key)
        return result.outcome in (Outcome.PENDING, Outcome.DONE)

    def _finish(self, work: Work, item: Item) -> None:
        """Note that it is done, and keep what follows from it. Raises NotKept where the item is to blame."""
        try:
            store.finish(self._connection, item, follow=work.follow(item))
        except IllegalHeldEvent:
            raise
        except Exception as error:
            if isinstance(error, psycopg.Error) and failure.kind_of(error.sqlstate) is not Kind.ITEM:
                raise
            raise NotKept(key=item.key, reason=_text(error)) from error

    def _not_sent(self, item: Item, error: Exception) -> Pause | None:
        """Tell a refusal, after which it may be sent again, from an outcome that is not known and is read first.

        An SQL error is none: what was sent may have arrived before it, at a web service for one.
        """
        if isinstance(error, NotAccepted):
            return self._item_failed(item, _text(error))
        kind = _kind(error) if isinstance(error, psycopg.Error) else Kind.ERP
        return self._erp_failed(item, error) if kind is Kind.ERP else self.read_result(item, failed=error)

    def _not_arrived(self, item: Item, failed: Exception | None) -> Pause | None:
        """Let what never arrived be sent again, as the first of those that wait; bad data uses up a retry."""
        if failed is not None and _kind(failed) is Kind.ITEM:
            return self._item_failed(item, _text(failed))
        reason = "the ERP never got it" if failed is None else _text(failed)
        store.happen(self._connection, item, Event.NOT_ACCEPTED, because=reason)
        return Pause() if failed is None else self._soon(item, reason)

    # -- what follows from a failure --------------------------------------------------------------------------------

    def _failed(self, item: Item, error: Exception) -> Pause | None:
        """Say what follows; an organization that is held or left is no failure of the item."""
        if isinstance(error, HeldBack):
            return self._held(error)
        kind = _kind(error)
        if kind is Kind.LEFT and isinstance(error, psycopg.Error) and not self._has_left(item):
            kind = Kind.ERP  # it is only about to move, as far as the schedule knows
        if kind is Kind.LEFT:
            store.happen(self._connection, item, Event.REFUSE, because=_text(error))
            return None
        if kind is Kind.ITEM:
            there = item.step == "insert" and not isinstance(error, NotKept) and self._is_there(item)
            # Where a predecessor wrote it meanwhile, the next attempt notes it.
            return Pause() if there else self._item_failed(item, _text(error))
        return self._erp_failed(item, error) if kind is Kind.ERP else self._soon(item, _text(error))

    def _unknown(self, item: Item, error: Exception) -> Pause:
        """Read it later; in a downtime, when the ERP may be off, that holds what comes next, and nothing has failed."""
        self._later(item, Event.UNKNOWN, because=f"it cannot be read: {_text(error)}")
        failed = self._erp_failed(item, error)
        try:
            self._look.require(organization=item.organization, step=item.step)
        except HeldBack as held:
            return self._held(held)
        except (LeftBehind, ScheduleInChange):
            return failed
        return failed

    def _held(self, error: HeldBack) -> Pause:
        decision = error.decision
        return Pause(
            kind="hold",
            because=because(decision),
            said=waiting(decision, next_check=error.next_check),
            until=decision.until,
            next_check=error.next_check,
        )

    def _soon(self, item: Item, reason: str) -> Pause:
        """Look again soon: the database itself refuses, or somebody is in the way."""
        return Pause(kind="hold", because=f"{item.organization} is not free to be written: {reason}")

    def _item_failed(self, item: Item, reason: str) -> Pause | None:
        """Use up a retry; after the last one the item steps aside, and the next one's turn has come."""
        attempts = item.attempts + 1
        if failure.used_up(attempts):
            store.happen(self._connection, item, Event.SET_ASIDE, because=reason)
            return None
        store.happen(self._connection, item, Event.RETRY, because=reason)
        now = control_now(self._connection)
        said = f"attempt {attempts} of {failure.RETRIES} at {item.key} failed: {reason}"
        return Pause(kind="retry", because=said, next_check=now + self._pause(attempts, now))

    def _erp_failed(self, item: Item, error: Exception) -> Pause:
        """Pause for the ERP's sake; a connection that is broken is opened anew next time."""
        for key, connection in [*self._open.items()]:
            if connection.closed or connection.broken:
                del self._open[key]
        return Pause(kind="retry", because=f"{item.key}: {_text(error)}", erp_failed=True)

    def _pause(self, times: int, now: datetime) -> timedelta:
        return failure.pause(times, recheck=self._look.recheck(now))

    def _later(self, item: Item, event: Event, *, because: str = "") -> None:
        """Read the result later, the later the longer it has been sent."""
        now = control_now(self._connection)
        pause = failure.reading_pause(now - (item.sent_at or now), recheck=self._look.recheck(now))
        store.happen(self._connection, item, event, because=because, next_check=now + pause, noted=False)

    # -- where it goes ----------------------------------------------------------------------------------------------

    def _place(self, work: Work, item: Item, *, use: str) -> psycopg.Connection[TupleRow]:
        """Give the connection to where the organization lives; to write, only while nothing is known against it.

        Raises NotTaken where that has no place for it, HeldBack, LeftBehind, ScheduleInChange.
        """
        if use == "write" and not self._looked:
            self._look.require(organization=item.organization, step=item.step)
            self._looked = True
        home = self._look.home(item.organization)
        address = address_of(self._places, organization=item.organization, home=home)
        place = self._connected(address, use)
        if home is not None and home.side == "target" and not work.takes(place):
            raise NotTaken(organization=item.organization, lives_at=shown(address))
        return place

    def _connected(self, address: str, use: str) -> psycopg.Connection[TupleRow]:
        key = (address, use)
        if key not in self._open or self._open[key].closed:
            self._open[key] = open_place(address, name=f"held work ({use})")
        return self._open[key]

    def _require_home(self, item: Item, place: psycopg.Connection[TupleRow]) -> str:
        """Give this place's address where it is still the one, as of the look under its lock. Raises HomeChanged."""
        home = self._look.home(item.organization)
        address = address_of(self._places, organization=item.organization, home=home)
        if self._open.get((address, "write")) is not place:
            raise HomeChanged(organization=item.organization)
        return address

    def _has_left(self, item: Item) -> bool:
        """Tell whether the control database knows, too, that the organization has moved and cannot be written."""
        return self._look.decide(organization=item.organization, step=item.step).code == "reference_only"

    def _is_there(self, item: Item) -> bool:
        work = work_named(item.work)
        try:
            return work.find(self._place(work, item, use="result"), key=item.key)
        except psycopg.Error:
            return False


def _kind(error: Exception) -> Kind:
    if isinstance(error, psycopg.Error):
        return failure.kind_of(error.sqlstate)
    if isinstance(error, LeftBehind):
        return Kind.LEFT
    if isinstance(error, ScheduleInChange | HomeChanged):
        return Kind.AGAIN
    return Kind.ERP if isinstance(error, SlacktideError) and not isinstance(error, NotAccepted | NotKept) else Kind.ITEM


def _text(error: Exception) -> str:
    return storable(str(error)) or type(error).__name__
