"""A target that is open, and that no user has written yet, is closed again, so that the down time is still given up.

Whether a user has written is judged at the target, under the lock that every writer of the property shares, and in the
transaction that closes it. What is *withdrawing* is so until that is judged; then it is *abandoning*, or *open* again.
The events:

1. A user writes at this very moment: who has the lock first is first. A write that is not committed counts as well:
   the lock does not come, and the target stays open.
2. Killed after the target was closed and before that is written down: *withdrawing* was written down before. Any worker
   looks again, finds the target prepared, and goes on. Where a user has written all the same, somebody else closed it:
   it is opened again, for what he wrote is nowhere else.
3. Somebody who is held up closes the target of a later attempt: he names the epoch that he read before he looked at the
   attempt.
4. Two judge it at once, and a user who is in the way of the first one is gone when the second one looks: the first one
   has said that it stays open, and the second one closes it, so that nobody can write and nobody notices. One judges
   after the other, under the attempt's lock. Who has lost that lock with its connection, and does not know it, is
   overtaken at the target: the epoch rises there before it is written down that it stays open. (A user's transaction
   with an old snapshot has to be repeated then, as after any change of the guard's state.)
5. The target cannot be reached: nobody knows whether a user has written there. It is tried again until it is judged.
6. The property is taken back at this moment: that asks for an attempt that is open, and locks its row, as this does.
7. What is miscellaneous comes at this moment, or has come: it is no user's write. Whoever carries it is cut off when
   withdrawing is decided, and what came is cleared away with the rest (`abandon`).

What users write into tables that properties share is guarded nowhere, and counts nowhere as a write of the property.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from slacktide.control.audit import record_audit
from slacktide.control.organization import set_side
from slacktide.core.duration import format_instant
from slacktide.core.errors import InputError
from slacktide.cutover.attempt import Event, State
from slacktide.cutover.record import Record
from slacktide.guard import closing
from slacktide.guard.holders import holders
from slacktide.guard.state import State as Guarded
from slacktide.guard.written import first_write
from slacktide.postgres import sql
from slacktide.postgres.connection import connect
from slacktide.transfer import clearing
from slacktide.transfer.journal import DOWN_TIME, Journal
from slacktide.transfer.move import TAKEN_BACK, back_of

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.cutover.record import Attempt
    from slacktide.transfer.move import Move

    _Connection = psycopg.Connection[TupleRow]

_STATEMENTS = sql.load(__package__, "withdraw.sql")
_TIMEOUT_SECONDS = 3
_TRIES = 5  # of 0.3 s each


class TooLate(InputError):
    """The down time of {move} cannot be abandoned: {reason}. The way back is `slacktide move downtime fallback {move}`."""  # noqa: E501 -- the message is one sentence


def require_possible(control: _Connection, *, move: Move, state: State) -> None:
    """See that it is open and nothing but a user's write stands in the way. Raises TooLate, TakenAway."""
    back = back_of(control, move=move)
    reason = ""
    if state is State.OPENING:
        reason = "the target is being opened at this moment"
    elif move.back_of is not None:
        reason = "it was a way back, and is open"
    elif back is not None and back.state != TAKEN_BACK:
        reason = f"it is being taken back, by {back.name}"
    if reason:
        raise TooLate(move=move.name, reason=reason)
    Record(control, move_id=move.move_id, move=move.name).lock_move()


def withdraw(control: _Connection, *, move: Move) -> None:
    """Judge what is withdrawing: close the target for its abandoning, or leave it open.

    Anybody may do so, at any time; where nothing is withdrawing, nothing is done.

    Raises TooLate, Unreachable, Overtaken.
    """
    record = Record(control, move_id=move.move_id, move=move.name)
    if record.current().state != State.WITHDRAWING:
        return  # the target may be out of reach, and nobody needs it for anything else
    with connect(move.target, name=f"{move.name} withdraw", timeout_seconds=_TIMEOUT_SECONDS) as target:
        seen = closing.state(target, organization=move.target_property)
        with control.transaction():
            if record.lock() is not State.WITHDRAWING:  # looked at after the epoch was read, and stays so
                return
            close = _CLOSE.get(seen.state, _gone_on)
            reason = close(target, move, record.current(), seen)
            _note(control, move, record, reason=reason)
    if reason:
        raise TooLate(move=move.name, reason=reason)


def require_withdrawn(control: _Connection, *, move: Move) -> None:
    """See that it is not open again, whoever judged it. Raises TooLate with what stood in the way."""
    if Record(control, move_id=move.move_id, move=move.name).current().state == State.OPEN:
        row = control.execute(_STATEMENTS["because"], {"move": move.name}).fetchone()
        raise TooLate(move=move.name, reason=row[0] if row else "it is open")


def _close(target: _Connection, move: Move, attempt: Attempt, seen: closing.Closing) -> str:
    """Close the target if no user has written there; else say who has. Raises Overtaken."""
    organization, why, epoch = move.target_property, attempt.abandoned_reason or "", seen.epoch
    clearing.end_connections(target, move=move.name, doing=("process", "down time"))
    written = ""
    for _ in range(_TRIES):
        if closing.try_withdraw(target, organization=organization, reason=why, epoch=epoch):
            return ""
        if written := _written(target, organization):
            break
    closing.overtake(target, organization=organization, epoch=epoch)
    writing = ", ".join(f"{holder.user}, {holder.id}" for holder in holders(target, organization=organization))
    return written or f"somebody writes at the target at this moment ({writing or 'it has just ended'})"


def _reopen_written(target: _Connection, move: Move, attempt: Attempt, seen: closing.Closing) -> str:
    """Open the target again if a user wrote there before it was closed, and say who; else it was closed for us."""
    written = _written(target, move.target_property)
    if written:
        why = attempt.abandoned_reason or ""
        closing.release(target, organization=move.target_property, reason=why, epoch=seen.epoch)  # his note stays
    return written


def _gone_on(_target: _Connection, _move: Move, _attempt: Attempt, seen: closing.Closing) -> str:
    """Say that the property is not open there any more: another move, or a downtime, has closed it."""
    where = f", and lives at {seen.lives_at}" if seen.lives_at else ""
    return f"it is {seen.state} at the target{where}"


def _written(target: _Connection, organization: str) -> str:
    found = first_write(target, organization=organization)
    return f"{found.login} wrote {found.relation} at the target at {format_instant(found.at)}" if found else ""


_CLOSE = {Guarded.OPEN: _close, Guarded.PREPARED: _reopen_written}


def _note(control: _Connection, move: Move, record: Record, *, reason: str) -> None:
    attempt = record.current()
    who, why = attempt.abandoned_by or "", attempt.abandoned_reason or ""
    if reason:
        control.execute(_STATEMENTS["kept"], {"move_id": move.move_id, "attempt": attempt.attempt})
        record.happen(Event.KEEP)
        record_audit(control, who=who, what="move downtime abandon refused", object=move.name,
                     after={"because": reason}, reason=why)  # fmt: skip
        return
    set_side(control, organization=move.organization, side="target", state="closed", who=who, reason=why)
    record.happen(Event.ABANDON)
    Journal(control, move_id=move.move_id).want(DOWN_TIME, running=True)
