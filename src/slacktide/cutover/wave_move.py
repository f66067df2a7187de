"""What a wave does for one of its moves: the next thing, whatever that is by now. Workers call it again and again.

The events:

1. Two workers look at one move: its lock decides, and dies with the connection of who had it.
2. A worker is killed in the middle: each thing can be done again, and the next worker begins where it was.
3. A move fails (an unmapped code, a process that ended): it stays stopped with its reason, until the wave is started
   again. No other move is asked.
4. A database hangs or is away: whoever looks at its move waits for it, and the other lookers go round. It is tried
   again, as is a window whose preconditions do not hold (a refused object).
5. Two moves are prepared on one source at once: their definitions would get into each other's way, so one at a time.
6. A source has no slot or connection left: the move waits, and says so, before anything is put there.
7. An operator starts, stops, or takes the down time into his own hands: the wave leaves every attempt alone.
8. The wave is stopped while a move is prepared, or while its preconditions are looked at: whatever begins something
   locks the wave's row first, and begins nothing where the wave is not started any more.
9. The window opens and a precondition does not hold: the processes go on, so that it can be mended; they are stopped
   only when everything else holds.
10. The processes are stopped, and then something does not hold any more, or the window ends, or the wave is stopped:
   those that the wave has stopped run again. Else the source would keep its log, and nobody would be told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

from slacktide.control.audit import record_audit
from slacktide.control.downtime import downtimes_in_effect
from slacktide.core.errors import OutsideError, SlacktideError
from slacktide.cutover.precondition import PreconditionsFail, Wish
from slacktide.cutover.record import Record
from slacktide.cutover.start import find, start_down_time
from slacktide.cutover.wave import STATEMENTS, Member, Wave, WaveStopped, go_on, require_started, wave_of
from slacktide.postgres.connection import Unreachable, connect
from slacktide.transfer import connection_test, panel, preparation, slot
from slacktide.transfer.ddl import TableBusy
from slacktide.transfer.journal import PROCESSES, Journal
from slacktide.transfer.move import load_move

if TYPE_CHECKING:
    from psycopg.rows import TupleRow

    from slacktide.transfer.move import Move
    from slacktide.transfer.panel import MoveStatus

    _Connection = psycopg.Connection[TupleRow]

_CLASS = 0x51AF
_PREPARING = 0
_CONNECTIONS = 12  # that a move opens at the most on one server, if all three databases lie there
_PASSING = (Unreachable, PreconditionsFail, TableBusy, psycopg.Error, OSError)


class ProcessFailed(OutsideError):
    """A process of the move {move} ended: {reason}. Mend it, then `slacktide move processes start {move}` and `slacktide wave start {wave}`."""  # noqa: E501 -- the message is one sentence


def advance(control: _Connection) -> int:
    """Do the next thing for each move of the started waves that nobody else has in hand; give how many those were."""
    done = 0
    for seen in _due(control):
        if _own(control, seen.move_id):
            try:
                for member in _due(control, seen.move_id):  # none, if somebody else was faster
                    _look(control, member)
                    done += 1
            finally:
                control.execute(STATEMENTS["leave"], {"class": _CLASS, "key": seen.move_id})
    return done


def _due(control: _Connection, move_id: int | None = None) -> list[Member]:
    return [Member(*row) for row in control.execute(STATEMENTS["due"], {"move_id": move_id})]


def _own(control: _Connection, key: int) -> bool:
    return bool((control.execute(STATEMENTS["own"], {"class": _CLASS, "key": key}).fetchone() or (False,))[0])


def _look(control: _Connection, member: Member) -> None:
    """Do the next thing and note what came of it; what passes is tried again, anything else stops this move."""
    found: dict[str, Any] = {"note": None, "error": None, "stopped": False}
    try:
        move, wave = load_move(control, name=member.move), wave_of(control, name=member.wave)
        found["note"] = _go_down(control, move, wave, member) if member.begun else _begin(control, move, wave)
    except WaveStopped:
        found["note"] = None  # the board says that it is not started
    except _PASSING as passing:
        if control.closed or control.broken:
            raise
        found["error"] = " ".join(str(passing).split())
    except SlacktideError as reason:
        found |= {"error": str(reason), "stopped": True}
    control.execute(STATEMENTS["looked"], {"move_id": member.move_id, **found})


# -- while it trades ---------------------------------------------------------------------------------------------------


def _begin(control: _Connection, move: Move, wave: Wave) -> str:
    """Prepare a move and want its processes, if there is room for it. Raises WaveStopped."""
    if not _own(control, _PREPARING):
        return "waits for its turn to be prepared"
    try:
        system, lacking = _room(control, move)
        if lacking is not None:
            return lacking
        move = preparation.ensure_prepared(control, move=move, **_by(wave))
        with control.transaction():
            require_started(control, name=wave.name)
            Record(control, move_id=move.move_id, move=move.name).lock_move()
            control.execute(STATEMENTS["begin"], {"move_id": move.move_id, "system": system})
            journal = Journal(control, move_id=move.move_id)
            for process in PROCESSES:
                journal.want(process, running=True)
            record_audit(control, what="move processes start", object=move.name,
                         after={"processes": [*PROCESSES], "wave": wave.name}, **_by(wave))  # fmt: skip
        return "its processes are started"
    finally:
        control.execute(STATEMENTS["leave"], {"class": _CLASS, "key": _PREPARING})


def _by(wave: Wave) -> dict[str, str]:
    """Give in whose name a wave does what it does, and why."""
    return {"who": wave.started_by or wave.who, "reason": f"wave {wave.name}: {wave.started_reason or wave.reason}"}


def _room(control: _Connection, move: Move) -> tuple[str, str | None]:
    """Name the source's server, and what it lacks to carry one more move; None where there is room."""
    with connect(move.source, name=f"{move.name} wave") as source, connect(move.target, name=f"{move.name} wave") as at:
        system = slot.look(source, slot="").system_id
        (reserved,) = control.execute(STATEMENTS["reserved"], {"system": system}).fetchone() or (0,)
        facts = connection_test.facts_of(source)
        for what, free in (("replication slot", facts.free_slots), ("replication sender", facts.free_senders)):
            if free <= reserved:
                return system, f"waits for a {what} of the source: none is free; `slacktide move clean NAME` frees one"
        for side, connection in (("source", source), ("target", at)):
            free, of = connection.execute(STATEMENTS["free_connections"]).fetchone() or (0, 0)
            if free < _CONNECTIONS * (reserved + 1):
                return system, f"waits for connections at the {side}: {free} of {of} are free (max_connections)"
    return system, None


# -- in its window -----------------------------------------------------------------------------------------------------


def _go_down(control: _Connection, move: Move, wave: Wave, member: Member) -> str:
    """Start the down time of a move, when its window has begun and everything holds; else let its processes run.

    Raises ProcessFailed, PreconditionsFail, WaveStopped.
    """
    try:
        status = panel.status(control, move=move)
        if any(panel_.state == "failed" for panel_ in status.processes.values()):
            raise ProcessFailed(reason="; ".join(status.errors), move=move.name, wave=wave.name)
        if not _in_window(control, move, member):
            go_on(control, member=member, **_by(wave))
            return f"{_stands(status, member)}; waits for its window"
        wish = Wish(member.downtime_id, wave.business_date, wave.waived)
        if _running(status):
            return _stop_one(control, move, member, wish, status)
        start_down_time(control, move=move, wish=wish, gos=wave.gos, **_by(wave),
                        still=lambda: require_started(control, name=wave.name))  # fmt: skip
    except SlacktideError:
        go_on(control, member=member, **_by(wave))
        raise
    return "the down time is started"


def _in_window(control: _Connection, move: Move, member: Member) -> bool:
    effective = [one.id for one in downtimes_in_effect(control, organization=move.organization)]
    return bool(effective) and member.downtime_id in (None, *effective)


def _stands(status: MoveStatus, member: Member) -> str:
    if member.halted:
        return "its processes are started again"
    return "stopped" if not _running(status) else "steady" if status.steady else "not steady yet"


def _running(status: MoveStatus) -> list[str]:
    return [name for name in PROCESSES if status.processes[name].state != "stopped"]


def _stop_one(control: _Connection, move: Move, member: Member, wish: Wish, status: MoveStatus) -> str:
    """Stop the first process that runs, once everything else holds; the others follow, each after the one before.

    Raises PreconditionsFail, WaveStopped.
    """
    if not member.halted:
        found = find(control, move=move, wish=wish)
        bad = [one for one in found.lines if not (one.ok or one.waived_by or one.name == "stopped")]
        if bad:
            reasons = "; ".join(f"{one.title.lower()}: {one.reason} ({one.mend})" for one in bad)
            raise PreconditionsFail(move=move.name, reasons=reasons)
    process = _running(status)[0]
    with control.transaction():
        require_started(control, name=member.wave)
        control.execute(STATEMENTS["halt"], {"move_id": move.move_id, "process": process})
        Journal(control, move_id=move.move_id).want(process, running=False)
    return f"stopping {process}"
