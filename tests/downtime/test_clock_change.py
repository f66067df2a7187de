"""Every clock change of 2026 to 2028 in every zone of the IANA data base that is here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from slacktide.core.instant import RepeatedTime, SkippedTime, parse_instant
from slacktide.core.interval import Period
from slacktide.downtime.recurrence import Recurrence, SecondReading, canonical_rule, occurrences
from tests.downtime import rfc5545
from tests.downtime.clock_change import DAY, FIRST, LAST, changes, first_instant, instant_of, kinds, zones

LENGTH = timedelta(hours=5)
FACTS = [(name, change) for name in zones() for change in changes(name)]


def entered(text, zone, **facts):
    return parse_instant(text, now=FIRST, zone=zone, **facts)


def test_changes_are_found():
    """The zones of this machine have their changes, both ways, one of half an hour and one at midnight among them."""
    assert len(zones()) > 100
    assert {"Europe/Berlin", "America/Havana", "Australia/Lord_Howe", "Africa/Casablanca"} <= {*zones()}
    assert len(changes("Europe/Berlin")) == 6
    assert {abs(change.after - change.before) for _, change in FACTS} >= {timedelta(hours=1), timedelta(minutes=30)}
    assert any(change.readings[0].time() == datetime.min.time() for _, change in FACTS if change.skips)


def test_entered_local_times():
    """A reading that a change skips or repeats is refused with its two meanings; the second beside it is taken."""
    for zone, change in FACTS:
        for reading in change.readings:
            with pytest.raises(SkippedTime if change.skips else RepeatedTime) as caught:
                entered(reading.isoformat(), zone)
            named = [caught.value.facts[name] for name in ("first", "second")]
            assert [entered(text, None) for text in named] == sorted(change.by(reading))
            assert [entered(datetime.fromisoformat(text).isoformat(), zone) for text in named] == sorted(
                change.by(reading)
            )
        for reading in change.outside:
            assert entered(reading.isoformat(), zone) == instant_of(zone, reading)


def test_entered_dates():
    """A date is its day's first instant, as an end the next day's, where midnight is skipped or comes twice too."""
    for zone, change in FACTS:
        for days in (-1, 0, 1, 2):
            day = (change.at + change.before + days * DAY).date()
            assert entered(day.isoformat(), zone) == first_instant(change, day), (zone, day)
            assert entered((day - DAY).isoformat(), zone, end=True) == first_instant(change, day), (zone, day)


def starts(rule, *, first, zone, within):
    """Give readings and starts of a series, each of which has to last as long as it says."""
    start = instant_of(zone, first)
    series = Recurrence(rule=canonical_rule(rule, start=start, zone=zone), length=LENGTH)
    found = list(occurrences(series, start=start, zone=zone, stop=None, within=within))
    assert all(each.period.end - each.period.start == LENGTH for each in found)
    return [(each.reading, each.period.start) for each in found]


def expected(rule, *, first, zone, until):
    parts = dict(part.split("=") for part in rule.split(";"))
    return [(reading, instant_of(zone, reading)) for reading in rfc5545.readings(parts, first, until=until)]


def test_series_across_each_change():
    """A daily series across a change occurs at the readings that RFC 5545 names, and at the instants it gives them."""
    for zone, change in FACTS:
        for reading in (*change.readings, *change.outside):
            first, until = reading - 2 * DAY, reading + 2 * DAY
            within = Period(change.at - 3 * DAY, until.replace(tzinfo=UTC) + DAY)
            wanted = expected("FREQ=DAILY;COUNT=5", first=first, zone=zone, until=until)
            assert starts("FREQ=DAILY;COUNT=5", first=first, zone=zone, within=within) == wanted, (zone, reading)


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=WEEKLY;BYDAY=SU,FR",
        "FREQ=MONTHLY;BYDAY=-1SU",
        "FREQ=YEARLY;BYMONTH=3,4,10,11;BYDAY=1SU,-1SU;BYHOUR=0,1,2;BYMINUTE=0,30",
    ],
)
def test_series_over_three_years(rule):
    """Whatever its shape, a series over all changes reads as RFC 5545 does, in one zone of each kind."""
    until = LAST.replace(tzinfo=None) - 2 * DAY
    parts = dict(part.split("=") for part in rule.split(";"))
    for number, zone in enumerate(kinds()):
        anywhere = datetime(2026, 1, 2) + timedelta(minutes=30 * (number % 7))  # noqa: DTZ001 -- a reading
        first = rfc5545.readings(parts, anywhere, until=until)[0]
        wanted = expected(rule, first=first, zone=zone, until=until)
        found = starts(rule, first=first, zone=zone, within=Period(FIRST, LAST - DAY))
        assert found[: len(wanted)] == wanted, zone


def test_series_that_would_start_at_the_second_reading():
    """A rule names readings, and one that comes twice is the first: a series cannot start at the second."""
    for zone, change in FACTS:
        if not change.skips:
            first, second = change.by(change.readings[1])
            assert canonical_rule("FREQ=DAILY", start=first, zone=zone)
            with pytest.raises(SecondReading):
                canonical_rule("FREQ=DAILY", start=second, zone=zone)
