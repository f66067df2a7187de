"""`slacktide move downtime fallback`: the property moves back, with what changed since it was opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slacktide.cli import move_verify
from slacktide.cli.address import reachable
from slacktide.cli.output import Acting, write_json
from slacktide.control.audit import record_audit
from slacktide.control.database import open_control
from slacktide.core import clock
from slacktide.core.errors import OutsideError
from slacktide.cutover import fallback as falling_back
from slacktide.cutover.record import Record
from slacktide.transfer import panel
from slacktide.transfer.journal import PROCESSES, Journal
from slacktide.transfer.move import load_move
from slacktide.worker.presence import require_worker

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.transfer.move import Move

    _Connection = psycopg.Connection[TupleRow]

_LOOK_SECONDS = 0.2
_NOTE_SECONDS = 2.0
_LISTED = 10
_ROUNDS = 4  # of comparing and settling while it trades


class WayBackStands(OutsideError):
    """{process} of the way back {back} failed: {reason}. Mend that, then `slacktide move downtime fallback {move} --reason TEXT` again."""  # noqa: E501 -- the message is one sentence


def carried(name: str, options: Acting) -> tuple[str, bool]:
    """Have the way back carried on until it is steady; give its name, and whether its down time has begun already.

    Then nothing is done.
    """
    with open_control() as control, control.connect(name="move downtime fallback") as connection:
        move = load_move(connection, name=name)
        require_worker(connection)
        acting = {"who": options.who, "reason": options.reason or ""}
        for line in falling_back.describe(move):
            options.note(line)
        with reachable(move.source, move.target):
            back = falling_back.begin(connection, move=move, **acting)
            if _has_begun(connection, back):
                return back.name, True
            back = falling_back.prepare(connection, back=back, forward=move, **acting)
            falling_back.let_changed_stay(connection, back=back, forward=move, **acting)
            _note_known(back, options)
            _run(connection, back, options)
            _carry(connection, move, back, options)
        return back.name, False


def _has_begun(connection: _Connection, back: Move) -> bool:
    from slacktide.cutover.attempt import OVER, State  # noqa: PLC0415 -- only this one needs it

    last = Record(connection, move_id=back.move_id, move=back.name).last()
    return last is not None and State(last.state) not in OVER


def _note_known(back: Move, options: Acting) -> None:
    known = back.facts.get(falling_back.FACT, 0)
    options.note(f"{back.name}: both sides are prepared; {known:,} objects are the same there and need not be written")


def _run(connection: _Connection, back: Move, options: Acting) -> None:
    with connection.transaction():
        Record(connection, move_id=back.move_id, move=back.name).lock_move()
        journal = Journal(connection, move_id=back.move_id)
        for process in PROCESSES:
            journal.want(process, running=True)
        record_audit(connection, who=options.who, what="move processes start", object=back.name,
                     after={"processes": list(PROCESSES)}, reason=options.reason or "")  # fmt: skip


def _carry(connection: _Connection, move: Move, back: Move, options: Acting) -> None:
    """Wait until it is steady, and have both sides compared; what is found to be settled is carried too."""
    begun = clock.monotonic_seconds()
    acting = {"who": options.who, "reason": options.reason or ""}
    for left in reversed(range(_ROUNDS)):
        done = _await_steady(connection, move, back, options, begun=begun)
        found = move_verify.verified(connection, back)
        if left and falling_back.settle(connection, back=back, **acting):
            continue
        _say(options, state="done", done=done, left=0, elapsed=clock.monotonic_seconds() - begun)
        _note_found(connection, back, found, options)
        return


def _await_steady(connection: _Connection, move: Move, back: Move, options: Acting, *, begun: float) -> int:
    noted = clock.monotonic_seconds()
    while not _is_carried(found := panel.status(connection, move=back)):
        for name, process in found.processes.items():
            if process.state == "failed":
                reason = process.waits_for or "; ".join(found.errors)
                raise WayBackStands(process=name, back=back.name, reason=reason, move=move.name)
        now = clock.monotonic_seconds()
        if now - noted > _NOTE_SECONDS:
            noted = now
            _say(
                options,
                state="running",
                done=found.processes["process"].done,
                left=found.pass_left,
                elapsed=now - begun,
            )
        clock.sleep(_LOOK_SECONDS)
    return found.processes["process"].done


def _is_carried(found: panel.MoveStatus) -> bool:
    return found.steady and all(process.state != "stopped" for process in found.processes.values())


def _say(options: Acting, *, state: str, done: int, left: int, elapsed: float) -> None:
    line: dict[str, Any] = {"step": "way_back", "state": state, "done": done, "total": done + left,
                            "elapsed_seconds": round(elapsed, 3)}  # fmt: skip
    if options.json:
        write_json(line)
    else:
        options.note(f"{elapsed:7.2f} s  {'The way back':<45} {state:<8} {done or ''}")


def _note_found(connection: _Connection, back: Move, found: dict[str, Any], options: Acting) -> None:
    """Name what stays because others have changed it since, and what differs all the same."""
    for entity, keys in falling_back.staying(load_move(connection, name=back.name)).items():
        listed = ", ".join(keys[:_LISTED]) + (" ..." if len(keys) > _LISTED else "")
        options.note(f"{len(keys):,} {entity} stay as another property has changed them at the old source: {listed}")
    if found["different"]:
        options.note(f"{found['different']} objects differ: {'; '.join(found['differences'][:3])}")
