"""`slacktide move processes`, `status`, `messages`, `message`, `show`, `reprocess`: the four processes."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import App, Parameter

from slacktide.cli import move_window
from slacktide.cli.address import reachable
from slacktide.cli.output import ACTING, SHOWN, Acting, Flag, Shown, table, write
from slacktide.control.audit import record_audit
from slacktide.control.database import open_control
from slacktide.control.organization import organization_of
from slacktide.control.setting import control_now
from slacktide.core import clock
from slacktide.core.errors import OutsideError, UsageError
from slacktide.cutover import contingency, task
from slacktide.transfer import pace as pacing
from slacktide.transfer import panel
from slacktide.transfer.entry import Touched
from slacktide.transfer.journal import PROCESSES, Journal
from slacktide.transfer.move import Move, back_of, load_move, set_fact
from slacktide.worker.presence import require_worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.cutover.record import Record
    from slacktide.cutover.watch import Watch

app = App(name="processes", help="Start and stop the four processes, and pace the initial pass.")

_Name = Annotated[str, Parameter(name="NAME", help="The move's name.")]
_Process = Annotated[str | None, Parameter(name="PROCESS", help=f"One of {', '.join(PROCESSES)}; left out: all four.")]
_STOP_SECONDS = 120.0
_LISTED = ("failed", "waiting", "warning")


class UnknownProcess(UsageError):
    """There is no process {process!r}: it is one of {known}, as in `slacktide move processes start {move} {first}`."""


class UnknownMessage(UsageError):
    """The move {move} has no message {message!r}: `slacktide move messages {move}` lists them."""


class UnknownObject(UsageError):
    """Neither side knows {entity} {key!r} of the move {move}: give an entity of the plan and a key of either side, as `slacktide move messages {move}` lists them."""  # noqa: E501 -- the message is one sentence


class UnknownState(UsageError):
    """There is no state {state!r} of messages: they are {known}, as in `slacktide move messages {move} --state failed`."""  # noqa: E501 -- the message is one sentence


class NotStopping(OutsideError):
    """{process} did not stop within {seconds} s: it finishes what it has in hand: `slacktide move status {move}`."""


class DownTimeRuns(UsageError):
    """The down time of {move} is {state}, and runs the processes itself until it is over: `slacktide move status {move}`."""  # noqa: E501 -- the message is one sentence


class LivesThere(UsageError):
    """The property of {move} lives at the target, so there is nothing to carry there any more: `slacktide move status {move}` shows what comes next."""  # noqa: E501 -- the message is one sentence


@app.command
def pace(
    name: _Name,
    /,
    *,
    hours: Annotated[
        str | None, Parameter(help="When the pass may read, as 22:00-06:00 in the property's zone; or always.")
    ] = None,
    rate: Annotated[int | None, Parameter(help="At the most so many objects a second; 0: as fast as it can.")] = None,
    options: Acting = ACTING,
) -> int:
    """Pause the pass by hours of the day, or slow it down; changes are carried all the time."""
    with open_control() as control, control.connect(name="move processes pace") as connection:
        move = load_move(connection, name=name)
        found = pacing.change(
            connection, move=move, hours=hours, rate=rate, who=options.who, reason=options.reason or ""
        )
        zone = organization_of(connection, code=move.organization).zone
        said = pacing.sentence(found, now=control_now(connection), zone=zone) or "the pass reads always, at full speed"
    return options.say({"move": name, "hours": found.hours, "rate": found.rate}, f"{name}: {said}")


def _named(process: str | None, *, move: str) -> tuple[str, ...]:
    if process is None:
        return PROCESSES
    if process not in PROCESSES:
        raise UnknownProcess(process=process, known=", ".join(PROCESSES), move=move, first=PROCESSES[0])
    return (process,)


@app.command
def start(
    name: _Name,
    process: _Process = None,
    /,
    *,
    allow_absent: Annotated[Flag, Parameter(help="Delete at the target even a large share of an entity.")] = False,
    options: Acting = ACTING,
) -> int:
    """Say that processes are wanted; workers run them. Prepares both databases if that was not done."""
    from slacktide.transfer.preparation import ensure_prepared  # noqa: PLC0415 -- only a start needs the earlier tasks

    wanted = _named(process, move=name)
    with open_control() as control, control.connect(name="move processes start") as connection:
        move = load_move(connection, name=name)
        require_worker(connection)
        refuse_in_down_time(connection, move)
        with reachable(move.source, move.target):
            ensure_prepared(connection, move=move, who=options.who)
        journal = Journal(connection, move_id=move.move_id)
        with not_in_down_time(connection, move):
            set_fact(connection, move=move, name="allow_absent", value=allow_absent)
            for each in wanted:
                journal.want(each, running=True)
            record_audit(connection, who=options.who, what="move processes start", object=name,
                         after={"processes": list(wanted)}, reason=options.reason or "")  # fmt: skip
        return options.say(
            {"move": name, "wanted": list(wanted)},
            f"{name}: {', '.join(wanted)} wanted; watch with `slacktide move status {name} --watch`",
        )


@app.command
def stop(name: _Name, process: _Process = None, /, *, options: Acting = ACTING) -> int:
    """Stop processes, in order, each after the batch in hand; waits until they have."""
    listed = _named(process, move=name)
    with open_control() as control, control.connect(name="move processes stop") as connection:
        move = load_move(connection, name=name)
        stop_in_order(connection, move, listed)
        record_audit(connection, who=options.who, what="move processes stop", object=name,
                     after={"processes": list(listed)}, reason=options.reason or "")  # fmt: skip
        return options.say({"move": name, "stopped": list(listed)}, f"{name}: {', '.join(listed)} stopped")


def stop_in_order(connection: psycopg.Connection[TupleRow], move: Move, processes: tuple[str, ...]) -> None:
    """Stop processes, each after the batch in hand. Raises NotStopping."""
    journal = Journal(connection, move_id=move.move_id)
    for each in processes:
        journal.want(each, running=False)
        _await_stopped(connection, move, each)


def _await_stopped(connection: psycopg.Connection[TupleRow], move: Move, process: str) -> None:
    limit = clock.monotonic_seconds() + _STOP_SECONDS
    while panel.status(connection, move=move).processes[process].state not in ("stopped", "failed"):
        if clock.monotonic_seconds() > limit:
            raise NotStopping(process=process, seconds=int(_STOP_SECONDS), move=move.name)
        clock.sleep(0.1)


def refuse_in_down_time(connection: psycopg.Connection[TupleRow], move: Move) -> None:
    """Refuse what the down time does by itself, while it runs and once it is open, and what `clean` takes away.

    In a transaction neither begins before it ends. Raises DownTimeRuns, LivesThere, TakenAway.
    """
    from slacktide.cutover.attempt import OVER, State  # noqa: PLC0415 -- only a start needs it
    from slacktide.cutover.record import Record  # noqa: PLC0415 -- only a start needs it

    record = Record(connection, move_id=move.move_id, move=move.name)
    record.lock_move()
    last = record.last()
    if last is not None and last.state == State.OPEN:
        raise LivesThere(move=move.name)
    if last is not None and State(last.state) not in OVER:
        raise DownTimeRuns(move=move.name, state=last.state)


@contextlib.contextmanager
def not_in_down_time(connection: psycopg.Connection[TupleRow], move: Move) -> Iterator[None]:
    """One transaction, during which no down time of the move begins. Raises DownTimeRuns, TakenAway."""
    with connection.transaction():
        refuse_in_down_time(connection, move)
        yield


def status(
    name: _Name,
    /,
    *,
    watch: Annotated[Flag, Parameter(help="Show it again and again, until interrupted.")] = False,
    options: Shown = SHOWN,
) -> int:
    """Show the four panels: state, queue, rate, lag, what each waits for; steady or not; failed and warned messages."""
    from slacktide.cutover import watch as watching  # noqa: PLC0415 -- shown beside the panels
    from slacktide.cutover.record import Record  # noqa: PLC0415 -- shown beside the panels

    with open_control() as control, control.connect(name="move status") as connection:
        move = load_move(connection, name=name)
        while True:
            move = load_move(connection, name=name)
            found = panel.status(connection, move=move)
            found.errors.extend(contingency.problems(connection, move=move))
            if watch and not options.json and sys.stdout.isatty():
                write("\x1b[H\x1b[2J")
            paced = _paced(connection, move, found)
            record, watched = (
                Record(connection, move_id=move.move_id, move=move.name),
                watching.look(connection, move=move),
            )
            down_time, text = _down_time(connection, move, record, watched)
            standing, back = task.standing(move, found, record.last()), back_of(connection, move=move)
            shown = msgspec.to_builtins(found) | {"pace": paced, "gate": standing, "back": back and back.name}
            paused = f"\n{paced}" if paced else ""
            text += "\n" + move_window.way_back(back, move=name) if back else ""
            text += f"\n\n{move_window.gate(standing)}"
            options.say(shown | down_time, move_window.panels(found, move.facts) + paused + text)
            if not watch:
                return 0
            clock.sleep(1.0)


def _paced(connection: psycopg.Connection[TupleRow], move: Move, found: panel.MoveStatus) -> str | None:
    """Say how the pass is paced, while there is one; nothing where it reads always and at full speed."""
    zone = organization_of(connection, code=move.organization).zone
    found_pace = pacing.pace_of(move.facts)
    return pacing.sentence(found_pace, now=control_now(connection), zone=zone) if found.pass_left else None


def _down_time(
    connection: psycopg.Connection[TupleRow], move: Move, record: Record, watched: Watch | None
) -> tuple[dict[str, Any], str]:
    """Give the last attempt at the down time as facts and as text; nothing where there was none."""
    from slacktide.cli import move_monitor  # noqa: PLC0415 -- shown beside the panels
    from slacktide.cutover import milestone, result  # noqa: PLC0415 -- shown beside the panels
    from slacktide.cutover import watch as watching  # noqa: PLC0415 -- shown beside the panels

    last = record.last()
    if last is None:
        return {}, ""
    steps = record.steps()
    facts: dict[str, Any] = {"attempt": last.attempt, "state": last.state, "error": last.error, "steps": steps}
    expected = move_monitor.facts(connection, move=move, attempt=last, steps=steps)
    facts |= expected
    if waits := move_monitor.waits(connection, move=move):
        facts["waits_for"] = waits
    text = "\n".join(["\n\n" + move_window.procedure(last, steps), *waits, *move_monitor.text(expected)])
    passed = milestone.overdue(connection, downtime=last.downtime_id, state=last.state, now=control_now(connection))
    if passed is not None and last.abandoned_at is None:
        facts["planned_end_passed"] = passed
        text += "\n" + move_window.overdue(passed, move=move.name)
    if watched is not None:
        facts["watch"] = msgspec.to_builtins(watched) | {"over": watched.over}
        text += "\n" + watching.text(watched)
    if last.abandoned_at is not None:
        facts["abandoned"] = result.abandoned(last, move=move)
        text += "\n" + move_window.abandoned(facts["abandoned"])
    return {"down_time": facts}, text


def messages(
    name: _Name,
    /,
    *,
    state: Annotated[str | None, Parameter(help="Only those in this state: failed, waiting, warning.")] = None,
    entity: Annotated[str | None, Parameter(help="Only those of this entity.")] = None,
    options: Shown = SHOWN,
) -> int:
    """List the messages that did not simply arrive, with the reason, and how many there are in each state."""
    with open_control() as control, control.connect(name="move messages") as connection:
        move = load_move(connection, name=name)
        _require_known(move, state=state, entity=entity)
        found = panel.problems(connection, move=move, state=state, entity=entity)
        rows = [[str(p.id), p.entity, p.key, p.state, p.reason] for p in found]
        counts = panel.status(connection, move=move).messages
        counted = ", ".join(f"{count:,} {each}" for each, count in counts.items() if count) or "no message yet"
        text = table(rows, head=["id", "entity", "key", "state", "reason"]) if rows else _none(state, entity)
        return options.say({"counts": counts, "messages": found}, f"{text}\n{counted}")


def _require_known(move: Move, *, state: str | None, entity: str | None) -> None:
    """See that a message can be in this state, and of this entity. Raises UnknownState, UnknownEntity."""
    from slacktide.transfer import inspection  # noqa: PLC0415 -- knows the entities

    if state is not None and state not in panel.MESSAGE_STATES:
        raise UnknownState(state=state, known=", ".join(panel.MESSAGE_STATES), move=move.name)
    if entity is not None:
        inspection.entity_of(move, entity)


def _none(state: str | None, entity: str | None) -> str:
    """Say that none is listed; messages in other states are only counted."""
    if state in (None, *_LISTED):
        said = f"in the state {state}" if state else "failed, waiting or warned about"
        return f"None {said}" + (f" of {entity}." if entity else ".")
    return f"Messages in the state {state} are counted, not listed."


def message(
    name: _Name,
    id_: Annotated[int, Parameter(name="ID", help="The message's ID, as `move messages` shows it.")],
    /,
    *,
    xml: Annotated[Flag, Parameter(help="Write the object's XML as it is in its batch.")] = False,
    options: Shown = SHOWN,
) -> int:
    """Show one message: its object, its state, the reason; with --xml as it was sent."""
    from slacktide.transfer import inspection  # noqa: PLC0415 -- reads spool files

    with open_control() as control, control.connect(name="move message") as connection:
        move = load_move(connection, name=name)
        found = next((p for p in panel.problems(connection, move=move, limit=1_000_000) if p.id == id_), None)
        if found is None:
            raise UnknownMessage(move=name, message=id_)
        value: dict[str, Any] = msgspec.to_builtins(found)
        if xml:
            value["xml"] = inspection.xml_of(
                connection, move=move, entity=found.entity, key=found.key, batch=found.batch
            )
            return options.say(value, str(value["xml"]))
        return options.say(value, f"{found.entity} {found.key} is {found.state} since {found.at}: {found.reason}")


def show(
    name: _Name,
    entity: Annotated[str, Parameter(name="ENTITY", help="An entity of the plan.")],
    key: Annotated[str, Parameter(name="KEY", help="The object's key at the source, or at the target.")],
    /,
    *,
    options: Shown = SHOWN,
) -> int:
    """Show one object on both sides, by its old or its new key."""
    from slacktide.transfer import inspection  # noqa: PLC0415 -- reads both databases

    with open_control() as control, control.connect(name="move show") as connection:
        move = load_move(connection, name=name)
        with reachable(move.source, move.target):
            found = inspection.both_sides(move, entity=entity, key=key)
        if found is None:
            raise UnknownObject(entity=entity, key=key, move=name)
        return options.say(found, inspection.as_text(found))


def reprocess(
    name: _Name,
    /,
    *ids: Annotated[int, Parameter(name="ID", help="Messages; left out: all that failed or wait.")],
    options: Acting = ACTING,
) -> int:
    """Read and convert objects anew: one message, some, or all that failed or wait."""
    with open_control() as control, control.connect(name="move reprocess") as connection:
        move = load_move(connection, name=name)
        listed = panel.problems(connection, move=move, limit=1_000_000)
        missing = set(ids) - {p.id for p in listed}
        if missing:
            raise UnknownMessage(move=name, message=min(missing))
        found = [p for p in listed if (p.id in ids if ids else p.state in ("failed", "waiting"))]
        objects = [Touched(p.entity, p.key) for p in found]
        if objects:
            Journal(connection, move_id=move.move_id).enqueue(objects, now=control_now(connection))
        record_audit(connection, who=options.who, what="move reprocess", object=name,
                     after={"messages": [p.id for p in found]}, reason=options.reason or "")  # fmt: skip
        left = 0 if ids else len(listed) - len(found)
        return options.say({"move": name, "enqueued": len(objects)}, _read_again(name, found, left=left))


def _read_again(name: str, found: list[panel.Problem], *, left: int) -> str:
    """Say how many objects are read again, by state, and how many that were only warned about are not."""
    states = Counter(p.state for p in found)
    counted = ", ".join(f"{count:,} {state}" for state, count in sorted(states.items()))
    said = f"{len(found):,} objects are read again" + (f" ({counted})" if counted else "")
    if not left:
        return said
    are = "1 that was warned about is" if left == 1 else f"{left:,} that were warned about are"
    return f"{said}; {are} not, but by ID: `slacktide move messages {name} --state warning` lists them"
