"""Abandoning a down time: the source opens at once, then the target is cleared, and a second try can begin.

The order is: decide, open the source, end the downtime, clear the target, forget what was carried. Once it is decided
(the attempt's row, see `attempt`), nothing can open the target any more; so the source need not wait for the target,
which stays closed for all but the mover. One that is open already is closed again first, if no user has written there
(`withdraw`). The events:

1. A step runs in another worker: its connection to the control database is ended, so that it can note and decide
   nothing more. What it still does at the source fails by the epoch, which it read before it looked whether it may go
   on, and which the opening raises (`guard.closing`); a lock that it holds there goes with its connection. What it
   still does at the target is ended, and fails by the incarnation.
2. The hand over commits at this very moment: who has the attempt's row first is first. If that is the hand over,
   abandoning is refused; else the target is never opened, even where the source is reference only already.
3. Two abandon at once: the second one finds it decided; each step can be done twice.
4. Whoever abandons is killed: what is decided is taken up, the source by any worker within a second or two, whoever
   still does a step elsewhere (`open_sources`), the target by the procedure.
5. Such a worker is held up until a second try has closed the source again: it finds another epoch, and opens nothing.
6. The source cannot be reached: it is tried again until it is open.
7. The target cannot be reached: the source is open all the same; clearing is tried again until it is done, and shown.
8. The downtime given at Start has ended by itself, or another one is in effect: the answer names what keeps it down.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
from typing import TYPE_CHECKING, Any

import msgspec

from slacktide.control import downtime as control_downtime
from slacktide.control.audit import record_audit, require_reason
from slacktide.control.organization import list_sides, set_side
from slacktide.control.schedule import still_down
from slacktide.cutover import verifying, withdraw
from slacktide.cutover.attempt import Event, State
from slacktide.cutover.kind import find
from slacktide.cutover.record import Record
from slacktide.guard import closing
from slacktide.guard.state import State as Guarded
from slacktide.postgres import sql
from slacktide.postgres.connection import connect
from slacktide.transfer import clearing, preparation, prepare
from slacktide.transfer.journal import DOWN_TIME, LOCK_CLASS, Journal
from slacktide.transfer.move import load_move

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.cutover.bulkhead import Bulkhead
    from slacktide.cutover.record import Attempt
    from slacktide.transfer.move import Move

    _Connection = psycopg.Connection[TupleRow]

_STATEMENTS = sql.load(__package__, "abandon.sql")
_TIMEOUT_SECONDS = 3
_OPENED = (State.OPENING, State.OPEN, State.WITHDRAWING)


def describe(move: Move, attempt: Attempt) -> list[str]:
    """Say what will be done, a line each, in order."""
    still = (
        "target: closed again if no user has written there since it was opened; else it stays open, and all as it is"
    )
    return [
        *([still] if attempt.state == State.OPEN else []),
        f"source: {move.organization} is opened at once",
        f"the downtime {attempt.downtime_id} is ended; what else keeps {move.organization} down stays",
        f"target: every row of {move.target_property} that this move wrote goes, configuration too; it stays closed"
        if move.back_of is None
        else f"target: the rows of {move.target_property} stay, and are reference only again",
        "source: the replication slot is dropped; publication and guard stay for a second try",
        "control: the journal is forgotten, and the move begins again at task 3; conversions stay",
    ]


def decide(control: _Connection, *, move: Move, who: str, reason: str) -> bool:
    """Decide that the down time is abandoned, durably; tell whether it was this call that did.

    From here on every worker carries it on; whoever still did a step is cut off from the control database.

    Raises TooLate, TakenAway, NotStarted, ReasonMissing.
    """
    require_reason(reason, what=f"slacktide move downtime abandon {move.name} --yes {move.organization}")
    record = Record(control, move_id=move.move_id, move=move.name)
    with control.transaction():
        before = record.lock()
        if before in _OPENED:
            record.require_alone(move.organization)
            withdraw.require_possible(control, move=move, state=before)
        record.happen(Event.WITHDRAW if before in _OPENED else Event.ABANDON)
        if before is State.ABANDONED:
            return False
        facts = {"move_id": move.move_id, "attempt": record.current().attempt, "who": who, "reason": reason}
        control.execute(_STATEMENTS["decided"], facts)
        after = record.current().state
        if after == State.ABANDONING:
            Journal(control, move_id=move.move_id).want(DOWN_TIME, running=True)
        record_audit(control, who=who, what="move downtime abandon", object=move.name, before={"state": before},
                     after={"state": after}, reason=reason)  # fmt: skip
    if before != after:
        control.execute(_STATEMENTS["end_owners"], {"class": LOCK_CLASS, "move_id": move.move_id})
    return before != after


# -- the source --------------------------------------------------------------------------------------------------------


def open_source(control: _Connection, *, move: Move) -> bool:
    """Open the source, if the down time is being abandoned, and end the downtime; tell whether it is.

    Anybody may do so, at any time. Raises TooLate, Unreachable, Overtaken.
    """
    withdraw.withdraw(control, move=move)
    record = Record(control, move_id=move.move_id, move=move.name)
    with connect(move.source, name=f"{move.name} abandon", timeout_seconds=_TIMEOUT_SECONDS) as source:
        closing.register(source, organization=move.property_code)
        seen = closing.state(source, organization=move.property_code)
        attempt = record.current()  # after the epoch was read
        if attempt.state != State.ABANDONING:
            return False
        clearing.end_connections(source, move=move.name, doing=("down time",))
        lift = closing.release if seen.state is Guarded.REFERENCE_ONLY else closing.reopen
        lift(source, organization=move.property_code, reason=attempt.abandoned_reason or "", epoch=seen.epoch)
    with control.transaction():
        if record.lock() is not State.ABANDONING:
            return False
        _note_open(control, move, attempt)
    return True


def _note_open(control: _Connection, move: Move, attempt: Attempt) -> None:
    """Note that the source is open, and end the downtime given at Start, once."""
    facts = {"who": attempt.abandoned_by or "", "reason": attempt.abandoned_reason or ""}
    sides = list_sides(control, organization=move.organization)
    if any(side.side == "source" and side.state != "open" for side in sides):
        set_side(control, organization=move.organization, side="source", state="open", **facts)
    if attempt.source_opened_at is None:
        _end_downtime(control, attempt, **facts)
    still = still_down(control, organization=move.organization)
    encoded = msgspec.json.encode(still).decode()
    control.execute(_STATEMENTS["source_opened"],
                    {"move_id": move.move_id, "attempt": attempt.attempt, "still_down": encoded})  # fmt: skip


def _end_downtime(control: _Connection, attempt: Attempt, *, who: str, reason: str) -> None:
    setting = control_downtime.downtime_of(control, id=attempt.downtime_id)
    if any(one.id == setting.id for one in _in_effect(control, setting.organization)):
        control_downtime.end_downtime(control, id=attempt.downtime_id, who=who, reason=reason)


def _in_effect(control: _Connection, organization: str | None) -> list[Any]:
    return [] if organization is None else control_downtime.downtimes_in_effect(control, organization=organization)


def open_sources(control: _Connection, *, bulkhead: Bulkhead) -> list[str]:
    """Open every source whose down time was abandoned and that is not open yet; name those that are now."""
    opened: list[str] = []
    for (name,) in control.execute(_STATEMENTS["unopened"]).fetchall():
        with bulkhead.around(name, control=control), contextlib.suppress(closing.Overtaken, withdraw.TooLate):
            opened += [name] if open_source(control, move=load_move(control, name=name)) else []
    return opened


# -- the target --------------------------------------------------------------------------------------------------------


def carry_on(control: _Connection, *, move: Move) -> None:
    """Do what is left of an abandoned down time, as the owner of the procedure, to its end.

    Raises TargetNotCleared, and what passes by itself.
    """
    if not open_source(control, move=move):
        return
    record = Record(control, move_id=move.move_id, move=move.name)
    attempt = record.current().attempt
    cleared = _clear_target(control, move)
    if any(cleared.rows.values()):
        _note(control, move, attempt, _shown(cleared))
    with connect(move.source, name=f"{move.name} abandon") as source:
        prepare.drop_slots(source, move=move.name, known=move.slots)
    for folder in (move.source_spool, move.target_spool):
        shutil.rmtree(folder, ignore_errors=True)
    with control.transaction():
        _begin_anew(control, move, cleared)
        control.execute(_STATEMENTS["cleared"], {"move_id": move.move_id, "attempt": attempt})
        record.happen(Event.CLEAR)
        record_audit(control, who=record.current().abandoned_by or "", what="move downtime abandoned", object=move.name,
                     after=_shown(cleared), reason=record.current().abandoned_reason or "")  # fmt: skip


def _clear_target(control: _Connection, move: Move) -> clearing.Cleared:
    """End whoever writes there for this move, and take everything away that it wrote."""
    kind = find(move.plan.kind)
    tested = verifying.current(control, move=move)

    def derived(target: _Connection) -> int:
        return kind.clear(target, property_code=move.target_property) if kind else 0

    with connect(move.target, name=f"{move.name} abandon", timeout_seconds=_TIMEOUT_SECONDS) as target:
        clearing.end_connections(target, move=move.name, doing=("process", "down time", "abandon"))
        if move.back_of is not None:  # what is there was there before
            cleared = clearing.pass_by(target, move=move)
            preparation.set_aside(target, move=move)
            return cleared
        if tested:
            verifying.end_for_abandon(control, target, move=move, who=tested.who)
        seen = closing.state(target, organization=move.target_property)
        attempt = Record(control, move_id=move.move_id, move=move.name).current()  # after the epoch was read
        if attempt.state != State.ABANDONING:
            raise closing.Overtaken(organization=move.target_property)
        came = move.late if attempt.opened_at is not None else move  # what is miscellaneous comes after the opening
        return clearing.clear(target, move=came, derived=derived, epoch=seen.epoch, testers=tested is not None)


def _begin_anew(control: _Connection, move: Move, cleared: clearing.Cleared) -> None:
    """Forget what was carried: a second try makes a new slot and a new pass, numbered behind what the target has."""
    journal = Journal(control, move_id=move.move_id)
    slot = f"slacktide_{prepare.slot_stem(move.name)}_{secrets.token_hex(4)}"
    floor = max(cleared.number, journal.last_batch())
    journal.begin_incarnation(slot=slot, behind=cleared.incarnation, floor=floor)
    control.execute(_STATEMENTS["forget_carried"], {"move_id": move.move_id})
    control.execute(_STATEMENTS["anew"], {"move_id": move.move_id})


def _shown(cleared: clearing.Cleared) -> dict[str, Any]:
    return {
        "rows": sum(cleared.rows.values()),
        "derived": cleared.derived,
        "kept": cleared.kept,
        "configuration": cleared.configuration,
    }


def note_waiting(control: _Connection, *, move: Move, waits_for: str) -> None:
    """Note what clearing waits for, for whoever watches."""
    attempt = Record(control, move_id=move.move_id, move=move.name).current().attempt
    _note(control, move, attempt, {"waits_for": waits_for})


def _note(control: _Connection, move: Move, attempt: int, found: dict[str, Any]) -> None:
    encoded = msgspec.json.encode(found).decode()
    control.execute(_STATEMENTS["noted"], {"move_id": move.move_id, "attempt": attempt, "cleared": encoded})
