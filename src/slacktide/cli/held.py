"""`slacktide held`: what waits for a downtime to end, and looking again now."""

from __future__ import annotations

from typing import Annotated, Any

import psycopg
from cyclopts import App, Parameter
from psycopg.rows import TupleRow

from slacktide.cli.output import ACTING, SHOWN, Acting, Shown, table
from slacktide.control.database import open_control
from slacktide.holding.answer import sums_of, text_of
from slacktide.holding.listing import held_check, held_list, held_show
from slacktide.holding.place import Place, place_answers, remove_place, set_place, without_place
from slacktide.worker.presence import NoWorker, require_worker

app = App(name="held", help="Held work: what waits for a downtime to end.")

place = App(name="place", help="The databases that held work goes to.")
app.command(place)

_RISKS = {"due_at_risk": "due dates", "discounts_at_risk": "discounts"}
_Name = Annotated[str, Parameter(name="NAME", help="The place's name.")]
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


@place.command(name="set")
def set_place_(
    name: _Name,
    address: Annotated[str, Parameter(name="ADDRESS", help="Without a password, or env:NAME or file:PATH.")],
    /,
    *,
    organization: Annotated[
        str | None, Parameter(help="Whose held work goes there; left out: of all that have no place of their own.")
    ] = None,
    options: Acting = ACTING,
) -> int:
    """Add a place for held work, or give it another address or organization. Workers copy the downtimes there."""
    with open_control() as control, control.connect(name="held place set") as connection:
        wanted = Place(name, address, organization)
        set_place(connection, wanted, who=options.who, reason=options.reason or "")
        answer = next(one for one in place_answers(connection) if one["name"] == name)
        _note_worker(connection, options)
    return options.say(answer, f"place {name}: held work {_whose(organization)} goes to {address}")


@place.command(name="list")
def list_places_(*, options: Shown = SHOWN) -> int:
    """List the places of held work, and whether the downtimes could be copied there."""
    with open_control() as control, control.connect(name="held place list") as connection:
        found = place_answers(connection)
    rows = [[one[name] or "" for name in ("name", "organization", "address", "copied_at", "problem")] for one in found]
    return options.say(found, lambda: table(rows, head=["name", "organization", "address", "copied", "problem"]))


@place.command(name="remove")
def remove_place_(name: _Name, /, *, options: Acting = ACTING) -> int:
    """Forget a place. The downtimes that were copied there stay there as they are."""
    with open_control() as control, control.connect(name="held place remove") as connection:
        removed = remove_place(connection, name=name, who=options.who, reason=options.reason or "")
        homeless = without_place(connection)
    if homeless:
        options.note(f"warning: no place is left for held work of {', '.join(homeless)}: it stops until there is one")
    return options.say(removed, f"removed: the place {name}, {removed.address}")


def _whose(organization: str | None) -> str:
    return f"of {organization}" if organization else "of all that have no place of their own"


def _note_worker(connection: psycopg.Connection[TupleRow], options: Shown) -> None:
    try:
        require_worker(connection)
    except NoWorker as error:
        options.note(f"warning: {error}")


def _table(found: list[dict[str, Any]]) -> str:
    rows = [[one["id"], one["organization"], one["step"], one["key"], one["since"], text_of(one)] for one in found]
    listed = table(rows, head=["id", "organization", "step", "key", "since", "state"])
    return "\n".join([listed, *(_sum(one) for one in sums_of(found))])


def _sum(one: dict[str, Any]) -> str:
    risks = [f"{what} {one[name]}" for name, what in _RISKS.items() if one[name]]
    return f"{one['organization']}: {one['count']} held" + (f"; at risk: {', '.join(risks)}" if risks else "")


def _text(answer: dict[str, Any]) -> str:
    head = f"held {answer['id']} of {answer['organization']}, {answer['step']} {answer['key']}: {text_of(answer)}"
    events = [f"  {one['at']}  {one['what']}: {one['because']}" for one in answer["history"]]
    ended = [f"  {answer['ended_at']}  {answer['state']}"] if answer["ended_at"] else []
    return "\n".join([head, f"  {answer['since']}  arrived", *events, *ended])
