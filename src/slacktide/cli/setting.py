"""`slacktide setting`: the parameters of the site's behaviour, set for the site, an organization or a user."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import App, Parameter

from slacktide.cli.output import ACTING, SHOWN, Acting, Flag, Shown, table
from slacktide.cli.zone import Zones, read_zones
from slacktide.control.database import open_control
from slacktide.control.setting_change import (
    Answer,
    Times,
    Whose,
    add_setting,
    change_setting,
    remove_setting,
    settings_answer,
)

app = App(name="setting", help="Parameters, set for the site, an organization or a user.")

_Id = Annotated[str, Parameter(name="ID", help="The setting's ID, as `list` shows it.")]
_Parameter = Annotated[str, Parameter(name="PARAMETER", help="The parameter's name.")]
_Site = Annotated[Flag, Parameter(help="For the whole site.")]
_Organization = Annotated[str | None, Parameter(help="For the organization of this code.")]
_User = Annotated[str | None, Parameter(help="For the user of this name.")]
_Start = Annotated[str | None, Parameter(help="When it begins; a new one without it: now.")]
_End = Annotated[str | None, Parameter(help="When it ends; `none`: never; start+PT2H counts from the start.")]
_Zone = Annotated[str | None, Parameter(help="The IANA zone of local times; left out: the organization's.")]


@app.command(name="list")
def list_(
    parameter: Annotated[str | None, Parameter(name="PARAMETER", help="Only of this parameter.")] = None,
    /,
    *,
    site: _Site = False,
    organization: _Organization = None,
    user: _User = None,
    options: Shown = SHOWN,
) -> int:
    """List all settings, past ones too, in the order of their starts."""
    with open_control() as control, control.connect(name="setting list") as connection:
        found = settings_answer(connection, parameter=parameter, whose=Whose(site, organization, user))
        zones = read_zones(connection)
    return options.say(found, lambda: _table(found, zones))


@app.command
def add(
    parameter: _Parameter,
    value: Annotated[str, Parameter(name="VALUE", help="The value.")],
    /,
    *,
    site: _Site = False,
    organization: _Organization = None,
    user: _User = None,
    start: _Start = None,
    end: _End = None,
    zone: _Zone = None,
    options: Acting = ACTING,
) -> int:
    """Set a parameter for the site, an organization or a user."""
    facts: dict[str, Any] = {"parameter": parameter, "value": value, "whose": Whose(site, organization, user)}
    facts |= {"times": Times(start=start, end=end, zone=zone), "who": options.who, "reason": options.reason or ""}
    with open_control() as control, control.connect(name="setting add") as connection:
        return _say(options, add_setting(connection, **facts), read_zones(connection))


@app.command
def change(
    id_: _Id,
    value: Annotated[str | None, Parameter(name="VALUE", help="The new value; left out: as it is.")] = None,
    /,
    *,
    site: _Site = False,
    organization: _Organization = None,
    user: _User = None,
    start: _Start = None,
    end: _End = None,
    zone: _Zone = None,
    options: Acting = ACTING,
) -> int:
    """Change value, start and end of a setting in one act; what is left out stays as it is."""
    facts: dict[str, Any] = {"id": id_, "value": value, "whose": Whose(site, organization, user)}
    facts |= {"times": Times(start=start, end=end, zone=zone), "who": options.who, "reason": options.reason or ""}
    with open_control() as control, control.connect(name="setting change") as connection:
        return _say(options, change_setting(connection, **facts), read_zones(connection))


@app.command
def delete(id_: _Id, /, *, options: Acting = ACTING) -> int:
    """Delete a setting that has not begun; what has begun, or was ever open without an end, is ended instead."""
    with open_control() as control, control.connect(name="setting delete") as connection:
        zones = read_zones(connection)
        answer = remove_setting(connection, id=id_, who=options.who, reason=options.reason or "")
    return options.say(answer.setting, lambda: f"deleted: {_text(answer.setting, zones)}")


def _say(options: Acting, answer: Answer, zones: Zones) -> int:
    for warning in answer.warnings:
        options.note(f"warning: {warning}")
    return options.say(answer.setting | {"warnings": list(answer.warnings)}, lambda: _text(answer.setting, zones))


# -- for people --------------------------------------------------------------------------------------------------------


def _text(one: dict[str, Any], zones: Zones) -> str:
    period = f"from {zones.at(one, one['start'])} {f'to {_end(one, zones)}' if one['end'] else 'without an end'}"
    return f"setting {one['id']}: {one['parameter']} = {one['value']} for {_whose(one)} {period} ({zones.of(one)})"


def _end(one: dict[str, Any], zones: Zones) -> str:
    return zones.at(one, one["end"]) if one["end"] else "no end"


def _table(found: list[dict[str, Any]], zones: Zones) -> str:
    rows = [
        [one["id"], one["parameter"], _whose(one), one["value"], zones.at(one, one["start"]),
         one["rrule"] or _end(one, zones), zones.of(one)]
        for one in found
    ]  # fmt: skip
    return table(rows, head=["id", "parameter", "for", "value", "start", "end", "zone"])


def _whose(one: dict[str, Any]) -> str:
    return str(one["organization"] or one["user"] or "the site")
