from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import Phase, assume, given, reject, settings
from hypothesis import strategies as st

from slacktide.core.interval import Period
from slacktide.downtime import recurrence
from slacktide.downtime.recurrence import BadRule, Override, Recurrence, StartNotInRule, canonical_rule
from tests.downtime import rfc5545

BERLIN = "Europe/Berlin"
FIRST = datetime(2026, 3, 1, 2, 30)  # noqa: DTZ001 -- a reading; a Sunday; four weeks later this reading is skipped in Berlin
YEARS = timedelta(days=4 * 366)
HOURS = timedelta(hours=2)
HOURLY = ",".join(map(str, range(24)))


def at(reading, zone="UTC"):
    return reading.replace(tzinfo=ZoneInfo(zone))


def starts(rule, *, first=FIRST, zone="UTC", within=YEARS, stop=None, overrides=()):
    """Give the starts of a series up to a while after the first one."""
    start = at(first, zone)
    series = Recurrence(rule=canonical_rule(rule, start=start, zone=zone), length=HOURS, overrides=tuple(overrides))
    period = Period(start.astimezone(UTC), (start + within).astimezone(UTC))
    found = recurrence.occurrences(series, start=start, zone=zone, stop=stop, within=period)
    return [each.period.start for each in found]


def numbers(least, most, *, negative=False):
    one = st.integers(least, most)
    either = one | one.map(lambda n: -n) if negative else one
    return st.lists(either, min_size=1, max_size=3, unique=True).map(lambda found: ",".join(map(str, found)))


DAYS = st.sampled_from(rfc5545.WEEKDAYS)
ORDINALS = st.sampled_from(["1", "2", "-1", "4", "-3", "5", ""])
PARTS = {
    "BYMONTH": numbers(1, 12), "BYMONTHDAY": numbers(1, 31, negative=True), "BYYEARDAY": numbers(1, 366, negative=True),
    "BYWEEKNO": numbers(2, 51, negative=True), "BYHOUR": numbers(0, 23), "BYMINUTE": numbers(0, 59),
    "BYSECOND": numbers(0, 59), "BYSETPOS": numbers(1, 6, negative=True), "WKST": DAYS,
    "INTERVAL": st.integers(1, 4).map(str), "COUNT": st.integers(1, 40).map(str),
}  # fmt: skip


@st.composite
def rules(draw):
    """Draw a rule of any shape, also such as are refused."""
    parts = {"FREQ": draw(st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]))}
    for name in draw(st.lists(st.sampled_from([*PARTS, "BYDAY"]), max_size=4, unique=True)):
        ordinal = ORDINALS if parts["FREQ"] in ("MONTHLY", "YEARLY") else st.just("")
        days = st.lists(st.tuples(ordinal, DAYS).map("".join), min_size=1, max_size=3, unique=True).map(",".join)
        parts[name] = draw(days if name == "BYDAY" else PARTS[name])
    return parts


@settings(max_examples=200, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(parts=rules(), day=st.integers(0, 900), second=st.integers(0, 86399))
def test_reads_as_the_rfc(parts, day, second):
    """What is not refused gives the starts that RFC 5545 names, whatever its shape, from the first of them on."""
    anywhere = FIRST + timedelta(days=day, seconds=second)
    horizon = anywhere + timedelta(days=1500)
    expected = rfc5545.readings({k: v for k, v in parts.items() if k != "COUNT"}, anywhere, until=horizon)
    assume(expected)
    first = expected[0]
    expected = rfc5545.readings(parts, first, until=horizon)
    assume(expected)
    assume(expected[0] == first)  # what the start leaves open is another start's now
    rule = ";".join(f"{name}={value}" for name, value in parts.items())
    try:
        canonical = canonical_rule(rule, start=at(first), zone="UTC")
    except BadRule:
        reject()
    assert starts(canonical, first=first, within=horizon - first + timedelta(seconds=1)) == [*map(at, expected)]


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("FREQ=HOURLY", "FREQ has to be one of"),
        ("INTERVAL=2", "FREQ has to be one of"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "a WEEKLY rule has no BYMONTHDAY"),
        ("FREQ=MONTHLY;BYYEARDAY=1", "a MONTHLY rule has no BYYEARDAY"),
        ("FREQ=WEEKLY;BYDAY=1SU", "1SU counts weekdays"),
        ("FREQ=WEEKLY;BYDAY=SU,SA;BYSETPOS=1", "BYSETPOS within weeks"),
        ("FREQ=YEARLY;BYWEEKNO=53;BYDAY=SU", "BYWEEKNO is '53' and has to be 2 to 51, or -51 to -2"),
        ("FREQ=YEARLY;BYWEEKNO=-1;BYDAY=SU", "has to be 2 to 51"),
        ("FREQ=MONTHLY;BYDAY=1SU,MO", "1SU beside a weekday without a number"),
        ("FREQ=YEARLY;BYYEARDAY=60;BYDAY=SU", "BYYEARDAY beside other days"),
        ("FREQ=MONTHLY;BYSETPOS=1", "there is none"),
        ("FREQ=DAILY;COUNT=3;UNTIL=20270101T000000Z", "not by both"),
        ("FREQ=DAILY;UNTIL=20270101", "an instant in UTC"),
        ("FREQ=DAILY;UNTIL=20270101T000000", "an instant in UTC"),
        ("FREQ=DAILY;UNTIL=20271301T000000Z", "an instant in UTC"),
        ("FREQ=DAILY;UNTIL=20270229T240000Z", "an instant in UTC"),
        ("FREQ=DAILY;COUNT=0", "has to be 1 to"),
        ("FREQ=DAILY;BYHOUR=24", "has to be 0 to 23"),
        ("FREQ=DAILY;BYHOUR=-1", "has to be 0 to 23"),
        ("FREQ=DAILY;BYDAY=XX", "has to be a weekday"),
        ("FREQ=DAILY;FREQ=DAILY", "twice"),
        (f"FREQ=DAILY;BYHOUR={HOURLY};BYMINUTE=0,30", "starts 48 times a day, and 24 is the most"),
        ("FREQ=MONTHLY;BYHOUR=0,2,4;BYMINUTE=0,20,40;BYSECOND=0,20,40;BYSETPOS=1", "starts 27 times a day"),
        ("FREQ=DAILY;BYEASTER=1", "no part of a rule"),
        ("FREQ=DAILY;", "no part of a rule"),
        ("", "no part of a rule"),
        ("FREQ=DAILY;INTERVAL=٣", "INTERVAL is"),
    ],
)
def test_refused(rule, why):
    """What the RFC forbids or leaves open is refused with the reason."""
    with pytest.raises(BadRule, match=why):
        canonical_rule(rule, start=at(FIRST), zone="UTC")


def test_start_that_the_rule_does_not_name():
    """A start outside of the rule is refused with the one that could be meant."""
    with pytest.raises(StartNotInRule, match="start at 2026-03-02T02:30:00"):
        canonical_rule("FREQ=WEEKLY;BYDAY=MO", start=at(FIRST), zone="UTC")


def test_a_rule_that_names_nothing_is_refused_soon():
    """A rule that can never hold is refused, and not searched for until the end of time."""
    with pytest.raises((BadRule, StartNotInRule)):
        canonical_rule("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", start=at(FIRST), zone="UTC")


def test_skipped_reading_takes_the_offset_before():
    """02:30 on the day that Berlin skips it is 01:30 UTC, by the offset before, as RFC 5545 says."""
    found = starts("FREQ=WEEKLY", zone=BERLIN, within=timedelta(days=40))
    assert [f"{each:%d %H:%M}" for each in found] == ["01 01:30", "08 01:30", "15 01:30", "22 01:30", "29 01:30",
                                                      "05 00:30"]  # fmt: skip


def test_repeated_reading_is_the_first():
    """02:30 on the day that Berlin has it twice is the first one, and the length is elapsed time."""
    first = datetime(2026, 10, 18, 2, 30)  # noqa: DTZ001 -- a reading
    assert starts("FREQ=WEEKLY;COUNT=2", first=first, zone=BERLIN)[1] == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_until_is_an_instant():
    """UNTIL is compared in UTC and belongs to the series."""
    until = "FREQ=DAILY;UNTIL=20260303T013000Z"
    assert len(starts(until, zone=BERLIN)) == 3
    assert len(starts(until.replace("3000Z", "2959Z"), zone=BERLIN)) == 2


def test_overrides():
    """An occurrence that is left out does not occur; one that has another period occurs there alone."""
    second, third = FIRST + timedelta(days=7), FIRST + timedelta(days=14)
    moved = Override(occurrence=third, start=at(FIRST + timedelta(days=2)), end=at(FIRST + timedelta(days=2, hours=1)))
    found = starts("FREQ=WEEKLY;COUNT=4", overrides=[Override(occurrence=second), moved])
    assert sorted(each.day for each in found) == [1, 3, 22]


def test_moved_from_far_ahead():
    """An occurrence that was moved far from where the rule has it is found where it is."""
    far = Override(occurrence=FIRST + timedelta(days=700), start=at(FIRST), end=at(FIRST + HOURS))
    assert len(starts("FREQ=WEEKLY", overrides=[far], within=timedelta(hours=1))) == 2


def test_stop():
    """None starts at the stop or later; one that started before goes on to its end."""
    stop = at(FIRST + timedelta(days=7))
    assert len(starts("FREQ=WEEKLY", stop=stop)) == 1
    assert len(starts("FREQ=WEEKLY", stop=stop + timedelta(seconds=1))) == 2


def test_next_ten():
    """The next ten are those that are not over, in the order of their starts."""
    series = Recurrence(rule="FREQ=DAILY", length=HOURS)
    now = at(FIRST + timedelta(days=100, hours=1))
    found = recurrence.next_occurrences(series, start=at(FIRST), zone="UTC", stop=None, now=now)
    assert [each.reading for each in found] == [FIRST + timedelta(days=100 + n) for n in range(10)]
