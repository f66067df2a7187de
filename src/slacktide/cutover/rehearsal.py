"""Rehearsal: the whole down time into a shadow target while the property trades, and what it measured.

A rehearsal is a move of its own, under a name that nobody can give (`~NAME`), with its own slot, journal, spool and key
map. Workers run its four processes and its procedure as they do for any move, so that what is measured is what will be.
At the source it uses the publication and the identities of the move, and adds one slot. The events:

1. The command is interrupted, or killed: it holds a lock on the hidden move. Whoever finds the move without that lock
   clears it away: the next who rehearses, or any worker (`sweep`). Then its slot is gone, and the source keeps no log.
2. A process of it makes its slot at the moment in which the slot is dropped: the processes are stopped first, and
   waited for; only one that does not end is cut off, and then the slots are dropped twice.
3. It is cleared away by two at once: only who has the lock does it; each step can be done twice.
4. The down time of the move itself begins: the rehearsal gives way.
5. The move's own processes, which stand still in the night, would slow the steps down: they are held meanwhile, for two
   seconds from each look on, so that they go on by themselves when the command is killed.
6. An object cannot be moved, or differs: the rehearsal stops there and says so, as the night would have.
7. The source is lost meanwhile: what is left there is dropped when it is back, by a worker.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg

from slacktide.control.audit import record_audit
from slacktide.core import clock
from slacktide.core.errors import InputError, OutsideError, SlacktideError
from slacktide.cutover import prediction, shadow
from slacktide.cutover.attempt import OVER, WORKING, Event, IllegalAttemptEvent, State
from slacktide.cutover.prediction import GROWING, Measured
from slacktide.cutover.record import NotStarted, Record, StepRecord
from slacktide.cutover.rehearsal_step import REOPEN, steps_for
from slacktide.postgres import sql
from slacktide.postgres.connection import connect, shown
from slacktide.transfer import clearing, configuration, panel, prepare
from slacktide.transfer.ahead import FACT as VERIFIED
from slacktide.transfer.ahead import business_date
from slacktide.transfer.journal import DOWN_TIME, LOCK_CLASS, PROCESSES, Journal, NotPrepared
from slacktide.transfer.move import Move, load_move
from slacktide.transfer.preparation import both, require_property

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg.rows import TupleRow

    from slacktide.cutover.bulkhead import Bulkhead
    from slacktide.cutover.record import Attempt

    _Connection = psycopg.Connection[TupleRow]
    Say = Callable[[str, str, str, int, int], None]
    """Is told of a step: its name, its title, its state, how much of how much is done."""

_STATEMENTS = sql.load(__package__, "rehearsal.sql")
_ORDINAL = 5  # of its lock, behind those of the five processes
_LOOK_SECONDS = 0.1
_END_SECONDS = 20.0
_GAP_SECONDS = 3.0
_HOLD_SECONDS = 2.0
_SHARE = {"class": LOCK_CLASS, "ordinal": _ORDINAL}


class RehearsalRuns(InputError):
    """A rehearsal of {move} is under way, or is being cleared away: see `slacktide move rehearse {move} --list`."""


class RehearsalStopped(OutsideError):
    """The rehearsal of {move} stopped at {step}: {reason}. Nothing of it is left; mend that, then `slacktide move rehearse {move}`."""  # noqa: E501 -- the message is one text


class DownTimeFirst(InputError):
    """The down time of {move} is {state}, and a rehearsal gives way to it: see `slacktide move status {move}`."""


class Rehearsal:
    """One rehearsal, from its beginning until nothing is left of it but what it measured."""

    def __init__(self, control: _Connection, *, move: Move, who: str, reason: str, say: Say) -> None:
        """Take the move that is rehearsed."""
        self._control, self._move, self._who, self._reason, self._say = control, move, who, reason, say
        self._standing = False  # the move's own processes, while the steps are done

    def run(self, *, target: str | None) -> Measured:
        """Rehearse into a shadow at `target`, or into one that is made; give what was measured.

        Raises NotPrepared, DownTimeFirst, RehearsalRuns, NoShadow, ShadowIsReal, RehearsalStopped, and what the gates
        of the first tasks raise.
        """
        self._require_possible(target)
        self._begin(target)
        try:
            self._set_up()
            self._copy()
            measured = self._down_time()
            measured.target_clear_seconds = self._clear()
        except BaseException as error:
            self._note_failed(error)
            raise
        else:
            self._note_done(measured)
            return measured
        finally:
            clear_away(self._control, shadow_id=self._id, move=self._move.name)

    # -- the beginning ------------------------------------------------------------------------------------------------

    def _require_possible(self, target: str | None) -> None:
        if "prepared" not in self._move.facts:
            raise NotPrepared(move=self._move.name)
        self._give_way()
        for _, shadow_id, name in left(self._control, move=self._move.name):
            if not clear_away(self._control, shadow_id=shadow_id, move=name):
                raise RehearsalRuns(move=name)
        if target is None:
            shadow.require_kind(self._move)
        else:
            shadow.require_other(target, move=self._move)

    def _begin(self, target: str | None) -> None:
        """Write it down, with the name of what will be made, before anything is made."""
        move, made = self._move, None if target else f"slacktide_rehearsal_{secrets.token_hex(4)}"
        address = target or shadow.address_beside(move, database=made or "")
        facts = {"shadow": {"made": made, "guarded": bool(target) and shadow.is_guarded(address)}}
        given = {"move_id": move.move_id, "shadow": address, "facts": msgspec.json.encode(facts).decode()}
        with self._control.transaction():
            self._id = self._one("begin", **given)
            self._one("own", shadow_id=self._id, **_SHARE)
            self._run("convert", move_id=move.move_id, shadow_id=self._id)
            by = {"who": self._who, "reason": self._reason, "plan_checksum": move.plan.checksum}
            self._number = self._one("note_begun", move_id=move.move_id, shadow=shown(address), **by)
            record_audit(self._control, who=self._who, what="move rehearse", object=move.name,
                         after={"rehearsal": self._number, "shadow": shown(address)}, reason=self._reason)  # fmt: skip
        self._shadow, self._made = load_move(self._control, name=f"~{move.name}"), made

    def _set_up(self) -> None:
        """Make the shadow, ask the gates of the first tasks, copy the configuration, make the shadow the mover's."""
        self._say("shadow", "Make the shadow", "running", 0, 1)
        if self._made:
            shadow.make(self._move, database=self._made)
        try:
            with both(self._shadow, what="rehearsal") as (source, target):
                require_property(self._control, source, target, move=self._shadow)
                self._today = business_date(source, self._move.plan.property, property_code=self._move.property_code)
            configuration.configure(self._control, move=self._shadow)
            shadow.prepare_for(self._shadow)
        except SlacktideError as error:  # it names the shadow's move, of which nobody knows
            self._stop("making the shadow", str(error))
        self._say("shadow", "Make the shadow", "done", 1, 1)

    # -- the way to the down time -------------------------------------------------------------------------------------

    def _copy(self) -> None:
        """Have the four processes copy the property until it is steady and verified; stop them as before a night."""
        journal = Journal(self._control, move_id=self._id)
        for process in PROCESSES:
            journal.want(process, running=True)
        self._until(self._copied)
        for process in PROCESSES:
            journal.want(process, running=False)
            self._until(partial(self._has_ended, process))
        self._standing = True
        begun = clock.monotonic_seconds()
        self._until(lambda: clock.monotonic_seconds() - begun > _GAP_SECONDS)  # so that there is something to bring

    def _copied(self) -> bool:
        status = self._status()
        arrived = status.messages["processed"]
        self._say("copy", "Copy the property", "running", arrived, arrived + status.pass_left)
        if status.errors:
            self._stop("copying", "; ".join(status.errors))
        if not status.steady:
            return False
        problems = [p for p in panel.problems(self._control, move=self._shadow) if p.state in ("failed", "waiting")]
        if problems:
            listed = "; ".join(f"{p.entity} {p.key} {p.state}: {p.reason}" for p in problems[:3])
            self._stop("copying", f"messages failed or wait ({len(problems)}): {listed}")
        verified = load_move(self._control, name=self._shadow.name).facts.get(VERIFIED)
        if verified and verified["different"]:
            self._stop("copying", f"{verified['different']} objects differ: {'; '.join(verified['differences'][:3])}")
        if verified:
            self._say("copy", "Copy the property", "done", arrived, arrived)
        return bool(verified)

    def _has_ended(self, process: str) -> bool:
        return self._status().processes[process].state in ("stopped", "failed")

    def _status(self) -> panel.MoveStatus:
        return panel.status(self._control, move=self._shadow)

    # -- the down time ------------------------------------------------------------------------------------------------

    def _down_time(self) -> Measured:
        """Have a worker do the steps, and measure them."""
        record = Record(self._control, move_id=self._id, move=self._shadow.name)
        record.begin(
            steps=[(step.name, step.title) for step in steps_for(self._shadow)], waived={}, gos={},
            downtime_id="rehearsal", business_date=self._today, open_by=None, who=self._who, reason=self._reason,
        )  # fmt: skip
        Journal(self._control, move_id=self._id).want(DOWN_TIME, running=True)
        self._until(lambda: self._stepped(record))
        self._standing = False
        self._run("hold", move_id=self._move.move_id, seconds=0.0)
        attempt = record.current()
        if attempt.state != State.OPEN or attempt.opened_at is None:
            step = next((s.title for s in record.steps() if s.state != "done"), "its end")
            self._stop(step, attempt.error or f"it is {attempt.state}")
        return _measured(attempt, record.steps())

    def _stepped(self, record: Record) -> bool:
        attempt = record.current()
        for step in record.steps():
            if step.state != "waiting":
                self._say(step.step, step.title, step.state, step.done, step.total)
        return State(attempt.state) not in WORKING or bool(attempt.error and attempt.state != State.RUNNING)

    # -- the end ------------------------------------------------------------------------------------------------------

    def _clear(self) -> float:
        """Clear the shadow as abandoning would, and give the seconds."""
        begun = clock.monotonic_seconds()
        self._say("clear", "Clear the shadow, as abandoning would", "running", 0, 1)
        shadow.clear(load_move(self._control, name=self._shadow.name))
        self._say("clear", "Clear the shadow, as abandoning would", "done", 1, 1)
        return clock.monotonic_seconds() - begun

    def _note_done(self, measured: Measured) -> None:
        before = prediction.last(self._control, move=self._move)
        would = before and before.measured and before.measured.predict(before, objects=measured.objects)
        with self._control.transaction():
            self._run("note_done", move_id=self._move.move_id, rehearsal=self._number,
                      measured=_json(measured), predicted=_json(would))  # fmt: skip
            record_audit(self._control, who=self._who, what="move rehearsed", object=self._move.name,
                         after={"rehearsal": self._number, "work_seconds": round(measured.work_seconds, 3)},
                         reason=self._reason)  # fmt: skip

    def _note_failed(self, error: BaseException) -> None:
        reason = str(error) if isinstance(error, SlacktideError | psycopg.Error) else "it was interrupted"
        with contextlib.suppress(psycopg.Error):
            note_failed(self._control, move_id=self._move.move_id, move=self._move.name, who=self._who, reason=reason)

    def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._give_way()
            if self._standing:
                self._run("hold", move_id=self._move.move_id, seconds=_HOLD_SECONDS)
            clock.sleep(_LOOK_SECONDS)

    def _give_way(self) -> None:
        last = Record(self._control, move_id=self._move.move_id, move=self._move.name).last()
        if last is not None and State(last.state) not in OVER:
            raise DownTimeFirst(move=self._move.name, state=last.state)

    def _stop(self, step: str, reason: str) -> None:
        said = reason.replace(self._shadow.name, self._move.name)
        raise RehearsalStopped(move=self._move.name, step=step, reason=said.rstrip("."))

    def _run(self, statement: str, /, **values: Any) -> psycopg.Cursor[TupleRow]:
        return self._control.execute(_STATEMENTS[statement], values)

    def _one(self, statement: str, /, **values: Any) -> int:
        row = self._run(statement, **values).fetchone()
        return int(row[0]) if row else 0


def _measured(attempt: Attempt, steps: list[StepRecord]) -> Measured:
    """Give what the steps took, and how long it took until the first one began."""
    work = {step.step: step.work_seconds for step in steps}
    details = {step.step: step.detail or {} for step in steps}
    first = min(steps, key=lambda step: step.changed_at)
    waited = (first.changed_at - attempt.started_at).total_seconds() - first.work_seconds
    return Measured(
        source_open_seconds=work.pop(REOPEN),
        steps=work,
        take_up_seconds=max(0.0, waited),
        objects=details[GROWING]["objects"],
        object_seconds=details[GROWING]["object_seconds"],
        whole_seconds=details[GROWING]["whole_seconds"],
    )


def _json(value: object) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


def note_failed(control: _Connection, *, move_id: int, move: str, who: str, reason: str) -> None:
    """Note why a rehearsal that was under way did not come to its end; nothing where none was."""
    with control.transaction():
        if control.execute(_STATEMENTS["note_failed"], {"move_id": move_id, "error": reason}).rowcount:
            record_audit(control, who=who, what="move rehearsal failed", object=move, after={"error": reason},
                         reason="")  # fmt: skip


# -- clearing away -----------------------------------------------------------------------------------------------------


def left(control: _Connection, *, move: str | None = None) -> list[tuple[str, int, str]]:
    """List the hidden moves that are there, of one move or of all: name, id, the name of the move itself."""
    return [(name, number, of) for name, number, of in control.execute(_STATEMENTS["left"], {"name": move})]


def sweep(control: _Connection, *, bulkhead: Bulkhead) -> list[str]:
    """Clear away the rehearsals whose command is gone; name their moves."""
    swept: list[str] = []
    for _, number, move in left(control):
        with bulkhead.around(move, control=control):
            swept += [move] if clear_away(control, shadow_id=number, move=move) else []
    return swept


def clear_away(control: _Connection, *, shadow_id: int, move: str) -> bool:
    """Take away all that a rehearsal left but what it measured; False where it is under way, or another one does it.

    Raises Unreachable; it can be done again.
    """
    facts = {"shadow_id": shadow_id, **_SHARE}
    if control.execute(_STATEMENTS["own"], facts).fetchone() != (True,):
        return False
    try:
        there = [name for name, number, _ in left(control, move=move) if number == shadow_id]
        if there:
            _take_away(control, load_move(control, name=there[0]))
    finally:
        while control.execute(_STATEMENTS["disown"], facts).fetchone() == (True,):
            pass  # it may have been taken twice
    return True


def _take_away(control: _Connection, hidden: Move) -> None:
    """Stop its processes; then source, shadow, spool, and the note of it: what is not noted any more is not there."""
    cut = _stop_processes(control, hidden)
    with connect(hidden.source, name=f"{hidden.name} clear") as source:
        if cut:
            clearing.end_connections(source, move=hidden.name, doing=(*PROCESSES, "slot", "position", DOWN_TIME))
            prepare.drop_slots(source, move=hidden.name, known=hidden.slots)
            clock.sleep(1.0)
        prepare.drop_slots(source, move=hidden.name, known=hidden.slots)
    facts = hidden.facts["shadow"]
    if facts["made"]:
        original = load_move(control, name=hidden.rehearses or "")
        shadow.drop(original.target, database=facts["made"])
    else:
        shadow.clear(hidden)
        shadow.clean(hidden, guarded_before=facts["guarded"])
    shutil.rmtree(hidden.spool, ignore_errors=True)
    original_id = load_move(control, name=hidden.rehearses or "").move_id
    note_failed(control, move_id=original_id, move=hidden.rehearses or "", who="cleared away", reason="it was killed")
    control.execute(_STATEMENTS["forget"], {"shadow_id": hidden.move_id})


def _stop_processes(control: _Connection, hidden: Move) -> bool:
    """Stop the processes of a rehearsal, and wait until nobody owns one; tell whether somebody had to be cut off."""
    facts = {"shadow_id": hidden.move_id, **_SHARE}
    control.execute(_STATEMENTS["stop"], facts)
    with contextlib.suppress(NotStarted, IllegalAttemptEvent):
        Record(control, move_id=hidden.move_id, move=hidden.name).happen(Event.PAUSE)  # so that it ends inside a step
    limit = clock.monotonic_seconds() + _END_SECONDS
    while control.execute(_STATEMENTS["owned"], facts).fetchone() != (0,):
        if clock.monotonic_seconds() > limit:
            control.execute(_STATEMENTS["end_owners"], facts)
            return True
        clock.sleep(_LOOK_SECONDS)
    return False
