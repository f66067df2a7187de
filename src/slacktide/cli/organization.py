"""`slacktide organization`: who is closed and moved."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import App, Parameter

from slacktide.cli.output import ACTING, SHOWN, Acting, Shown, table
from slacktide.control.database import open_control
from slacktide.control.organization import (
    add_organization,
    change_organization,
    leave_organization,
    list_organizations,
    organization_answer,
)
from slacktide.core.errors import UsageError


class NothingToChange(UsageError):
    """Nothing to change was named: `slacktide organization change {code} --name NAME --zone ZONE` takes one or both."""


app = App(name="organization", help="Organizations: who is closed and moved.")

_Code = Annotated[str, Parameter(name="CODE", help="The organization's code, as its database knows it.")]
_Name = Annotated[str | None, Parameter(help="What people call it; for a new one its code.")]
_Zone = Annotated[str | None, Parameter(help="The IANA time zone of its times; for a new one UTC.")]


@app.command
def add(code: _Code, /, *, name: _Name = None, zone: _Zone = None, options: Acting = ACTING) -> int:
    """Add an organization."""
    with open_control() as control, control.connect(name="organization add") as connection:
        reason = options.reason or ""
        add_organization(connection, code=code, name=name, zone=zone or "UTC", who=options.who, reason=reason)
        answer = organization_answer(connection, code=code)
    return options.say(answer, lambda: _text(answer))


@app.command(name="list")
def list_(*, options: Shown = SHOWN) -> int:
    """List all organizations."""
    with open_control() as control, control.connect(name="organization list") as connection:
        found = list_organizations(connection)
    rows = [[one.code, one.name, one.zone] for one in found]
    return options.say(found, lambda: table(rows, head=["code", "name", "zone"]))


@app.command
def show(code: _Code, /, *, options: Shown = SHOWN) -> int:
    """Show an organization with its sides: it has two while it moves."""
    with open_control() as control, control.connect(name="organization show") as connection:
        answer = organization_answer(connection, code=code)
    return options.say(answer, lambda: _text(answer))


@app.command
def change(code: _Code, /, *, name: _Name = None, zone: _Zone = None, options: Acting = ACTING) -> int:
    """Change an organization's name or zone; what is scheduled stays at its instants."""
    if name is None and zone is None:
        raise NothingToChange(code=code)
    with open_control() as control, control.connect(name="organization change") as connection:
        reason = options.reason or ""
        change_organization(connection, code=code, name=name, zone=zone, who=options.who, reason=reason)
        answer = organization_answer(connection, code=code)
    return options.say(answer, lambda: _text(answer))


@app.command
def reference_only(
    code: _Code,
    /,
    *,
    to: Annotated[str, Parameter(help="Where it lives now, as an address that pages link to.")],
    options: Acting = ACTING,
) -> int:
    """Keep an organization for reference only, since it lives elsewhere now."""
    with open_control() as control, control.connect(name="organization reference-only") as connection:
        leave_organization(connection, code=code, place=to, who=options.who, reason=options.reason or "")
        answer = organization_answer(connection, code=code)
    return options.say(answer, lambda: _text(answer))


def _text(answer: dict[str, Any]) -> str:
    lines = [f"{answer['code']}  {answer['name']}  {answer['zone']}"]
    for side in answer["sides"]:
        place = f" at {side['database']}" if side["database"] else ""
        lives = f", lives at {side['lives_at']}" if side["lives_at"] else ""
        lines.append(f"  {side['side']}{place}: {side['state']} since {side['since']}{lives}")
    return "\n".join(lines)
