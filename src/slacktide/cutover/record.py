"""What is kept of a System Down Time: its options, its steps, its result. A killed procedure goes on from here."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from slacktide.core.errors import InputError, UsageError
from slacktide.cutover.attempt import Event, State, after
from slacktide.postgres import sql
from slacktide.transfer.move import CLEAN, CLEANING, TAKEN_BACK

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

_STATEMENTS = sql.load(__package__, "record.sql")
_INSTEAD = {
    CLEANING: "`slacktide move clean {move} --apply` finishes that",
    CLEAN: "it can move again as a new one: `slacktide move create`",
    TAKEN_BACK: "it begins again with `slacktide move downtime fallback` of the move that it takes back",
}


class AnotherUnderWay(InputError):
    """The down time of the move {other}, of {organization} too, is {state}: two at once would open it at two places. See `slacktide move status {other}`."""  # noqa: E501 -- the message is one sentence


class NotStarted(UsageError):
    """The down time of the move {move!r} was not started: `slacktide move downtime start {move}`."""


class TakenAway(InputError):
    """The move {move} is {state}: `clean` took away what it needs; {instead}."""


class Attempt(msgspec.Struct, frozen=True):
    """One attempt at a move's System Down Time."""

    attempt: int
    downtime_id: str
    business_date: date
    open_by: datetime | None
    waived: dict[str, str]
    gos: dict[str, dict[str, str]]
    who: str
    reason: str
    started_at: datetime
    state: str
    first_batch: int
    final_batch: int | None
    verification: dict[str, Any] | None
    error: str | None
    opened_at: datetime | None
    abandoned_at: datetime | None = None
    abandoned_by: str | None = None
    abandoned_reason: str | None = None
    source_opened_at: datetime | None = None
    still_down: list[Any] | None = None
    cleared_at: datetime | None = None
    cleared: dict[str, Any] | None = None


class StepRecord(msgspec.Struct, frozen=True):
    """How far a step is; `work_seconds` leaves out what was waited for people."""

    step: str
    title: str
    state: str
    done: int
    total: int
    work_seconds: float
    detail: dict[str, Any] | None
    changed_at: datetime


class Record:
    """The record of one move's down time, over the procedure's own connection."""

    def __init__(self, connection: psycopg.Connection[TupleRow], *, move_id: int, move: str) -> None:
        """Take the connection."""
        self._connection, self._move_id, self._move = connection, move_id, move

    def _run(self, statement: str, /, **values: Any) -> psycopg.Cursor[TupleRow]:
        return self._connection.execute(_STATEMENTS[statement], {"move_id": self._move_id, **values})

    def last(self) -> Attempt | None:
        """Give the last attempt, if there was one."""
        row = self._run("current").fetchone()
        return Attempt(*row) if row else None

    def current(self) -> Attempt:
        """Give the last attempt. Raises NotStarted."""
        last = self.last()
        if last is None:
            raise NotStarted(move=self._move)
        return last

    def begin(self, *, steps: list[tuple[str, str]], waived: dict[str, str], gos: dict[str, str], **facts: Any) -> int:
        """Write down a new attempt with its steps (name, title); give its number."""
        given = {role: {"name": name, "at": "beforehand", "who": facts["who"]} for role, name in gos.items()}
        with self._connection.transaction():
            row = self._run("begin", waived=json.dumps(waived), gos=json.dumps(given), **facts).fetchone()
            attempt = int(row[0]) if row else 0
            for ordinal, (step, title) in enumerate(steps, start=1):
                self._run("add_step", attempt=attempt, ordinal=ordinal, step=step, title=title)
        return attempt

    def lock_move(self) -> None:
        """Let nobody else begin an attempt of this move, or clean it, until the caller's transaction ends.

        Whoever locks the attempt as well locks that first. Raises TakenAway.
        """
        (state,) = self._run("lock_move").fetchone() or ("",)
        if state in _INSTEAD:
            raise TakenAway(move=self._move, state=state, instead=_INSTEAD[state].format(move=self._move))

    def require_alone(self, organization: str) -> None:
        """Refuse while another move of an organization is under way; none begins until the caller's transaction ends.

        Raises AnotherUnderWay.
        """
        self._run("lock_organization", organization=organization)
        row = self._run("under_way", organization=organization).fetchone()
        if row is not None:
            raise AnotherUnderWay(organization=organization, other=row[0], state=row[1])

    def stopped(self) -> bool:
        """Tell whether none of the four processes is wanted."""
        return self._run("stopped").fetchone() == (True,)

    def steps(self) -> list[StepRecord]:
        """Give the steps of the last attempt, in order."""
        return [StepRecord(*row) for row in self._run("steps", attempt=self.current().attempt)]

    def waits_for(self) -> str | None:
        """Give what the procedure waits for outside of a step: a database, or another owner; None for nothing."""
        row = self._run("waits_for").fetchone()
        return row[0] if row else None

    def set_step(
        self, step: str, *, state: str, done: int = 0, total: int = 0, seconds: float = 0.0, detail: Any = None
    ) -> None:
        """Note how far a step is, and the seconds of work that it took since the last note."""
        encoded = None if detail is None else msgspec.json.encode(detail).decode()
        self._run("set_step", attempt=self.current().attempt, step=step, state=state, done=done, total=total,
                  seconds=seconds, detail=encoded)  # fmt: skip

    def void(self) -> None:
        """Have everything from the barrier on be done again."""
        self._run("void_steps", attempt=self.current().attempt)

    def lock_attempt(self) -> None:
        """Let the last attempt, if there is one, stay as it is until the caller's transaction ends."""
        self._run("state_for_update")

    def lock(self) -> State:
        """Give the state of the last attempt, which stays as it is until the caller's transaction ends."""
        row = self._run("state_for_update").fetchone()
        if row is None:
            raise NotStarted(move=self._move)
        return State(row[1])

    def happen(self, event: Event, *, error: str | None = None) -> State:
        """Let an event happen to the last attempt; give the state after it. Raises NotStarted, IllegalAttemptEvent.

        The attempt's row is locked meanwhile: of two events that come at once the second one finds the first one done.
        """
        with self._connection.transaction():
            row = self._run("state_for_update").fetchone()
            if row is None:
                raise NotStarted(move=self._move)
            then = after(move=self._move, state=State(row[1]), event=event)
            self._run("set_state", attempt=row[0], state=then, error=error)
        return then

    def rest(self) -> bool:
        """Say that the procedure is not wanted, unless it has something to do or was just told to; tell which."""
        return self._run("rest", attempt=self.current().attempt).rowcount == 1

    def set_final(self, batch: int, *, verification: Any) -> None:
        """Note the barrier's batch and what was verified at it."""
        encoded = msgspec.json.encode(verification).decode()
        self._run("set_final", attempt=self.current().attempt, batch=batch, verification=encoded)

    def add_go(self, *, role: str, name: str, who: str, checksum: str) -> None:
        """Keep a go by name, with who gave it and the checksum of the totals that it signs ('': there were none)."""
        self._run("add_go", attempt=self.current().attempt, role=role, name=name, who=who, checksum=checksum)

    def void_go(self, *, role: str) -> None:
        """Mark a go that stands no longer."""
        self._run("void_go", attempt=self.current().attempt, role=role)

    def moved(self) -> int:
        """Give the number of objects applied to the target after Start."""
        row = self._run("moved", first=self.current().first_batch).fetchone()
        return int(row[0]) if row else 0
