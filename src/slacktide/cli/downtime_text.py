"""What `slacktide downtime` says to people, from the documents that `--json` writes; times in the zones."""

from __future__ import annotations

from typing import Any

from slacktide.cli.output import table
from slacktide.cli.zone import Zones


def text(answer: dict[str, Any], zones: Zones) -> str:
    """Write one downtime, and what comes next of it."""
    name = f"downtime {answer['id']}" if answer["id"] else "not saved: a downtime"
    commands = [f"  {command}" for command in answer["commands"].values() if command]
    listed = [f"  {_between(answer, each, zones)}" for each in answer["occurrences"]]
    moved = answer.get("moved_by_zone_data")
    zone = [f"  an update of zone data moved it at {zones.at(answer, moved)}"] if moved else []
    next_ones = ["  next:" if listed else "  nothing of it is to come", *listed] if answer["rrule"] else []
    period = f"{_period(answer, zones)} ({zones.of(answer)})"
    head = f"{name} of {_scope(answer)}: {period}, users {answer['users']}{_off(answer)}"
    testers = ", ".join(answer.get("verifying", []))
    open_for = [f"  open for {testers}, closed for all others until it is ended"] if testers else []
    return "\n".join([head, *open_for, *zone, *next_ones, *_drain(answer, zones), *commands])


def ended(answer: dict[str, Any], zones: Zones) -> str:
    """Write one that was ended or cancelled, and what still keeps its scope down."""
    others = ", ".join(
        f"{one['id']} ({one['scope']}, until {zones.at(answer, one['end']) if one['end'] else 'ended'})"
        for one in answer["because"]
    )
    still = f"{_scope(answer)} is {f'still down because of {others}' if others else 'not down any more'}"
    return f"{text(answer, zones)}\n{still}"


def listing(found: list[dict[str, Any]], zones: Zones) -> str:
    """Write the table of all."""
    rows = [
        [
            one["id"],
            _scope(one),
            zones.at(one, one["start"]),
            _end(one, zones),
            zones.of(one),
            one["users"],
            one["value"],
        ]
        for one in found
    ]
    return table(rows, head=["id", "scope", "start", "end", "zone", "users", "value"])


def _off(answer: dict[str, Any]) -> str:
    """Say that the value is N, which switches off what was never open without an end."""
    if answer["value"] == "Y":
        return ""
    return ", in effect until it is ended although its value is N" if answer["latched"] else ", off: its value is N"


def _drain(answer: dict[str, Any], zones: Zones) -> list[str]:
    drain = answer.get("drain")
    if drain is None:
        return []
    deadline = zones.at(answer, drain["deadline"]) if drain["deadline"] else "its deadline"
    does = {"end": "the leases end", "wait": "it goes on waiting", "give-up": "it is given up"}[drain["then"]]
    said = f": {drain['outcome']}" if drain["outcome"] else ""
    return [f"  if it is not quiet at {deadline}, {does}{said}"]


def _scope(answer: dict[str, Any]) -> str:
    return "the site" if answer["organization"] is None else str(answer["organization"])


def _end(answer: dict[str, Any], zones: Zones) -> str:
    return str(answer["rrule"] or (zones.at(answer, answer["end"]) if answer["end"] else "until ended"))


def _between(answer: dict[str, Any], each: dict[str, Any], zones: Zones) -> str:
    end = f"to {zones.at(answer, each['end'])}" if each["end"] else "until it is ended"
    return f"from {zones.at(answer, each['start'])} {end}"


def _period(answer: dict[str, Any], zones: Zones) -> str:
    start = zones.at(answer, answer["start"])
    if answer["rrule"]:
        stopped = f", cancelled at {zones.at(answer, answer['end'])}" if answer["end"] else ""
        return f"from {start} by {answer['rrule']}{stopped}"
    return f"cancelled, to begin at {start}" if answer["start"] == answer["end"] else _between(answer, answer, zones)
