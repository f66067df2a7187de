"""The instants that commands take as text, and the local times of a zone.

A local time is a wall clock's reading. Where the clock is put forward some readings never occur, and where it
is put back some occur twice; such a reading is refused with both of its meanings, never guessed. A date alone
is different: a day always has a first instant, so a date as a start is that, and a date as an end is the
first instant of the next day.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from slacktide.core.duration import parse_duration
from slacktide.core.errors import UsageError

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(?P<offset>[Zz]|[+-]\d\d:\d\d)?")


class BadInstant(UsageError):
    """{text!r} is not a time: write one like 2026-03-29T22:00:00Z, 2026-03-29T22:00 with a zone, 2026-03-29, now, now+PT10M or (for an end) start+PT2H."""  # noqa: E501 -- the message is one sentence


class UnknownZone(UsageError):
    """The time zone {zone!r} is not in the IANA data base: give one like Europe/Berlin or UTC."""


class ZoneMissing(UsageError):
    """{text!r} is a local time, and nothing says of which zone: add --zone, as in --zone Europe/Berlin, or write the offset, as in {text}+00:00."""  # noqa: E501 -- the message is one sentence


class SkippedTime(UsageError):
    """{text!r} does not exist in {zone}: the clock is put forward over it. Write {first} or {second}."""


class RepeatedTime(UsageError):
    """{text!r} exists twice in {zone}: the clock is put back over it. Write {first} or {second}."""


class FarInstant(UsageError):
    """{text!r} is not a time of the years 1900 to 8999: give one that is."""


_FIRST, _LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


def parse_zone(name: str) -> ZoneInfo:
    """Give the IANA zone of that name. Raises UnknownZone."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UnknownZone(zone=name) from error


def parse_instant(
    text: str, *, now: datetime, zone: str | None = None, start: datetime | None = None, end: bool = False
) -> datetime:
    """Read an instant: RFC 3339, a local date or time of `zone`, `now`, `now+D`, or with a `start` `start+D`.

    With `end`, a date means the first instant of the next day. The answer is in UTC. Raises BadInstant, FarInstant,
    ZoneMissing, UnknownZone, SkippedTime, RepeatedTime, BadDuration, LongDuration.
    """
    try:
        return _near(_parse(text, now=now, zone=zone, start=start, end=end), text)
    except OverflowError as error:  # before the year 1 or beyond 9999, in UTC
        raise FarInstant(text=text) from error


def later(instant: datetime, *, by: str) -> datetime:
    """Give the instant a duration later. Raises BadDuration, LongDuration, FarInstant."""
    return _near(instant + parse_duration(by), by)


def _near(instant: datetime, text: str) -> datetime:
    """Let only those pass that can be reckoned with, however long what is added. Raises FarInstant."""
    if not _FIRST <= instant < _LAST:
        raise FarInstant(text=text)
    return instant


def _parse(text: str, *, now: datetime, zone: str | None, start: datetime | None, end: bool) -> datetime:
    origin, plus, duration = text.partition("+")
    if origin == "now":
        return now + parse_duration(duration) if plus else now
    if origin == "start" and plus and start is not None:
        return start + parse_duration(duration)
    if _DATE.fullmatch(text):
        day = _read_date(text)
        return first_instant(day + timedelta(days=1) if end else day, zone=_zone_of(text, zone))
    return _parse_time(text, zone)


def first_instant(day: date, *, zone: ZoneInfo) -> datetime:
    """Give the first instant of a local day, where midnight is skipped or repeated too."""
    midnight = datetime.combine(day, time.min, tzinfo=zone)
    earlier, later = _meanings(midnight)
    # Only where midnight is skipped does the second reading come first; the day then begins at the change.
    return _change_between(later, earlier, zone) if later < earlier else earlier


def local_instant(reading: datetime, *, zone: ZoneInfo) -> datetime:
    """Give the instant of a wall clock's reading. Raises SkippedTime or RepeatedTime."""
    first, second = _meanings(reading.replace(tzinfo=zone))
    if first == second:
        return first
    refusal = SkippedTime if second < first else RepeatedTime
    shown = [instant.astimezone(zone).isoformat() for instant in sorted((first, second))]
    raise refusal(text=reading.isoformat(), zone=zone.key, first=shown[0], second=shown[1])


def _parse_time(text: str, zone: str | None) -> datetime:
    match = _TIME.fullmatch(text)
    if match is None:
        raise BadInstant(text=text)
    try:
        reading = datetime.fromisoformat(text.upper())
    except ValueError as error:
        raise BadInstant(text=text) from error
    if match["offset"]:
        return reading.astimezone(UTC)
    return local_instant(reading, zone=_zone_of(text, zone))


def _read_date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadInstant(text=text) from error


def _zone_of(text: str, zone: str | None) -> ZoneInfo:
    if zone is None:
        raise ZoneMissing(text=text)
    return parse_zone(zone)


def _meanings(reading: datetime) -> tuple[datetime, datetime]:
    """Give what a reading means by the offsets before and after a change; mostly these are the same."""
    return reading.replace(fold=0).astimezone(UTC), reading.replace(fold=1).astimezone(UTC)


def _change_between(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Give the instant, to the second, at which the zone's offset changes between the two."""
    offset = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after
