"""Waves: moves that go down together, each in its own window; and the board that shows them.

A wave is rows in the control database. It has no engine: workers look at each of its moves in turn and do the next
thing that an operator would do by a command (`wave_move`). Whatever an operator does by hand meanwhile stands.
"""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from slacktide.control.audit import record_audit
from slacktide.control.downtime import Wish, schedule_downtime
from slacktide.core.errors import InputError, UsageError
from slacktide.cutover import prediction, result
from slacktide.cutover.record import Record
from slacktide.postgres import sql
from slacktide.transfer import panel
from slacktide.transfer.journal import Journal
from slacktide.transfer.move import load_move

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.cutover.record import Attempt
    from slacktide.transfer.move import Move

    _Connection = psycopg.Connection[TupleRow]

STATEMENTS = sql.load(__package__, "wave.sql")


class UnknownWave(UsageError):
    """There is no wave {name!r}: `slacktide wave list` shows those that there are."""


class WaveExists(UsageError):
    """There is a wave {name!r} already: choose another name, as in `slacktide wave create {name}-2 --move {move}`."""


class InAnotherWave(InputError):
    """The move {move} is in the wave {wave} already: `slacktide wave show {wave}`."""


class WaveStopped(InputError):
    """The wave {wave} was stopped, and nothing more begins in it: go on with `slacktide wave start {wave}`."""


class Wave(msgspec.Struct, frozen=True):
    """A wave: who made it, and who started it with which gos and waivers; `started_by` is null while it is not."""

    name: str
    who: str
    reason: str
    started_by: str | None
    started_reason: str | None
    started_at: datetime | None
    business_date: date | None
    waived: dict[str, str]
    gos: dict[str, str]


class Member(msgspec.Struct, frozen=True):
    """A move as its wave has it: whether its processes were wanted, its window, for what it waits, what stops it.

    `halted` are the processes that the wave stopped for the window.
    """

    move_id: int
    move: str
    wave: str
    begun: bool
    downtime_id: str | None
    note: str | None
    error: str | None
    stopped: bool
    halted: list[str]


class Line(msgspec.Struct, frozen=True):
    """One move on the board: what it does, for what it waits or why it stopped, and the command that goes on."""

    move: str
    property: str
    task: int
    state: str
    steady: bool
    step: str | None
    down_seconds: float | None
    predicted_seconds: float | None
    error: str | None
    next: str | None


def create(control: _Connection, *, name: str, moves: dict[str, Wish | None], who: str, reason: str) -> list[str]:
    """Write down a wave of moves; a move with a window gets a downtime of its property, users out. All or nothing.

    Give the downtimes' IDs. Raises WaveExists, InAnotherWave, UnknownMove, and what scheduling refuses.
    """
    with control.transaction():
        if _one(control, "create", name=name, who=who, reason=reason) is None:
            raise WaveExists(name=name, move=next(iter(moves)))
        windows = {move: _add(control, name, move, window, who, reason) for move, window in moves.items()}
        record_audit(control, who=who, what="wave create", object=f"wave {name}", after=windows, reason=reason)
    return [window for window in windows.values() if window is not None]


def _add(control: _Connection, name: str, move_name: str, window: Wish | None, who: str, reason: str) -> str | None:
    move = load_move(control, name=move_name)
    downtime = None
    if window is not None:
        answer = schedule_downtime(control, wish=window, organizations=[move.organization], who=who, reason=reason)
        downtime = str(answer.downtimes[0]["id"])
    if _one(control, "add", move_id=move.move_id, wave=name, downtime=downtime) is None:
        raise InAnotherWave(move=move_name, wave=_one(control, "wave_of", move_id=move.move_id))
    return downtime


def waves(control: _Connection) -> list[Wave]:
    """List all waves."""
    return [Wave(*row) for row in control.execute(STATEMENTS["waves"], {"name": None})]


def wave_of(control: _Connection, *, name: str) -> Wave:
    """Give one wave. Raises UnknownWave."""
    row = control.execute(STATEMENTS["waves"], {"name": name}).fetchone()
    if row is None:
        raise UnknownWave(name=name)
    return Wave(*row)


def moves_of(control: _Connection, *, name: str) -> list[Move]:
    """Give the moves of a wave. Raises UnknownWave."""
    return [load_move(control, name=member.move) for member in _members(control, wave_of(control, name=name))]


def _members(control: _Connection, wave: Wave) -> list[Member]:
    return [Member(*row) for row in control.execute(STATEMENTS["members"], {"wave": wave.name})]


def start(
    control: _Connection, *, name: str, waived: dict[str, str], gos: dict[str, str], business_date: date | None,
    who: str, reason: str,
) -> None:  # fmt: skip
    """Have workers see to every move of a wave, with these gos and waivers. Raises UnknownWave."""
    with control.transaction():
        wave_of(control, name=name)
        given: dict[str, Any] = {"waived": waived, "gos": gos, "business_date": business_date}
        encoded = {"waived": json.dumps(waived), "gos": json.dumps(gos), "business_date": business_date}
        control.execute(STATEMENTS["start"], encoded | {"name": name, "who": who, "reason": reason})
        record_audit(control, who=who, what="wave start", object=f"wave {name}", after=given, reason=reason)


def require_started(control: _Connection, *, name: str) -> None:
    """See that a wave is started, and stays so until the caller's transaction ends. Raises WaveStopped."""
    if _one(control, "still", name=name) is None:
        raise WaveStopped(wave=name)


def stop(control: _Connection, *, name: str, who: str, reason: str) -> None:
    """Have nothing more begin in a wave; what has begun goes on, and processes that it has stopped run again.

    Raises UnknownWave.
    """
    with control.transaction():
        found = wave_of(control, name=name)
        control.execute(STATEMENTS["stop"], {"name": name})
        for member in _members(control, found):
            go_on(control, member=member, who=who, reason=reason)
        record_audit(control, who=who, what="wave stop", object=f"wave {name}", reason=reason)


def go_on(control: _Connection, *, member: Member, who: str, reason: str) -> None:
    """Have the processes run again that a wave has stopped for a window, unless the down time has begun."""
    if not member.halted:
        return
    with control.transaction():
        Record(control, move_id=member.move_id, move=member.move).lock_move()
        halted = _one(control, "go_on", move_id=member.move_id)
        if halted is None:
            return
        for process in halted:
            Journal(control, move_id=member.move_id).want(process, running=True)
        record_audit(control, who=who, what="move processes start", object=member.move,
                     after={"processes": halted, "wave": member.wave}, reason=reason)  # fmt: skip


# -- the board ---------------------------------------------------------------------------------------------------------


def board(control: _Connection, *, name: str) -> list[Line]:
    """Look at every move of a wave. Raises UnknownWave."""
    wave = wave_of(control, name=name)
    return [_line(control, wave, member) for member in _members(control, wave)]


def _line(control: _Connection, wave: Wave, member: Member) -> Line:
    move = load_move(control, name=member.move)
    status = panel.status(control, move=move)
    record = Record(control, move_id=move.move_id, move=move.name)
    attempt = record.last()
    predicted = (
        prediction.predict(control, move=move)
        if attempt is None
        else prediction.bound(control, move=move, attempt=attempt.attempt)
    )
    facts: dict[str, Any] = {"move": move.name, "property": move.organization, "task": move.task,
                             "steady": status.steady,
                             "predicted_seconds": predicted and predicted.elapsed_seconds}  # fmt: skip
    if attempt is None:
        state, follows = _before(wave, member, status)
        return Line(**facts, state=state, step=None, down_seconds=None, error=member.error, next=follows)
    steps = [step.title for step in record.steps() if step.state in ("running", "failed", "waiting")]
    return Line(
        **facts, state=attempt.state, step=steps[0] if steps else None, error=attempt.error,
        down_seconds=result.of(control, move=move)["down_seconds"], next=_next(move, attempt),
    )  # fmt: skip


def _before(wave: Wave, member: Member, status: panel.MoveStatus) -> tuple[str, str]:
    """Say what a move does before its down time is started, and the command that goes on or shows more."""
    if member.stopped or wave.started_by is None:
        return "stopped" if member.stopped else "not started", f"slacktide wave start {wave.name}"
    if member.error:
        return "cannot start", f"slacktide move downtime check {member.move}"
    if member.begun and any(one.waits_for == "a worker" for one in status.processes.values()):
        return "waits for a free place on a worker", "slacktide worker"
    return member.note or "looked at soon", f"slacktide move status {member.move}"


def _next(move: Move, attempt: Attempt) -> str | None:
    roles = [role for role in move.plan.roles if role not in attempt.gos]
    return {
        "paused": f"slacktide move downtime resume {move.name}",
        "failed": f"slacktide move downtime resume {move.name}",
        "ready": f"slacktide move go {move.name} --role {roles[0] if roles else 'ROLE'} --name NAME",
        "open": f"slacktide move clean {move.name}",
        "abandoned": f"slacktide move status {move.name}",
    }.get(attempt.state)


def _one(control: _Connection, statement: str, **facts: Any) -> Any:
    row = control.execute(STATEMENTS[statement], facts).fetchone()
    return row[0] if row else None
