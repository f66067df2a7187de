"""Planned downtimes as a calendar (RFC 5545) that people subscribe to: a pure function of settings and organizations.

1. A downtime is changed: its event keeps its UID, and its SEQUENCE is higher, or a calendar keeps the old one.
2. It is cancelled or switched off: the event stays and says so, or a calendar goes on showing it.
3. It recurs: the event carries the rule in its zone, with the zone's definition. An occurrence that is left out is an
   EXDATE, one that has another period an event of its own that names which it stands for.
4. It has no end: an event needs one. It is given the end of the day after the next look, and says that it is not known.
5. A calendar's address is known to more people than its owner thinks: there is nothing in it but what a refused user is
   told as well. The reason of a downtime is for the audit trail.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from icalendar import Calendar, Event, vRecur

from slacktide.core.instant import parse_zone
from slacktide.core.interval import Period
from slacktide.downtime.recurrence import Recurrence
from slacktide.downtime.schedule import Organization
from slacktide.downtime.setting import Setting

_KEPT = timedelta(days=90)  # what has been over for longer is shown no more
_PRODUCT = "-//Slacktide//planned downtimes//EN"
_REFRESH = timedelta(minutes=15)


def calendar(
    *, settings: Iterable[Setting], organizations: Mapping[str, Organization], site: str, now: datetime
) -> bytes:
    """Give the calendar of the site's downtimes and of those of some organizations.

    `site` is the host name of this site, which makes the events' names its own.
    """
    found = Calendar()
    found.add("prodid", _PRODUCT)
    found.add("version", "2.0")
    found.add("method", "PUBLISH")
    found.add("x-wr-calname", "Planned downtimes")
    found.add("refresh-interval", _REFRESH, parameters={"value": "DURATION"})
    for setting in settings:
        if _is_shown(setting, organizations, now=now):
            for event in _events(setting, organizations, site=site, now=now):
                found.add_component(event)
    found.add_missing_timezones()
    return bytes(found.to_ical())


def _is_shown(setting: Setting, organizations: Mapping[str, Organization], *, now: datetime) -> bool:
    mine = setting.organization is None or setting.organization in organizations
    changed = setting.changed_at or setting.start
    recent = not setting.over(now - _KEPT) or Period(now - _KEPT).contains(changed)
    return setting.definition.is_downtime and mine and recent


def _events(
    setting: Setting, organizations: Mapping[str, Organization], *, site: str, now: datetime
) -> Iterable[Event]:
    event = _event(setting, organizations, site=site)
    series = setting.recurrence
    if series is None:
        event.add("dtstart", setting.start)
        if setting.period is not None:
            event.add("dtend", setting.end or _open_end(setting, now=now))
        yield event
        return
    zone = parse_zone(setting.zone)
    event.add("dtstart", series.first_reading(start=setting.start, zone=setting.zone).replace(tzinfo=zone))
    event.add("duration", series.length)
    event.add("rrule", vRecur.from_ical(_rule(series, stop=setting.end)))
    gone = [each.occurrence.replace(tzinfo=zone) for each in series.overrides if each.period is None]
    if gone:
        event.add("exdate", gone)
    yield event
    for override in series.overrides:
        if override.period is not None:
            moved = _event(setting, organizations, site=site)
            moved.add("recurrence-id", override.occurrence.replace(tzinfo=zone))
            moved.add("dtstart", override.start)
            moved.add("dtend", override.end)
            yield moved


def _event(setting: Setting, organizations: Mapping[str, Organization], *, site: str) -> Event:
    event = Event()
    event.add("uid", f"downtime-{setting.id}@{site}")
    event.add("dtstamp", (setting.changed_at or setting.start).astimezone(UTC))
    event.add("sequence", setting.sequence)
    event.add("summary", _summary(setting, organizations))
    event.add("description", _description(setting))
    event.add("status", "CONFIRMED" if setting.is_on and setting.period is not None else "CANCELLED")
    event.add("transp", "TRANSPARENT")
    event.add("categories", ["downtime"])
    return event


def _summary(setting: Setting, organizations: Mapping[str, Organization]) -> str:
    whose = "The system" if setting.organization is None else organizations[setting.organization].name
    return f"{whose}: imports wait" if setting.users == "in" else f"{whose}: down"


def _description(setting: Setting) -> str:
    told = [setting.message, f"Ask {setting.contact}." if setting.contact else None]
    unknown = None if setting.end or setting.recurrence else "Its end is not known yet."
    return "\n".join(text for text in (*told, unknown) if text) or "Planned downtime for administrative reasons."


def _open_end(setting: Setting, *, now: datetime) -> datetime:
    """Give the end of the day after now, or after the start where that comes later."""
    day: Any = max(now, setting.start).astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    end: datetime = day + timedelta(days=2)
    return end


def _rule(series: Recurrence, *, stop: datetime | None) -> str:
    """Give the rule of a series; one that was cancelled ends before the stop."""
    if stop is None:
        return series.rule
    parts = [part for part in series.rule.split(";") if not part.startswith(("COUNT=", "UNTIL="))]
    until = (stop - timedelta(seconds=1)).astimezone(UTC).replace(microsecond=0)
    return ";".join([*parts, f"UNTIL={until:%Y%m%dT%H%M%SZ}"])
