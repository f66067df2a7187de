"""`slacktide move error`: objects that failed, wait or differ, and their three ways out."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from slacktide.cli.output import ACTING, SHOWN, Acting, Shown
from slacktide.control.database import open_control
from slacktide.core.duration import format_instant
from slacktide.transfer import acceptance
from slacktide.transfer.move import load_move

app = App(name="error", help="Objects that failed, wait or differ: list them, accept one by name.")

_Name = Annotated[str, Parameter(name="NAME", help="The move's name.")]


@app.command(name="list")
def list_(name: _Name, /, *, options: Shown = SHOWN) -> int:
    """List the objects that failed, wait, were warned about or differ, with what can be done to each."""
    with open_control() as control, control.connect(name="move error list") as connection:
        found = acceptance.errors(connection, move=load_move(connection, name=name))
    text = "\n".join(line for error in found for line in _lines(error))
    return options.say({"move": name, "errors": found}, text or "None failed, waits, was warned about or differs.")


def _lines(error: acceptance.ObjectError) -> list[str]:
    lines = [f"{error.id}  {error.state}: {error.reason}"]
    if error.accepted is not None:
        who = f"{error.accepted.name} ({error.accepted.role}) at {format_instant(error.accepted.at)}"
        return [*lines, f"  accepted by {who}: {error.accepted.reason}"]
    lines += [f"  {way.way}: {way.command}" for way in error.ways]
    return lines + (["  it bears money: it cannot be accepted"] if error.money else [])


@app.command
def accept(
    name: _Name,
    error: Annotated[str, Parameter(name="ERROR", help="ENTITY:KEY, or the message's ID.")],
    /,
    *,
    role: Annotated[str, Parameter(help="In which role it is accepted.")] = "operator",
    name_: Annotated[str | None, Parameter(name="--name", help="Who accepts it; default: who runs this.")] = None,
    options: Acting = ACTING,
) -> int:
    """Accept an object's error by name, with a reason: the object is left out. Money is never accepted."""
    with open_control() as control, control.connect(name="move error accept") as connection:
        move = load_move(connection, name=name)
        by = name_ or options.who
        found = acceptance.accept(
            connection, move=move, error=error, name=by, role=role, reason=options.reason or "", who=options.who
        )
        waiting = [e for e in acceptance.errors(connection, move=move) if e.state == "waiting" and e.accepted is None]
    text = [f"{found.id} is left out, accepted by {by} ({role}): {options.reason}"]
    text += [f"{len(waiting)} still wait for an object: slacktide move error list {name}"] if waiting else []
    value = {
        "move": name,
        "error": found.id,
        "name": by,
        "role": role,
        "reason": options.reason,
        "waiting": len(waiting),
    }
    return options.say(value, "\n".join(text))
