"""The clock changes of all zones, found by walking through UTC: nothing here asks what a wall clock's reading means.

A zone's clock is a row of stretches, each with one offset. A reading means whatever instant of whatever stretch shows
it: mostly one, none where the clock is put forward over it, two where it is put back over it.
"""

from __future__ import annotations

import functools
import zoneinfo
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

FIRST, LAST = datetime(2026, 1, 1, tzinfo=UTC), datetime(2029, 1, 1, tzinfo=UTC)
ALWAYS = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)


@dataclass(frozen=True)
class Change:
    """At an instant the clock's offset goes from one to another."""

    at: datetime
    before: timedelta
    after: timedelta

    @property
    def readings(self):
        """The first and the last second's reading that are skipped or come twice, and one amid them."""
        first, end = sorted(self.at.replace(tzinfo=None) + offset for offset in (self.before, self.after))
        return first, first + (end - first) // 2, end - SECOND

    @property
    def outside(self):
        """The readings directly before and behind those."""
        first, _, last = self.readings
        return first - SECOND, last + SECOND

    @property
    def skips(self):
        return self.after > self.before

    def by(self, reading):
        """Give the instants that a reading means by the offsets before and after the change."""
        return tuple((reading - offset).replace(tzinfo=UTC) for offset in (self.before, self.after))


def offset(zone, instant):
    return instant.astimezone(zone).utcoffset()


@functools.cache
def changes(name):
    """Give the changes of a zone in the years looked at: each day is compared with the next, then halved."""
    zone, found = zoneinfo.ZoneInfo(name), []
    day, before = FIRST, offset(zoneinfo.ZoneInfo(name), FIRST)
    while day < LAST:
        after = offset(zone, day + DAY)
        if after != before:
            found.append(Change(_instant(zone, day, day + DAY), before, after))
        day, before = day + DAY, after
    return tuple(found)


def _instant(zone, low, high):
    before = offset(zone, low)
    while high - low > SECOND:
        middle = low + (high - low) // SECOND // 2 * SECOND
        low, high = (middle, high) if offset(zone, middle) == before else (low, middle)
    return high


@functools.cache
def zones():
    """Give the names of all zones with a change."""
    return tuple(name for name in sorted(zoneinfo.available_timezones()) if changes(name))


def kinds():
    """Give one zone of each kind: those with the same changes are one."""
    return tuple({changes(name): name for name in reversed(zones())}.values())


def instant_of(name, reading):
    """Give the instant that RFC 5545 gives a reading: the first of two; a skipped one by the offset before."""
    found = changes(name)
    borders = [ALWAYS[0], *(change.at for change in found), ALWAYS[1]]
    offsets = [found[0].before, *(change.after for change in found)]
    aware = reading.replace(tzinfo=UTC)
    for start, end, own in zip(borders, borders[1:], offsets, strict=False):
        if start <= aware - own < end:
            return aware - own
    return next(aware - change.before for change in found if change.skips and aware - change.before >= change.at
                and aware - change.after < change.at)  # fmt: skip


def first_instant(change, day):
    """Give the first instant near a change whose date is `day`, or None."""
    midnight = datetime.combine(day, datetime.min.time(), tzinfo=UTC)
    before, after = midnight - change.before, max(midnight - change.after, change.at)
    found = [before] if before < change.at else []
    return min([*found, after] if after < midnight - change.after + DAY else found, default=None)
