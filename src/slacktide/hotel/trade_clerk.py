"""One clerk: a thread with a connection of its own that does one action after the other.

What may go wrong, and what the clerk then does:

* another clerk is in the way (serialization failure, deadlock, lock timeout): the same action again, with the same
  throws, a few times;
* another clerk was faster (a unique value or a reference is taken), or nothing is as the action needs it: something
  else;
* the property is closed, or has moved: trading ends, for all clerks;
* the connection is lost: it is opened again, for at most 30 seconds. If it was lost during the commit, the
  transaction's number tells what became of it. A server that was killed may give a number that it never wrote down a
  second time, so the change is promised only if its objects are found as new as it left them; else it is counted as
  unknown.
"""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
from psycopg import IsolationLevel
from psycopg.errors import lookup

from slacktide.core import clock
from slacktide.core.errors import SQLSTATE_CLOSED, SQLSTATE_REFERENCE_ONLY
from slacktide.hotel.dice import Dice
from slacktide.hotel.promise_check import all_there
from slacktide.hotel.trade_action import ACTIONS, choose
from slacktide.hotel.trade_hotel import HotelFacts, Numbers
from slacktide.hotel.trade_work import NothingToDoError, Work
from slacktide.postgres.connection import Unreachable, connect
from slacktide.postgres.sql import load

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from slacktide.hotel.promise import Changes, PromiseFile
    from slacktide.hotel.trade_pace import Holding, Pace

_SQL = load(__package__, "trade.sql")
_REFUSALS = {SQLSTATE_CLOSED: "closed", SQLSTATE_REFERENCE_ONLY: "reference only"}
_AGAIN = {"40001", "40P01", "55P03"}  # serialization failure, deadlock, lock timeout
_OTHERWISE = {"23505", "23503"}  # a unique value is taken, a reference is gone or in use
_ENDED = {"57P01", "57P02", "57P03"}  # the server ends the session, and the connection is about to break
_ATTEMPTS = 5
_LOST_SECONDS = 30.0
_PAUSE_SECONDS = 0.1
_SETTINGS = "-c lock_timeout=15s -c synchronous_commit=on"


class Tally(msgspec.Struct):
    """What a clerk did, counted: committed actions, those with nothing to do, conflicts by SQLSTATE, and the rest."""

    actions: Counter[str] = msgspec.field(default_factory=Counter)
    nothing_to_do: Counter[str] = msgspec.field(default_factory=Counter)
    conflicts: Counter[str] = msgspec.field(default_factory=Counter)
    events: Counter[str] = msgspec.field(default_factory=Counter)


class Office(msgspec.Struct):
    """What all clerks of a property share. `end` says that trading is over; `refused` by which closing."""

    address: str
    hotel: HotelFacts
    seed: int
    pace: Pace
    holding: Holding
    promises: PromiseFile | None
    end: threading.Event
    refused: tuple[str, str] | None = None

    def refuse(self, state: str, message: str) -> None:
        """End trading, because the property takes no more changes."""
        self.refused = self.refused or (state, message)
        self.end.set()


class RefusedError(Exception):
    """The property takes no more changes."""


class NotCommittedError(Exception):
    """The connection was lost during a commit that came to nothing, or of which nothing can be found out."""


class Clerk:
    """A clerk by number; `run` trades until the end."""

    def __init__(self, *, office: Office, number: int) -> None:
        """Take what the clerks share and the clerk's number."""
        self._office, self._number = office, number
        self._numbers = Numbers(property_code=office.hotel.property)
        self._connection = self._connect()
        self._turn = 0
        self.tally = Tally()

    def run(self) -> None:
        """Make one change after the other until trading ends. Raises Unreachable, and what no clerk expects."""
        try:
            while not self._office.end.is_set():
                self._office.pace.wait(self._office.end)
                self._make_change()
        except RefusedError:
            pass  # the office knows
        finally:
            self._connection.close()

    def _make_change(self) -> None:
        """Do one thing or another until something commits."""
        while not self._office.end.is_set():
            self._turn += 1
            name = choose(self._dice(0))
            if self._persist(name):
                self.tally.actions[name] += 1
                return

    def _persist(self, name: str) -> bool:
        """Try an action, again where others were in the way; tell whether it committed."""
        for _ in range(_ATTEMPTS):
            if self._office.end.is_set():
                return False
            try:
                return self._attempt(name)
            except NothingToDoError:
                self.tally.nothing_to_do[name] += 1
                return False
            except NotCommittedError:
                return False
            except psycopg.Error as error:
                if not self._may_try_again(error):
                    return False
            finally:
                self._roll_back()
        return False

    def _attempt(self, name: str) -> bool:
        """Do an action in one transaction; tell whether it was committed, and not rolled back on purpose."""
        dice = self._dice(1)
        self._connection.isolation_level = _isolation(dice)
        given = {"property": self._office.hotel.property}
        today, changing = self._connection.execute(_SQL["today"], given).fetchall()[0]
        if changing:
            self._office.end.wait(_PAUSE_SECONDS)
            return False
        work = Work(
            connection=self._connection, hotel=self._office.hotel, numbers=self._numbers, dice=dice, today=today
        )
        with self._connection.transaction() if dice.one_in(10) else nullcontext():  # sometimes in a subtransaction
            ACTIONS[name](work)
        self._hold(dice)
        if dice.one_in(25):
            self.tally.events["rolled_back"] += 1
            return False
        self._commit(work)
        return True

    def _hold(self, dice: Dice) -> None:
        seconds = self._office.holding.seconds(dice)
        if seconds:
            self.tally.events["held_open"] += 1
            self._office.end.wait(seconds)

    # -- commit, and what became of it --------------------------------------------------------------------------------

    def _commit(self, work: Work) -> None:
        work.finish()
        drawn = self._numbers.draw(self._connection)
        promises = self._office.promises
        promising: AbstractContextManager[None] = promises.committing(work.changes) if promises else nullcontext()
        with promising:
            try:
                self._connection.commit()
            except psycopg.OperationalError as error:
                if not self._is_lost(error):
                    raise
                self._reconnect()
                self._find_out(work.transaction, work.changes)
        self._numbers.keep(drawn)

    def _find_out(self, number: str, changes: Changes) -> None:
        """Find out whether a transaction committed. Raises NotCommittedError if it did not, or nobody knows."""
        found = "in progress"
        limit = clock.monotonic_seconds() + _LOST_SECONDS
        while found == "in progress" and clock.monotonic_seconds() < limit:
            clock.sleep(_PAUSE_SECONDS)
            try:
                found = self._ask(number, changes)
            except psycopg.Error as error:
                if not self._is_lost(error):
                    raise
                self._reconnect()
        if found == "committed":
            self.tally.events["found_committed"] += 1
            return
        self.tally.events["found_aborted" if found == "aborted" else "unknown_outcomes"] += 1
        raise NotCommittedError

    def _ask(self, number: str, changes: Changes) -> str:
        """Ask what became of a transaction: committed, aborted, in progress, unknown."""
        try:
            row = self._connection.execute(_SQL["outcome"], {"number": number}).fetchall()[0]
            known = row[0] != "committed" or all_there(self._connection, changes)
        except psycopg.errors.InvalidParameterValue:  # no such number yet: nothing of it reached the server's log
            return "aborted"
        finally:
            self._roll_back()
        return str(row[0] or "unknown") if known else "unknown"

    # -- what goes wrong ----------------------------------------------------------------------------------------------

    def _may_try_again(self, error: psycopg.Error) -> bool:
        """Tell whether the same action may succeed now. Raises RefusedError, and the error if nobody expects it."""
        state = error.sqlstate or ""
        if state in _REFUSALS:
            self._office.refuse(_REFUSALS[state], str(error.diag.message_primary))
            raise RefusedError from error
        if self._is_lost(error):
            self._reconnect()
            return True
        if state not in _AGAIN | _OTHERWISE:
            raise error
        self.tally.conflicts[lookup(state).__name__] += 1
        return state in _AGAIN

    def _is_lost(self, error: psycopg.Error) -> bool:
        return self._connection.closed or error.sqlstate in _ENDED

    def _roll_back(self) -> None:
        """Leave the transaction, if there still is one; if the connection is lost, whoever uses it next notices."""
        try:
            if not self._connection.closed:
                self._connection.rollback()
        except psycopg.OperationalError as error:
            if not self._is_lost(error):
                raise

    def _reconnect(self) -> None:
        """Open a new connection. Raises Unreachable after the limit."""
        self._connection.close()
        self.tally.events["lost_connections"] += 1
        limit = clock.monotonic_seconds() + _LOST_SECONDS
        while True:
            try:
                self._connection = self._connect()
            except Unreachable:
                if clock.monotonic_seconds() > limit:
                    raise
                clock.sleep(_PAUSE_SECONDS)
            else:
                return

    def _connect(self) -> psycopg.Connection[Any]:
        name = f"trade clerk {self._number}"
        return connect(self._office.address, name=name, autocommit=False, search_path="hotel", options=_SETTINGS)

    def _dice(self, purpose: int) -> Dice:
        """Give the dice of this turn; trying again throws the same."""
        return Dice(self._office.seed, self._number, self._turn, purpose)


def _isolation(dice: Dice) -> IsolationLevel:
    levels = {0: IsolationLevel.SERIALIZABLE, 1: IsolationLevel.REPEATABLE_READ, 2: IsolationLevel.REPEATABLE_READ}
    return levels.get(dice.below(20), IsolationLevel.READ_COMMITTED)
