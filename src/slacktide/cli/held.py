"""`slacktide held`: what waits for a downtime to end, and looking again now."""

from __future__ import annotations

from typing import Annotated, Any

import psycopg
from cyclopts import App, Parameter
from psycopg.rows import TupleRow

from slacktide.cli.output import ACTING, SHOWN, Acting, Shown, table
from slacktide.control.database import open_control
from slacktide.holding.answer import text_of
from slacktide.holding.listing import held_check, held_list, held_show
from slacktide.worker.presence import NoWorker, require_worker

app = App(name="held", help="Held work: what waits for a downtime to end.")

_Id = Annotated[str, Parameter(name="ID", help="The item's ID, as `list` shows it.")]


@app.command(name="list")
def list_(*, options: Shown = SHOWN) -> int:
    """List all held work that is not done, in the order of its arrival."""
    with open_control() as control, control.connect(name="held list") as connection:
        found = held_list(connection)
    return options.say(found, lambda: _table(found))


@app.command
def show(id_: _Id, /, *, options: Shown = SHOWN) -> int:
    """Show one item of held work, with what happened to it."""
    with open_control() as control, control.connect(name="held show") as connection:
        answer = held_show(connection, id=id_)
    return options.say(answer, lambda: _text(answer))


@app.command
def check(
    id_: Annotated[str | None, Parameter(name="ID", help="An item; left out: all held work.")] = None,
    /,
    *,
    options: Acting = ACTING,
) -> int:
    """Look again now; that never passes a downtime. What was set aside or refused is tried again."""
    with open_control() as control, control.connect(name="held check") as connection:
        found = held_check(connection, id=id_, who=options.who, reason=options.reason or "")
        _note_worker(connection, options)
    return options.say(found, lambda: _table(found))


def _note_worker(connection: psycopg.Connection[TupleRow], options: Shown) -> None:
    try:
        require_worker(connection)
    except NoWorker as error:
        options.note(f"warning: {error}")


def _table(found: list[dict[str, Any]]) -> str:
    rows = [[one["id"], one["organization"], one["step"], one["key"], one["since"], text_of(one)] for one in found]
    return table(rows, head=["id", "organization", "step", "key", "since", "state"])


def _text(answer: dict[str, Any]) -> str:
    head = f"held {answer['id']} of {answer['organization']}, {answer['step']} {answer['key']}: {text_of(answer)}"
    events = [f"  {one['at']}  {one['what']}: {one['because']}" for one in answer["history"]]
    ended = [f"  {answer['ended_at']}  {answer['state']}"] if answer["ended_at"] else []
    return "\n".join([head, f"  {answer['since']}  arrived", *events, *ended])
