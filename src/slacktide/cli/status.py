"""`slacktide status`: what is open, scheduled, closing or down, and why."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import Parameter

from slacktide.cli.output import SHOWN, Flag, Shown, aside
from slacktide.cli.watching import watch
from slacktide.cli.zone import Zones, read_zones
from slacktide.control.database import open_control
from slacktide.control.organization import organization_of
from slacktide.control.setting import control_now
from slacktide.core.errors import ExitStatus, UsageError
from slacktide.core.instant import parse_instant
from slacktide.cutover.state import Measured, codes, measure_of
from slacktide.cutover.state import states as states_of
from slacktide.holding.store import held_count

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.downtime.state import State

    _Connection = psycopg.Connection[TupleRow]


class AllOrOne(UsageError):
    """--all shows every organization and --organization one: run `slacktide status --all`, or `slacktide status --organization {organization}`."""  # noqa: E501 -- the message is one sentence


_Organization = Annotated[str | None, Parameter(help="The organization's code; left out: the site.")]


# -- status ------------------------------------------------------------------------------------------------------------


def status(
    *,
    organization: _Organization = None,
    at: Annotated[str | None, Parameter(help="At another instant; left out: now, and with who holds it up.")] = None,
    zone: Annotated[str | None, Parameter(help="The IANA zone of --at; left out: the organization's.")] = None,
    all_: Annotated[Flag, Parameter(name="--all", help="The site and every organization.")] = False,
    watching: Annotated[
        Flag, Parameter(name="--watch", help="Say it again when it changes, until interrupted.")
    ] = False,
    options: Shown = SHOWN,
) -> int:
    """Tell whether the site or an organization is open, scheduled, closing or down, and why."""
    if all_ and organization is not None:
        raise AllOrOne(organization=organization)
    with open_control() as control, control.connect(name="status") as connection:
        instant = _instant(connection, at, organization=organization, zone=zone) if at else None

        def look() -> list[State]:
            wanted = codes(connection) if all_ else [organization]
            measured = None if instant else measured_of(connection, wanted)
            found = states_of(connection, organizations=wanted, measured=measured, at=instant)
            return found if measured is None else [_in_full(connection, one, measured) for one in found]

        def say(states: list[State]) -> int:
            answers = [_answer(one) for one in states]
            return options.say(answers if all_ else answers[0], lambda: _texts(answers, read_zones(connection)))

        if watching:
            watch(look, say=say)
        states = look()
        say(states)
    return _exit_status(states) if all_ else states[0].exit_status


def _instant(connection: _Connection, text: str, *, organization: str | None, zone: str | None) -> datetime:
    if zone is None and organization is not None:
        zone = organization_of(connection, code=organization).zone
    return parse_instant(text, now=control_now(connection), zone=zone)


def measured_of(connection: _Connection, wanted: list[str | None]) -> Measured:
    """Ask the guarded databases; name those that do not answer, beside the result."""
    found = measure_of(connection, wanted)
    for unseen in found.unseen:
        aside(f"not asked: {unseen.reason}")
    return found


def _in_full(connection: _Connection, found: State, measured: Measured) -> State:
    """Add what is held and, where it is down, who could write there all the same."""
    down = found.exit_status is not ExitStatus.DONE
    could_pass = measured.passers(found.organization) if down else []
    held = held_count(connection, organization=found.organization)
    return msgspec.structs.replace(found, held=held, could_pass=could_pass)


def _answer(found: State) -> dict[str, Any]:
    """Give the JSON document; the roles are in it where a database guards the organization."""
    return found.answer() | ({"could_still_pass": found.could_pass} if found.could_pass else {})


def _exit_status(states: list[State]) -> ExitStatus:
    return ExitStatus.HELD if any(one.exit_status is ExitStatus.HELD for one in states) else ExitStatus.DONE


def _texts(answers: list[dict[str, Any]], zones: Zones) -> str:
    return "\n".join(_text(one, zones) for one in answers)


def _text(answer: dict[str, Any], zones: Zones) -> str:
    lines = [f"{answer['organization'] or 'the site'}: {_word(answer)}"]
    for one in answer["because"]:
        whose = one if answer["organization"] is None else answer
        end = f"to {zones.at(whose, one['end'])}" if one["end"] else "until it is ended"
        period = f"from {zones.at(whose, one['start'])} {end} ({zones.of(whose)})"
        lines.append(f"  because of {one['scope']} downtime {one['id']} {period}: {one['reason']}")
    times = {"until": answer["until"], "next start": answer["next_start"]}
    lines += [f"  {name} {zones.at(answer, at)}" for name, at in times.items() if at]
    facts = {"lives at": answer["lives_at"], "held:": answer["held"]}
    lines += [f"  {name} {fact}" for name, fact in facts.items() if fact]
    for one in answer.get("could_still_pass", []):
        lines.append(f"  could still write in {one['database']}: {one['role']} ({', '.join(one['because'])})")
    return "\n".join(lines)


def _word(answer: dict[str, Any]) -> str:
    if answer["state"] != "closing":
        return str(answer["state"])
    return f"closing ({', '.join(f'{count} {name}' for name, count in answer['holders'].items())})"
