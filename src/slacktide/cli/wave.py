"""`slacktide wave`: moves that go down together, in waves; and their board."""

from __future__ import annotations

import csv
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import App, Parameter

from slacktide.cli.output import ACTING, SHOWN, Acting, Flag, Shown, table, write
from slacktide.cli.pair import gos_of, require_reason_to_waive, waived_of
from slacktide.control.database import open_control
from slacktide.control.downtime import Wish
from slacktide.core import clock
from slacktide.core.errors import InputError, UsageError
from slacktide.cutover import wave
from slacktide.transfer.move import load_move
from slacktide.worker.presence import require_worker

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

app = App(name="wave", help="Waves: moves that go down together, each in its own window.")

_Name = Annotated[str, Parameter(name="NAME", help="The wave's name.")]
_Pairs = tuple[str, ...]
_COLUMNS = ("wave", "move", "property", "start", "end")
_WATCH_SECONDS = 1.0


class WaveWithoutMoves(UsageError):
    """The wave {name!r} has no move: name them, as in `slacktide wave create {name} --move NAME NAME`."""


class WaveFileUnreadable(UsageError):
    """The waves in {file} cannot be read: {reason}. Give a CSV file with the columns wave,move,property,start,end; property and the window may be empty, as in `slacktide wave import waves.csv`."""  # noqa: E501 -- the message is one sentence


class OtherProperty(InputError):
    """Line {line} of {file} says that the move {move} is of {named}, but it is of {property}: nothing was saved. Mend the line, then run `slacktide wave import {file}`."""  # noqa: E501 -- the message is one sentence


@app.command
def create(
    name: _Name,
    /,
    *,
    move: Annotated[
        tuple[str, ...], Parameter(consume_multiple=True, negative="", show_default=False, help="The moves in it.")
    ] = (),
    start_: Annotated[
        str | None, Parameter(name="--start", help="When the window of each begins; left out: schedule it yourself.")
    ] = None,
    end: Annotated[str | None, Parameter(help="When it ends; start+PT2H counts from the start.")] = None,
    for_: Annotated[str | None, Parameter(name="--for", help="How long it lasts, as in PT2H.")] = None,
    options: Acting = ACTING,
) -> int:
    """Write down a wave of moves; with a window, a downtime of each property is scheduled, users out."""
    if not move:
        raise WaveWithoutMoves(name=name)
    window = None
    if start_ or end or for_:
        window = Wish(start=start_, end=end, duration=for_, users="out")
    with open_control() as control, control.connect(name="wave create") as connection:
        return _created(connection, {name: dict.fromkeys(move, window)}, options)


@app.command(name="import")
def import_(
    file: Annotated[Path, Parameter(name="FILE", help="A CSV file: wave,move,property,start,end.")],
    /,
    *,
    options: Acting = ACTING,
) -> int:
    """Write down waves from a CSV file, each move with its own window; all of them or none."""
    with open_control() as control, control.connect(name="wave import") as connection:
        found: dict[str, dict[str, Wish | None]] = {}
        for line, row in _rows(file):
            move = load_move(connection, name=row["move"])
            if row["property"] not in ("", move.property_code):
                raise OtherProperty(line=line, file=file, move=move.name, named=row["property"],
                                    property=move.property_code)  # fmt: skip
            window = Wish(start=row["start"], end=row["end"], users="out") if row["start"] else None
            found.setdefault(row["wave"], {})[move.name] = window
        return _created(connection, found, options)


def _rows(file: Path) -> list[tuple[int, dict[str, str]]]:
    """Give the lines with their numbers. Raises WaveFileUnreadable."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.DictReader(opened, restval="")
            missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
            rows = [(reader.line_num, {name: row.get(name, "").strip() for name in _COLUMNS}) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise WaveFileUnreadable(file=file, reason=error) from error
    lacking = [
        line for line, row in rows if not (row["wave"] and row["move"]) or bool(row["start"]) != bool(row["end"])
    ]
    reasons = [f"it lacks {', '.join(missing)}"] if missing else [f"line {line} is not whole" for line in lacking]
    if reasons or not rows:
        raise WaveFileUnreadable(file=file, reason=reasons[0] if reasons else "it has no line")
    return rows


def _created(
    connection: psycopg.Connection[TupleRow], waves: dict[str, dict[str, Wish | None]], options: Acting
) -> int:
    answers = []
    with connection.transaction():
        for name, moves in waves.items():
            ids = wave.create(connection, name=name, moves=moves, who=options.who, reason=options.reason or "")
            answers.append({"name": name, "moves": [*moves], "downtimes": ids})
    lines = [
        f"{one['name']}: {len(one['moves'])} moves, {len(one['downtimes'])} windows; "
        f"begin with `slacktide wave start {one['name']}`"
        for one in answers
    ]
    return options.say(answers, "\n".join(lines))


@app.command(name="list")
def list_(*, options: Shown = SHOWN) -> int:
    """List all waves, with how many of their moves are open, and how many stopped."""
    with open_control() as control, control.connect(name="wave list") as connection:
        answers = [_counted(connection, one) for one in wave.waves(connection)]
    rows = [
        [
            one["name"],
            "started" if one["started_by"] else "not started",
            *(str(one[n]) for n in ("moves", "open", "stopped")),
        ]
        for one in answers
    ]
    return options.say(answers, lambda: table(rows, head=["wave", "", "moves", "open", "stopped"]))


def _counted(connection: psycopg.Connection[TupleRow], one: wave.Wave) -> dict[str, Any]:
    states = [line.state for line in wave.board(connection, name=one.name)]
    stopped = sum(state in ("stopped", "failed") for state in states)
    counted = {"moves": len(states), "open": states.count("open"), "stopped": stopped}
    facts: dict[str, Any] = msgspec.to_builtins(one)
    return facts | counted


@app.command
def show(
    name: _Name,
    /,
    *,
    watch: Annotated[Flag, Parameter(help="Show it again and again, until interrupted.")] = False,
    options: Shown = SHOWN,
) -> int:
    """Show the board: each property's task, state, step, down time so far, error, and the next command."""
    with open_control() as control, control.connect(name="wave show") as connection:
        while True:
            lines = wave.board(connection, name=name)
            if watch and not options.json and sys.stdout.isatty():
                write("\x1b[H\x1b[2J")
            options.say({"wave": name, "moves": lines}, _board(name, lines))
            if not watch:
                return 0
            clock.sleep(_WATCH_SECONDS)


def _board(name: str, lines: list[wave.Line]) -> str:
    rows = [
        [line.property, line.move, str(line.task), line.state, "yes" if line.steady else "no", line.step or "",
         _seconds(line.down_seconds), _seconds(line.predicted_seconds), line.next or ""]
        for line in lines
    ]  # fmt: skip
    head = ["property", "move", "task", "state", "steady", "step", "down", "predicted", "next"]
    states = [line.state for line in lines]
    counted = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    errors = [f"{line.move}: {line.error}" for line in lines if line.error]
    return "\n".join([f"wave {name}: {counted}", table(rows, head=head), *errors])


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} s"


@app.command
def start(
    name: _Name,
    /,
    *,
    business_date: Annotated[
        date | None, Parameter(help="The business date it is done on; default: today's at each property.")
    ] = None,
    go: Annotated[
        _Pairs, Parameter(consume_multiple=True, negative="", show_default=False, help="A go for all, as ROLE=NAME.")
    ] = (),
    waive: Annotated[
        _Pairs,
        Parameter(
            consume_multiple=True, negative="", show_default=False, help="A check waived for all, as CHECK=NAME."
        ),
    ] = (),
    options: Acting = ACTING,
) -> int:
    """Have workers carry every move of a wave on: its processes, and in its window, when all holds, its down time."""
    with open_control() as control, control.connect(name="wave start") as connection:
        moves = wave.moves_of(connection, name=name)
        given = [gos_of(go, move=move) for move in moves]
        waived = [waived_of(waive, move=move.name) for move in moves]
        require_reason_to_waive(waive, reason=options.reason, what=f"slacktide wave start {name}")
        require_worker(connection)
        wave.start(connection, name=name, waived=waived[0] if waived else {}, gos=given[0] if given else {},
                   business_date=business_date, who=options.who, reason=options.reason or "")  # fmt: skip
    listed = [move.name for move in moves]
    text = f"{name}: workers carry {len(listed)} moves on; watch with `slacktide wave show {name} --watch`"
    return options.say({"wave": name, "moves": listed}, text)


@app.command
def stop(name: _Name, /, *, options: Acting = ACTING) -> int:
    """Begin nothing more in a wave; what has begun goes on."""
    with open_control() as control, control.connect(name="wave stop") as connection:
        wave.stop(connection, name=name, who=options.who, reason=options.reason or "")
    text = f"{name}: nothing more begins; what has begun goes on. Go on with `slacktide wave start {name}`"
    return options.say({"wave": name}, text)
