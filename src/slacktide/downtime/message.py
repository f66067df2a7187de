"""What a refusal tells a person: that, for which scope, from when to when with the zone, and whom to ask."""

from __future__ import annotations

from datetime import datetime

from slacktide.core.instant import parse_zone
from slacktide.downtime.reason import Reason


def message_of(reason: Reason, *, organization: str | None) -> str:
    """Give the message of a refusal as plain text; a downtime's own text follows in a line of its own."""
    if reason.code == "not_administrator":
        return "Only an administrator may change settings: ask one, or take a downtime of your organization."
    if reason.code == "reference_only":
        place = reason.lives_at or "a place that your administrator knows"
        return f"{organization} has moved and is kept here for reference only: go on at {place}."
    scope = "The system" if reason.scope == "site" else f"The organization {organization}"
    if reason.phase is None or reason.start is None:
        return f"{scope} is not available: its schedule is not known at the moment. Try again later."
    until = f"to {shown(reason.until, reason.phase.zone)}" if reason.until else "until further notice"
    text = (
        f"{scope} is not available for administrative reasons "
        f"from {shown(reason.start, reason.phase.zone)} {until} ({reason.phase.zone}). Ask {reason.phase.contact}."
    )
    return f"{text}\n{reason.phase.message}" if reason.phase.message else text


def shown(instant: datetime, zone: str) -> str:
    """Write an instant as the wall clock of a zone shows it, with the offset."""
    local = instant.astimezone(parse_zone(zone))
    offset = local.strftime("%z")
    return f"{local:%Y-%m-%d %H:%M} {offset[:3]}:{offset[3:5]}"
