"""`slacktide move verify`: have both sides compared now, and show what was found.

Generate compares, at the border of a batch (see `transfer.ahead`); this asks for it and waits for the answer. Where
all four processes are stopped (before a down time, in it, and after it) nobody would answer, and the last one is shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from slacktide.cli.output import SHOWN, Shown, aside
from slacktide.control.database import open_control
from slacktide.core import clock
from slacktide.core.errors import OutsideError
from slacktide.transfer import panel
from slacktide.transfer.ahead import FACT
from slacktide.transfer.journal import Journal
from slacktide.transfer.move import Move, load_move
from slacktide.worker.presence import require_worker

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

_LIMIT_SECONDS = 600.0
_LOOK_SECONDS = 0.2


class NeverVerified(OutsideError):
    """Nothing of {move} was verified yet, and its processes are stopped: start them with `slacktide move processes start {move}`."""  # noqa: E501 -- the message is one sentence


class ProcessStopped(OutsideError):
    """{process} is {state}, so that the sides of {move} cannot be compared: start it with `slacktide move processes start {move} {process}`."""  # noqa: E501 -- the message is one sentence


class PassIncomplete(OutsideError):
    """The pass of {move} has about {left} objects left, and is verified when it is complete: watch it with `slacktide move status {move} --watch`."""  # noqa: E501 -- the message is one sentence


class StillVerifying(OutsideError):
    """{move} was not verified within {seconds} s: it goes on, and waits for {waits_for}: `slacktide move status {move}`."""  # noqa: E501 -- the message is one sentence


def verify(name: Annotated[str, Parameter(name="NAME", help="The move's name.")], /, *, options: Shown = SHOWN) -> int:
    """Compare both sides now (or show the last time, where the processes are stopped); exit 1 where they differ."""
    with open_control() as control, control.connect(name="move verify") as connection:
        move = load_move(connection, name=name)
        new = bool(_running(connection, move))
        found = verified(connection, move) if new else move.facts.get(FACT)
        if found is None:
            raise NeverVerified(move=name)
        options.say({"verified": found, "new": new}, _text(found, new=new))
        return 0 if found["equal"] else 1


def _running(connection: psycopg.Connection[TupleRow], move: Move) -> list[str]:
    panels = panel.status(connection, move=move).processes
    return [name for name, each in panels.items() if each.state not in ("stopped", "failed")]


def verified(connection: psycopg.Connection[TupleRow], move: Move) -> dict[str, Any]:
    """Ask for a verification, and wait for one that began afterwards."""
    number: int | None = None
    limit, said = clock.monotonic_seconds() + _LIMIT_SECONDS, ""
    while True:
        waits_for = _waits_for(connection, move)
        if number is None:
            number = Journal(connection, move_id=move.move_id).ask_verification()
        found: dict[str, Any] = load_move(connection, name=move.name).facts.get(FACT) or {}
        if found.get("answers", 0) >= number:
            return found
        if clock.monotonic_seconds() > limit:
            raise StillVerifying(move=move.name, seconds=int(_LIMIT_SECONDS), waits_for=waits_for)
        if waits_for != said:
            aside(f"waits for {waits_for}")
            said = waits_for
        clock.sleep(_LOOK_SECONDS)


def _waits_for(connection: psycopg.Connection[TupleRow], move: Move) -> str:
    """Say what a verification waits for. Raises NoWorker, ProcessStopped, PassIncomplete."""
    require_worker(connection)
    status = panel.status(connection, move=move)
    for name, each in status.processes.items():
        if each.state in ("stopped", "failed"):
            raise ProcessStopped(move=move.name, process=name, state=each.state)
    if status.pass_left or not status.pass_ranges:
        raise PassIncomplete(move=move.name, left=f"{status.pass_left:,}")
    waiting = [f"{name}, which waits for {each.waits_for}" for name, each in status.processes.items() if each.waits_for]
    queued = sum(status.processes[name].queued for name in ("transfer", "process"))
    return "; ".join(waiting) or (f"{queued:,} objects that are queued" if queued else "generate")


def _text(found: dict[str, Any], *, new: bool) -> str:
    counted = f"{found['read']:,} objects read, {found['carried']:,} carried forward"
    lines = [f"as of batch {found['batch']} ({found['at']}): {counted}", *(found["differences"] or ["no difference"])]
    return "\n".join(lines if new else [*lines, "This is the last one: the processes are stopped."])
