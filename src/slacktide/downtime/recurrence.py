"""When a recurring downtime occurs: an RFC 5545 RRULE in its zone (downtime specification, section 3).

A rule names readings of a wall clock; each becomes an instant of its own. Where the clock skips a reading, it is
taken by the offset before the change; where a reading comes twice, it is the first one. The length is elapsed time. So
a series follows its zone, whatever becomes of that, and each occurrence is a bounded period.

An occurrence is named by its reading, which zone data cannot move. The first one is kept as a reading too: if the rule
were read from the start's instant, an update of zone data would give each occurrence another name, and overrides would
meet none. An *override* gives one another period, or takes it out (EXDATE).

python-dateutil works the rule out. Where it departs from RFC 5545, or where the RFC leaves open what is meant, the
rule is refused with the reason, or what is missing is filled in:

1. BYWEEKNO without BYDAY means the weekday of the start; dateutil takes the whole week. Filled in.
2. A start that the rule does not name is undefined; dateutil drops it, others count it. Refused.
3. BYSETPOS counts within the whole interval; of the first week dateutil sees only what comes after the start, and of
   numbered weeks only the days within the year. Refused with WEEKLY and with BYWEEKNO.
4. The first and the last weeks of a year may lie in two, and it is open to which they belong. Refused: BYWEEKNO is 2
   to 51, or counted from the end.
5. What the RFC forbids (an ordinal weekday in a WEEKLY rule, BYMONTHDAY in one, BYYEARDAY in a MONTHLY one, ...)
   dateutil reads somehow. Refused.
6. Weekdays with an ordinal beside some without: dateutil takes only those that are both. Refused.
7. UNTIL is compared as an instant; dateutil would compare readings.
8. A frequency of hours or less has no reading in an hour that comes twice. Refused.
9. A start in the second of two such hours has the reading of the first, so that the series would begin before it.
   Refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from math import prod

import msgspec

from slacktide.core.duration import format_instant
from slacktide.core.errors import InputError
from slacktide.core.instant import parse_zone
from slacktide.core.interval import Period

_FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_PARTS = ("FREQ", "UNTIL", "COUNT", "INTERVAL", "BYSECOND", "BYMINUTE", "BYHOUR", "BYDAY", "BYMONTHDAY", "BYYEARDAY",
          "BYWEEKNO", "BYMONTH", "BYSETPOS", "WKST")  # fmt: skip
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_BOUNDS = {  # the least and the largest number, and whether it may be counted from the end
    "BYSECOND": (0, 59, False), "BYMINUTE": (0, 59, False), "BYHOUR": (0, 23, False), "BYMONTHDAY": (1, 31, True),
    "BYYEARDAY": (1, 366, True), "BYWEEKNO": (2, 51, True), "BYMONTH": (1, 12, False), "BYSETPOS": (1, 366, True),
    "COUNT": (1, 100_000, False), "INTERVAL": (1, 1000, False),
}  # fmt: skip
_FORBIDDEN = {  # RFC 5545, section 3.3.10: the parts that a frequency must not have
    "DAILY": ("BYWEEKNO", "BYYEARDAY"),
    "WEEKLY": ("BYWEEKNO", "BYYEARDAY", "BYMONTHDAY"),
    "MONTHLY": ("BYWEEKNO", "BYYEARDAY"),
    "YEARLY": (),
}
_MOST_STARTS = 24  # a day: each compiling of the schedule goes through them
_DAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)")
_UNTIL = re.compile(r"\d{8}T\d{6}Z")


class BadRule(InputError):
    """The recurrence {rule!r} cannot be used: {reason}."""


class StartNotInRule(InputError):
    """The start {start} is not one of those that {rule!r} names, so that it is not said whether it counts: start at {first}."""  # noqa: E501 -- the message is one sentence


class SecondReading(InputError):
    """The start {start} is the second time that the clock shows {reading}, and a recurrence takes the first: start at {first}, or at a time that comes once."""  # noqa: E501 -- the message is one sentence


class Override(msgspec.Struct, frozen=True):
    """Another period for the occurrence of a reading; without a period it is left out."""

    occurrence: datetime  # the reading, without an offset
    start: datetime | None = None
    end: datetime | None = None

    @property
    def period(self) -> Period | None:
        """The period that it has instead."""
        return None if self.start is None else Period(self.start, self.end)


class Occurrence(msgspec.Struct, frozen=True):
    """One occurrence: the reading that names it, and its period."""

    reading: datetime
    period: Period


class Recurrence(msgspec.Struct, frozen=True, kw_only=True):
    """A rule with its length, its overrides, and the reading of its first start. Start and zone are the setting's."""

    rule: str
    length: timedelta
    overrides: tuple[Override, ...] = ()
    first: datetime | None = None  # None: that of the start, as it has not been saved yet

    def first_reading(self, *, start: datetime, zone: str) -> datetime:
        """Give the reading at which it begins."""
        return self.first or reading_of(start, zone=zone)


def canonical_rule(text: str, *, start: datetime, zone: str) -> str:
    """Give a rule as it is kept: checked, in capitals, complete. Raises BadRule, StartNotInRule, SecondReading."""
    parts = _read(text.strip().upper().removeprefix("RRULE:"))
    frequency = parts.get("FREQ", "")
    if frequency not in _FREQUENCIES:
        raise BadRule(rule=text, reason=f"FREQ has to be one of {', '.join(_FREQUENCIES)}")
    for name, least, most, negative in ((n, *bounds) for n, bounds in _BOUNDS.items() if n in parts):
        _check_numbers(text, name, parts[name], least=least, most=most, negative=negative)
    _check_days(text, parts)
    _check_together(text, parts)
    _check_often(text, parts)
    reading = reading_of(start, zone=zone)
    if "BYWEEKNO" in parts and "BYDAY" not in parts:
        parts["BYDAY"] = _WEEKDAYS[reading.weekday()]
    rule = ";".join(f"{name}={parts[name]}" for name in _PARTS if name in parts)
    first = next(_readings(rule, reading), None)
    if first is None:
        raise BadRule(rule=text, reason="it names no time at all")
    if first != reading:
        raise StartNotInRule(start=reading.isoformat(), rule=text, first=first.isoformat())
    _require_first_reading(start, reading, zone=zone)
    return rule


def occurrences(
    recurrence: Recurrence, *, start: datetime, zone: str, stop: datetime | None, within: Period
) -> Iterator[Occurrence]:
    """Give the occurrences that have an instant within a period: those with a period of their own, then by the rule.

    By the rule none starts at `stop` or later. One that has another period lies where that is, whatever the stop says.
    """
    for override in recurrence.overrides:
        if override.period is not None and override.period.overlaps(within):
            yield Occurrence(override.occurrence, override.period)
    others = {override.occurrence for override in recurrence.overrides}
    first = recurrence.first_reading(start=start, zone=zone)
    for reading, at in _starts(recurrence.rule, first=first, zone=zone, stop=stop):
        if within.ended(at):
            return
        period = Period(at, at + recurrence.length)
        if reading not in others and period.overlaps(within):
            yield Occurrence(reading, period)


def next_occurrences(
    recurrence: Recurrence, *, start: datetime, zone: str, stop: datetime | None, now: datetime, count: int = 10
) -> list[Occurrence]:
    """Give the occurrences that are not over, the first `count` of them, in the order of their starts."""
    found = occurrences(recurrence, start=start, zone=zone, stop=stop, within=Period(now))
    ahead = list(islice(found, count + len(recurrence.overrides)))
    return sorted(ahead, key=lambda each: each.period.start)[:count]


def instant_of(reading: datetime, *, zone: str) -> datetime:
    """Give a reading's instant as RFC 5545 says: skipped by the offset before, repeated the first."""
    return reading.replace(tzinfo=parse_zone(zone), fold=0).astimezone(UTC)


def reading_of(instant: datetime, *, zone: str) -> datetime:
    """Give what a wall clock of the zone shows at an instant."""
    return instant.astimezone(parse_zone(zone)).replace(tzinfo=None)


def _starts(rule: str, *, first: datetime, zone: str, stop: datetime | None) -> Iterator[tuple[datetime, datetime]]:
    """Give readings and instants of all starts, before overrides."""
    parts = _read(rule)
    until = _until(rule, parts)
    for reading in _readings(rule, first):
        at = instant_of(reading, zone=zone)
        if (until is not None and at != until and Period(until).contains(at)) or (stop and Period(stop).contains(at)):
            return
        yield reading, at


def _readings(rule: str, first: datetime) -> Iterator[datetime]:
    parts = ";".join(part for part in rule.split(";") if not part.startswith("UNTIL="))
    from dateutil.rrule import rrulestr  # noqa: PLC0415 -- most schedules have nothing that recurs, and do without

    return iter(rrulestr(parts, dtstart=first))


def _read(text: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if not equals or not value or name not in _PARTS:
            raise BadRule(rule=text, reason=f"{part!r} is no part of a rule; those are {', '.join(_PARTS)}")
        if name in parts:
            raise BadRule(rule=text, reason=f"{name} is there twice")
        parts[name] = value
    return parts


def _check_numbers(text: str, name: str, value: str, *, least: int, most: int, negative: bool) -> None:
    for item in value.split(",") if name.startswith("BY") else [value]:
        sign, digits = (item[:1], item[1:]) if item[:1] in ("+", "-") else ("", item)
        fits = digits.isascii() and digits.isdigit() and least <= int(digits) <= most
        if not fits or (sign and not negative):
            minus = f", or -{most} to -{least}" if negative else ""
            raise BadRule(rule=text, reason=f"{name} is {item!r} and has to be {least} to {most}{minus}")


def _check_days(text: str, parts: dict[str, str]) -> None:
    if parts.get("WKST", "MO") not in _WEEKDAYS:
        raise BadRule(rule=text, reason=f"WKST has to be one of {', '.join(_WEEKDAYS)}")
    _until(text, parts)
    for item in parts["BYDAY"].split(",") if "BYDAY" in parts else ():
        match = _DAY.fullmatch(item)
        if match is None or (match[1] and not 1 <= abs(int(match[1])) <= 53):  # noqa: PLR2004 -- weeks of a year
            raise BadRule(rule=text, reason=f"BYDAY is {item!r} and has to be a weekday like MO, or 1MO, or -1FR")
        if match[1] and any(_DAY.sub(r"\1", other) == "" for other in parts["BYDAY"].split(",")):
            raise BadRule(rule=text, reason=f"{item} beside a weekday without a number is read differently by programs")
        if match[1] and (parts["FREQ"] not in ("MONTHLY", "YEARLY") or "BYWEEKNO" in parts):
            raise BadRule(rule=text, reason=f"{item} counts weekdays of a month or a year, and this rule has neither")


def _until(text: str, parts: dict[str, str]) -> datetime | None:
    """Give the instant of UNTIL, if it is there; its form is held beside, since `strptime` takes fewer digits too."""
    try:
        if "UNTIL" not in parts:
            return None
        if _UNTIL.fullmatch(parts["UNTIL"]):
            return datetime.strptime(parts["UNTIL"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:  # a 13th month, a 30th of February
        pass
    raise BadRule(rule=text, reason="UNTIL has to be an instant in UTC, as in 20271231T230000Z")


def _check_together(text: str, parts: dict[str, str]) -> None:
    frequency = parts["FREQ"]
    for name in _FORBIDDEN[frequency]:
        if name in parts:
            raise BadRule(rule=text, reason=f"a {frequency} rule has no {name}")
    if "COUNT" in parts and "UNTIL" in parts:
        raise BadRule(rule=text, reason="it ends by COUNT or by UNTIL, not by both")
    if "BYSETPOS" in parts:
        if not any(name.startswith("BY") and name != "BYSETPOS" for name in parts):
            raise BadRule(rule=text, reason="BYSETPOS chooses among what another BY part names, and there is none")
        if frequency == "WEEKLY" or "BYWEEKNO" in parts:
            raise BadRule(rule=text, reason="BYSETPOS within weeks is read differently by different programs")
    if "BYYEARDAY" in parts and ("BYMONTHDAY" in parts or "BYDAY" in parts or "BYWEEKNO" in parts):
        raise BadRule(rule=text, reason="BYYEARDAY beside other days is read differently by different programs")


def _check_often(text: str, parts: dict[str, str]) -> None:
    times = [len({*parts[name].split(",")}) for name in ("BYHOUR", "BYMINUTE", "BYSECOND") if name in parts]
    if (starts := prod(times)) > _MOST_STARTS:
        raise BadRule(rule=text, reason=f"it starts {starts} times a day, and {_MOST_STARTS} is the most")


def _require_first_reading(start: datetime, reading: datetime, *, zone: str) -> None:
    first = instant_of(reading, zone=zone)
    if first != start:
        shown_first = first.astimezone(parse_zone(zone)).isoformat()
        raise SecondReading(start=format_instant(start), reading=reading.isoformat(), first=shown_first)


def shown(occurrence: Occurrence) -> dict[str, str | None]:
    """Give an occurrence as JSON lists it."""
    end = occurrence.period.end
    return {
        "occurrence": occurrence.reading.isoformat(),
        "start": format_instant(occurrence.period.start),
        "end": format_instant(end) if end else None,
    }
