"""`slacktide move downtime`, `go`, `clean`: the System Down Time and what comes after it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from slacktide.cli import move_abandon, move_fallback, move_miscellaneous, move_pause, move_process, move_window
from slacktide.cli.address import reachable
from slacktide.cli.move_monitor import Monitor
from slacktide.cli.output import ACTING, SHOWN, Acting, Flag, Shown, table
from slacktide.cli.pair import gos_of, require_reason_to_waive, waived_of
from slacktide.control.audit import record_audit
from slacktide.control.database import open_control
from slacktide.control.organization import organization_of
from slacktide.control.setting import control_now
from slacktide.core import clock
from slacktide.core.errors import ExitStatus, InputError, UsageError
from slacktide.core.instant import parse_instant
from slacktide.cutover import go as going
from slacktide.cutover import precondition, result
from slacktide.cutover.attempt import TAKES_GOS, TRANSITIONS, WORKING, Event, IllegalAttemptEvent, State, follows
from slacktide.cutover.decision_time import decision_time
from slacktide.cutover.record import Record
from slacktide.cutover.start import find, require, start_down_time
from slacktide.transfer.journal import DOWN_TIME, PROCESSES, Journal
from slacktide.transfer.move import Move, load_move, set_fact
from slacktide.worker.presence import require_worker

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

app = App(name="downtime", help="The System Down Time of a move: check, start, pause, resume, abandon, fallback.")

app.command(move_pause.pause)
app.command(move_abandon.abandon)

_Name = Annotated[str, Parameter(name="NAME", help="The move's name.")]
_Pairs = Parameter(consume_multiple=True, negative="", show_default=False)
_WATCH_SECONDS = 0.1


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a down time is asked to be, and what somebody takes on himself."""

    downtime: Annotated[str | None, Parameter(help="The downtime that it uses; default: the only one in effect.")] = (
        None
    )
    business_date: Annotated[
        date | None, Parameter(help="The business date it is done on; default: today's at the property.")
    ] = None
    open_by: Annotated[str | None, Parameter(help="The hour by which the property has to be open again.")] = None
    waive: Annotated[
        tuple[str, ...], _Pairs, Parameter(help="A check that somebody takes on himself, as CHECK=NAME.")
    ] = ()

    def wish(self, connection: psycopg.Connection[TupleRow], move: Move) -> precondition.Wish:
        """Read it for a move, its hour in the zone of the move's organization. Raises NotWaivable, BadInstant."""
        by = None
        if self.open_by is not None:
            zone = organization_of(connection, code=move.organization).zone
            by = parse_instant(self.open_by, now=control_now(connection), zone=zone)
        return precondition.Wish(self.downtime, self.business_date, waived_of(self.waive, move=move.name), by)


@dataclass(frozen=True, kw_only=True)
class AskedToGo(Asked):
    """The same, with the gos that are given along."""

    go: Annotated[tuple[str, ...], _Pairs, Parameter(help="A go given beforehand, as ROLE=NAME.")] = ()


_ASKED, _ASKED_TO_GO = Asked(), AskedToGo()


class NothingToResume(UsageError):
    """The down time of {move} is {state}, so there is nothing to resume: go on with `{follows}`."""


class StillNeeded(UsageError):
    """The down time of {move} is {state}, and `clean` takes everything away only when it is open or given up: go on with `{follows}`."""  # noqa: E501 -- the message is one sentence


class NoGoNow(InputError):
    """The down time of {move} is {state}, and no go is asked for any more: `slacktide move status {move}`."""


@app.command
def check(name: _Name, /, *, asked: Asked = _ASKED, options: Shown = SHOWN) -> int:
    """Show every precondition with its state, the reason and the way to mend it; exit 1 while one does not hold."""
    with open_control() as control, control.connect(name="move downtime check") as connection:
        move = load_move(connection, name=name)
        wish = asked.wish(connection, move)
        with reachable(move.source, move.target):
            found = find(connection, move=move, wish=wish)
        decision, now = decision_time(connection, move=move, open_by=wish.open_by), control_now(connection)
    rows = [
        [str(line.number), line.title, _mark(line), line.reason, "" if line.ok else line.mend] for line in found.lines
    ]
    options.say(
        {"ok": found.ok, "checks": found.lines, "latest_decision": decision and decision.latest},
        table(rows, head=["#", "what must hold", "state", "reason", "mend"])
        + (f"\n{decision.sentence(now)}" if decision else ""),
    )
    return 0 if found.ok else 1


def _mark(line: precondition.Precondition) -> str:
    return "holds" if line.ok else f"waived by {line.waived_by}" if line.waived_by else "DOES NOT HOLD"


@app.command
def start(name: _Name, /, *, asked: AskedToGo = _ASKED_TO_GO, options: Acting = ACTING) -> int:
    """Start Down Time Procedures, and watch them; killing this command stops nothing."""
    with open_control() as control, control.connect(name="move downtime start") as connection:
        move = load_move(connection, name=name)
        wish, gos = asked.wish(connection, move), gos_of(asked.go, move=move)
        require_reason_to_waive(asked.waive, reason=options.reason, what=f"slacktide move downtime start {name}")
        require_worker(connection)
        record = Record(connection, move_id=move.move_id, move=move.name)
        last = record.last()
        if last is not None and last.state == State.PAUSED:
            return _resumed(connection, move, record, gos=gos, options=options)
        with reachable(move.source, move.target):
            start_down_time(connection, move=move, wish=wish, gos=gos, who=options.who,
                            reason=options.reason or f"move {name}")  # fmt: skip
        return _watch(connection, move, options)


@app.command
def fallback(name: _Name, /, *, asked: AskedToGo = _ASKED_TO_GO, options: Acting = ACTING) -> int:
    """Move the property back with what changed since it was opened: carry it while it trades, then start and watch."""
    _require_understood(name, asked)
    back, begun = move_fallback.carried(name, options)
    if not begun:
        with open_control() as control, control.connect(name="move downtime fallback") as connection:
            move = load_move(connection, name=back)
            wish = asked.wish(connection, move)
            with reachable(move.source, move.target):
                found = find(connection, move=move, wish=wish)
            found.lines = [line for line in found.lines if line.name not in ("steady", "stopped")]  # what we do
            require(found, move=move)
            move_process.stop_in_order(connection, move, PROCESSES)
    return start(back, asked=asked, options=options)


def _require_understood(name: str, asked: AskedToGo) -> None:
    """See that all that is given is understood, before anything is begun: the way back has the same plan."""
    with open_control() as control, control.connect(name="move downtime fallback") as connection:
        move = load_move(connection, name=name)
        asked.wish(connection, move)
        gos_of(asked.go, move=move)


@app.command
def resume(
    name: _Name,
    /,
    *,
    allow_absent: Annotated[Flag, Parameter(help="Delete at the target even a large share of an entity.")] = False,
    options: Acting = ACTING,
) -> int:
    """Go on with a procedure that is ready, paused or failed, and watch it."""
    with open_control() as control, control.connect(name="move downtime resume") as connection:
        move = load_move(connection, name=name)
        require_worker(connection)
        record = Record(connection, move_id=move.move_id, move=move.name)
        _require_resumable(record, move)
        if allow_absent:
            set_fact(connection, move=move, name="allow_absent", value=True)
        return _resumed(connection, move, record, gos={}, options=options)


def _resumed(
    connection: psycopg.Connection[TupleRow], move: Move, record: Record, *, gos: dict[str, str], options: Acting
) -> int:
    """Let it go on, with the gos that were given along, and watch it."""
    _require_resumable(record, move)
    for role, name in gos.items():
        record.add_go(role=role, name=name, who=options.who, checksum="")
    _go_on(connection, move, record, event=Event.RESUME)
    record_audit(connection, who=options.who, what="move downtime resume", object=move.name, after={"gos": gos},
                 reason=options.reason or "")  # fmt: skip
    return _watch(connection, move, options)


def _require_resumable(record: Record, move: Move) -> None:
    state = record.current().state
    if (state, Event.RESUME) not in TRANSITIONS:
        raise NothingToResume(move=move.name, state=state, follows=follows(move=move.name, state=state))


def _go_on(connection: psycopg.Connection[TupleRow], move: Move, record: Record, *, event: Event) -> None:
    with connection.transaction():
        if record.current().state == State.FAILED:
            record.void()
        record.happen(event)
        Journal(connection, move_id=move.move_id).want(DOWN_TIME, running=True)


def go(
    name: _Name,
    /,
    *,
    role: Annotated[str, Parameter(help="The role that the go is given for.")],
    name_: Annotated[str, Parameter(name="--name", help="Who gives it.")],
    options: Acting = ACTING,
) -> int:
    """Give a go by name, seeing the totals that it signs; a procedure that waits for it goes on."""
    with open_control() as control, control.connect(name="move go") as connection:
        move = load_move(connection, name=name)
        gos_of((f"{role}={name_}",), move=move)
        record = Record(connection, move_id=move.move_id, move=move.name)
        with connection.transaction():
            if (state := record.lock()) not in TAKES_GOS:
                raise NoGoNow(move=name, state=state)
            totals = going.totals_of(record.current())
            signed = going.checksum(totals)
            record.add_go(role=role, name=name_, who=options.who, checksum=signed)
        if record.current().state == State.READY:
            require_worker(connection)
            with contextlib.suppress(IllegalAttemptEvent):  # somebody paused or abandoned it at this moment
                _go_on(connection, move, record, event=Event.GO)
        record_audit(connection, who=options.who, what="move go", object=name,
                     after={"role": role, "name": name_, "checksum": signed}, reason=options.reason or "")  # fmt: skip
        left_out = (record.current().verification or {}).get("accepted", [])
        value = {"move": name, "role": role, "name": name_, "totals": totals, "checksum": signed or None,
                 "accepted": left_out}  # fmt: skip
        return options.say(value, move_window.go(value))


def _watch(connection: psycopg.Connection[TupleRow], move: Move, options: Shown) -> int:
    """Say each change of the steps until the procedure is open, or stops."""
    record = Record(connection, move_id=move.move_id, move=move.name)
    monitor = Monitor(connection, move=move, attempt=record.current(), options=options)
    while True:
        attempt = record.current()
        monitor.say(record.steps())
        if State(attempt.state) not in WORKING or (attempt.error and attempt.state != State.RUNNING):
            return _say_result(connection, move, options)
        clock.sleep(_WATCH_SECONDS)


def _say_result(connection: psycopg.Connection[TupleRow], move: Move, options: Shown) -> int:
    found = result.of(connection, move=move)
    attempt = Record(connection, move_id=move.move_id, move=move.name).current()
    text = [move_window.procedure(attempt, Record(connection, move_id=move.move_id, move=move.name).steps())]
    if found["totals"]:
        text.append(move_window.totals(found["totals"]))
    text.append(
        f"{found['result']}: down for {found['down_seconds']:.1f} s, work {found['work_seconds']:.2f} s, "
        f"{found['objects_moved']:,} objects moved since Start, {found['verified_objects']:,} verified, "
        f"{found['differences']} differences"
    )
    if found["still_down"]:
        text.append("\n".join(["moved, but", *move_window.still_down(found)]))
    if found["accepted"]:
        text.append(move_window.accepted(found["accepted"]))
    if found["result"] == State.PAUSED:
        text.append(move_window.standing(result.standing(connection, move=move)))
    options.say(found, "\n\n".join(text))
    return {"open": ExitStatus.DONE, "ready": ExitStatus.HELD, "paused": ExitStatus.HELD}.get(
        str(found["result"]), ExitStatus.REFUSED
    )


def clean(
    name: _Name,
    /,
    *,
    apply: Annotated[Flag, Parameter(help="Do it; else it is only shown.")] = False,
    all_: Annotated[
        Flag, Parameter(name="--all", help="Take the source's refusal of writes as well: it can be written then.")
    ] = False,
    options: Acting = ACTING,
) -> int:
    """Take away what `prepare` made in both databases, the journal and the spool; shown first, done with --apply."""
    from slacktide.cutover import cleaning  # noqa: PLC0415 -- only this one needs it

    with open_control() as control, control.connect(name="move clean") as connection:
        move = load_move(connection, name=name)
        last = Record(connection, move_id=move.move_id, move=move.name).last()
        if last is not None and last.state not in (State.OPEN, State.ABANDONED):
            raise StillNeeded(move=name, state=last.state, follows=follows(move=name, state=last.state))
        is_open = last is not None and last.state == State.OPEN
        if is_open:
            move_miscellaneous.require_moved(move)
        cleaning.require(connection, move=move)
        moves = cleaning.legs(connection, move=move, is_open=is_open)
        lines = cleaning.describe(moves, is_open=is_open, everything=all_)
        if apply:
            acting = {"who": options.who, "reason": options.reason or ""}
            with reachable(move.source, move.target):
                lines += cleaning.clean(connection, moves=moves, is_open=is_open, everything=all_, **acting)
            record_audit(connection, what="move clean", object=name, after={"all": all_}, **acting)
        again = f"Nothing was done: slacktide move clean {name}{' --all' if all_ else ''} --apply"
        text = "\n".join([*lines, "" if apply else again])
        return options.say({"move": name, "applied": apply, "what": lines}, text)
