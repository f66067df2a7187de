from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from slacktide.core import instant
from slacktide.core.duration import BadDuration, LongDuration, format_instant, parse_duration

NOW = datetime(2026, 6, 1, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "facts", "expected"),
    [
        ("2026-03-29T22:00:00Z", {}, "2026-03-29T22:00:00Z"),
        ("2026-03-29T22:00:00+02:00", {}, "2026-03-29T20:00:00Z"),
        ("2026-03-29t22:00:00.5z", {}, "2026-03-29T22:00:00.500000Z"),
        ("2026-06-01T10:00", {"zone": "Europe/Berlin"}, "2026-06-01T08:00:00Z"),
        ("2026-06-01 10:00:30", {"zone": "Europe/Berlin"}, "2026-06-01T08:00:30Z"),
        ("2026-06-01", {"zone": "Europe/Berlin"}, "2026-05-31T22:00:00Z"),
        ("2026-06-01", {"zone": "Europe/Berlin", "end": True}, "2026-06-01T22:00:00Z"),
        ("now", {}, "2026-06-01T08:00:00Z"),
        ("now+PT10M", {}, "2026-06-01T08:10:00Z"),
        ("start+PT2H", {"start": NOW + timedelta(days=1)}, "2026-06-02T10:00:00Z"),
    ],
)
def test_reads(text, facts, expected):
    """Each form of a time means what the interface says."""
    assert format_instant(instant.parse_instant(text, now=NOW, **facts)) == expected


@pytest.mark.parametrize(
    ("refusal", "text", "zone"),
    [
        (instant.BadInstant, "tomorrow", "UTC"),
        (instant.BadInstant, "2026-02-30", "UTC"),
        (instant.BadInstant, "2026-02-28T25:00", "UTC"),
        (instant.BadInstant, "2026-W10-1", "UTC"),
        (instant.BadInstant, "start+PT1H", "UTC"),
        (instant.FarInstant, "9999-12-31T23:59:59Z", "UTC"),
        (instant.FarInstant, "9999-12-31", "UTC"),
        (instant.FarInstant, "0001-01-01", "Europe/Berlin"),
        (LongDuration, "now+P9999999D", "UTC"),
        (instant.BadInstant, "", "UTC"),
        (BadDuration, "now+10", "UTC"),
        (instant.ZoneMissing, "2026-06-01T10:00", None),
        (instant.ZoneMissing, "2026-06-01", None),
        (instant.UnknownZone, "2026-06-01", "Europe/Nowhere"),
        (instant.UnknownZone, "2026-06-01", "../etc/passwd"),
    ],
)
def test_refuses(refusal, text, zone):
    """What is not a time, or is a local one of no zone or an unknown one, is refused."""
    with pytest.raises(refusal):
        instant.parse_instant(text, now=NOW, zone=zone)


def test_durations():
    """Weeks are a duration too; one that is too long is refused, and so is an instant that is too far."""
    assert parse_duration("P2W") == timedelta(days=14)
    for text in ("P36526D", "-P36526D", "P5219W", "P999999999W", "P999999999D"):
        with pytest.raises(LongDuration):
            parse_duration(text)
    with pytest.raises(BadDuration):
        parse_duration("P1WT1H")
    last = datetime(8999, 12, 31, tzinfo=UTC)
    assert instant.later(last, by="PT1H") == last + timedelta(hours=1)
    with pytest.raises(instant.FarInstant):
        instant.later(last, by="P1D")


@pytest.mark.parametrize(
    ("refusal", "text", "zone", "first", "second"),
    [
        (
            instant.SkippedTime,
            "2026-03-29T02:30",
            "Europe/Berlin",
            "2026-03-29T01:30:00+01:00",
            "2026-03-29T03:30:00+02:00",
        ),
        (
            instant.RepeatedTime,
            "2026-10-25T02:30",
            "Europe/Berlin",
            "2026-10-25T02:30:00+02:00",
            "2026-10-25T02:30:00+01:00",
        ),
        (
            instant.RepeatedTime,
            "2026-04-05T01:45",
            "Australia/Lord_Howe",
            "2026-04-05T01:45:00+11:00",
            "2026-04-05T01:45:00+10:30",
        ),
    ],
)
def test_clock_changes(refusal, text, zone, first, second):
    """A local time that does not exist or exists twice is refused with both readings named, in their order."""
    with pytest.raises(refusal) as caught:
        instant.parse_instant(text, now=NOW, zone=zone)
    assert (caught.value.facts["first"], caught.value.facts["second"]) == (first, second)
    for reading in (first, second):
        assert instant.parse_instant(reading, now=NOW).tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "border", "zone"),
    [("2026-03-29T02:00", False, "Europe/Berlin"), ("2026-03-29T03:00", True, "Europe/Berlin"),
     ("2026-10-25T01:59", True, "Europe/Berlin"), ("2026-10-25T03:00", True, "Europe/Berlin")],
)  # fmt: skip
def test_borders_of_a_change(text, border, zone):
    """The first reading that is skipped is refused, and those just outside a change are not."""
    if border:
        assert instant.parse_instant(text, now=NOW, zone=zone)
    else:
        with pytest.raises(instant.SkippedTime):
            instant.parse_instant(text, now=NOW, zone=zone)


@pytest.mark.parametrize(
    ("day", "zone", "expected"),
    [
        ("2026-09-06", "America/Santiago", "2026-09-06T04:00:00Z"),  # midnight is skipped: the day begins at 01:00
        ("2026-11-01", "America/Havana", "2026-11-01T04:00:00Z"),  # 00:00 to 01:00 comes twice: the first one
        ("2011-12-30", "Pacific/Apia", "2011-12-30T10:00:00Z"),  # a day that never was: where the next one begins
        ("1919-03-31", "America/Toronto", "1919-03-31T04:30:00Z"),  # from 23:30 on the day before to 00:30
    ],
)
def test_first_instant(day, zone, expected):
    """A date means its day's first instant, where midnight is skipped or repeated too."""
    found = instant.first_instant(date.fromisoformat(day), zone=instant.parse_zone(zone))
    assert format_instant(found) == expected
