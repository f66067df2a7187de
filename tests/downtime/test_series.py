from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slacktide.downtime import in_effect, series
from slacktide.downtime.drain import start_in_effect
from slacktide.downtime.parameter import DISABLE_USER_ACCESS
from slacktide.downtime.recurrence import BadRule, Recurrence
from slacktide.downtime.saving import (
    AlreadyBegun,
    AlreadyOver,
    EndNotAfterStart,
    EndPassed,
    NotDeletable,
    WholeSetting,
    check_deletable,
    new_setting,
)

DAY = 24
INSTANT = timedelta(microseconds=1)


def daily(example, *, rule="FREQ=DAILY", hours=2, now=0, **more):
    """Give a downtime of the hotel every day from 10:00 in Berlin, the tests' hour 0, on."""
    recurrence = Recurrence(rule=rule, length=timedelta(hours=hours))
    draft = example.own(0, None, zone="Europe/Berlin", recurrence=recurrence, **more)
    return new_setting(series.new_series(draft, now=example.at(now)), now=example.at(now))


def down(example, setting, hour):
    """Tell whether it is in effect, as the rules and as the compiled schedule say."""
    now = example.at(hour)
    compiled = example.schedule(setting).side("HOTEL").phases.at(now).in_effect
    assert compiled == in_effect(setting, now)
    return compiled


def test_occurrences_are_bounded_and_never_latched(example):
    """A series is in effect during its occurrences alone, is not latched without an end, and is off with value N."""
    setting = daily(example)
    assert not setting.latched
    assert [down(example, setting, hour) for hour in (-1, 0, 1.9, 2, DAY, DAY + 2)] == [
        False,
        True,
        True,
        False,
        True,
        False,
    ]
    assert not down(example, daily(example, value="N"), 1)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_compiled_schedule_reads_as_the_rules(example, data):
    """At every boundary of series and bounded downtimes, and a microsecond either side, the schedule says the same."""
    rules = ["FREQ=DAILY", "FREQ=DAILY;INTERVAL=3", "FREQ=WEEKLY", "FREQ=DAILY;COUNT=4", "FREQ=MONTHLY"]
    made = [
        daily(example, rule=data.draw(st.sampled_from(rules)), hours=data.draw(st.integers(1, 30)), id="5",
              users=data.draw(st.sampled_from([None, "in", "out"]))),
        example.own(data.draw(st.integers(0, 40)), data.draw(st.integers(41, 99)), None, id="6"),
        example.setting(DISABLE_USER_ACCESS, "N", data.draw(st.integers(0, 40)), None, id="7"),
    ]  # fmt: skip
    schedule = example.schedule(*made)
    phases = schedule.side("HOTEL").phases
    for now in [b + step for b in phases.boundaries[:20] for step in (-INSTANT, timedelta(), INSTANT)]:
        assert {s.id for s in phases.at(now).downtimes} == {s.id for s in made[:2] if in_effect(s, now)}


def test_nothing_is_said_beyond_the_horizon(example):
    """What the schedule knows of a series ends somewhere: no answer is valid beyond, and the next one is known."""
    schedule = example.schedule(daily(example, rule="FREQ=YEARLY"))
    assert schedule.horizon == example.at(35 * DAY)
    assert schedule.next_boundary(example.at(3), organization="HOTEL") == schedule.horizon
    later = schedule.side("HOTEL").phases.later(example.at(3))
    assert next(boundary.year for boundary, _ in later) == 2027
    assert example.schedule(example.own(0, 1)).horizon is None


def test_left_out_and_moved(example):
    """An occurrence to come can be left out or moved, named by its start; one that began cannot."""
    setting = daily(example)
    setting = series.without(setting, occurrence=example.at(DAY), now=example.at(1))
    setting = series.moved(setting, occurrence=example.at(2 * DAY), to=example.at(2 * DAY + 6), now=example.at(1))
    assert [down(example, setting, n * DAY + h) for n, h in ((0, 1), (1, 1), (2, 1), (2, 7), (3, 1))] == [
        True, False, False, True, True]  # fmt: skip
    again = series.moved(setting, occurrence=example.at(2 * DAY + 6), to=example.at(2 * DAY), now=example.at(1))
    assert down(example, again, 2 * DAY + 1)
    with pytest.raises(AlreadyBegun):
        series.without(setting, occurrence=example.at(0), now=example.at(1))
    with pytest.raises(series.UnknownOccurrence, match="next ones start at 2026-06-01T08:00:00Z, 2026-06-03T14:00:00Z"):
        series.without(setting, occurrence=example.at(5), now=example.at(1))
    with pytest.raises(EndPassed):
        series.moved(setting, occurrence=example.at(3 * DAY), to=example.at(-3), now=example.at(1))


def test_ended_and_extended(example):
    """The occurrence in effect ends now, or later; the others stay as they are."""
    setting = daily(example)
    early = series.ended(setting, now=example.at(1))
    assert [down(example, early, hour) for hour in (0.5, 1, 1.5, DAY + 1.5)] == [True, False, False, True]
    late = series.extended(setting, end=example.at(5), now=example.at(1))
    assert [down(example, late, hour) for hour in (4, 5, DAY + 4)] == [True, False, False]
    with pytest.raises(series.NoneInEffect, match="skip 2 --occurrence 2026-06-02T08:00:00Z"):
        series.ended(setting, now=example.at(3))
    with pytest.raises(EndNotAfterStart):
        series.ended(setting, now=example.at(0))
    with pytest.raises(EndPassed):
        series.extended(setting, end=example.at(0.5), now=example.at(1))


def test_cancelled(example):
    """Cancelling takes away all that is still to come, moved ones too, and lets the one in effect go on."""
    setting = series.moved(daily(example), occurrence=example.at(DAY), to=example.at(9), now=example.at(0))
    setting = series.cancelled(setting, now=example.at(1))
    assert [down(example, setting, hour) for hour in (1.5, 2, 9.5, DAY + 1, 2 * DAY + 1)] == [
        True,
        False,
        False,
        False,
        False,
    ]
    assert not setting.over(example.at(1))
    assert setting.over(example.at(2))
    with pytest.raises(AlreadyOver):
        series.cancelled(setting, now=example.at(1.5))
    before = series.cancelled(daily(example), now=example.at(-5))
    assert before.over(example.at(-4))


def test_cancelled_after_the_one_in_effect_was_extended(example):
    """An occurrence in effect that was extended keeps its end when the series is cancelled."""
    setting = series.cancelled(series.extended(daily(example), end=example.at(6), now=example.at(1)), now=example.at(2))
    assert [down(example, setting, hour) for hour in (5, 6, DAY)] == [True, False, False]


def moved_here(example, days):
    """Give the daily downtime from hour 0 of which the occurrence of a day was moved to hour -6, two days before."""
    first = daily(example, now=-3 * DAY)
    return series.moved(first, occurrence=example.at(days * DAY), to=example.at(-6), now=example.at(-2 * DAY))


@pytest.mark.parametrize("days", [0, 1, 20, 90])
def test_moved_from_far_ahead_is_like_any_other(example, days):
    """An occurrence in effect that was moved from far ahead can be ended and extended; it is the first of the next."""
    setting, now = moved_here(example, days), example.at(-5)
    assert down(example, setting, -5)
    assert [each.period.start for each in setting.ahead(now, count=3)] == [
        example.at(-6), *[example.at(n * DAY) for n in range(3) if n != days][:2]]  # fmt: skip
    assert not down(example, series.ended(setting, now=now), -5)
    assert down(example, series.extended(setting, end=example.at(-1), now=now), -2)
    assert start_in_effect(setting, now=now) == example.at(-6)


@pytest.mark.parametrize("days", [0, 1, 20])
def test_cancelling_lets_one_go_on_that_was_moved_earlier(example, days):
    """An occurrence in effect that by its rule would be still to come goes on when the series is cancelled."""
    setting = series.cancelled(moved_here(example, days), now=example.at(-5))
    assert [down(example, setting, hour) for hour in (-5, -4.1, -4, 1, DAY + 1)] == [True, True, False, False, False]
    assert not setting.over(example.at(-5))
    assert setting.over(example.at(-4))


def test_one_moved_before_the_start_has_begun(example):
    """A series begins with its first occurrence, wherever that was moved to: then it cannot be deleted."""
    setting = moved_here(example, 0)
    check_deletable(setting, now=example.at(-7))
    with pytest.raises(NotDeletable):
        check_deletable(setting, now=example.at(-5))


def test_no_series_makes_the_schedule_endless(example):
    """What starts often lasts shortly, and no series comes from long ago: each compiling of the schedule costs that."""
    hourly = f"FREQ=DAILY;BYHOUR={','.join(map(str, range(24)))}"
    weekends = "FREQ=WEEKLY;BYDAY=SA,SU,MO"  # hour 0 is a Monday
    for rule, hours in (("FREQ=DAILY", 238), (hourly, 9), (weekends, 21 * DAY), ("FREQ=YEARLY", 366 * DAY)):
        assert len(example.schedule(daily(example, rule=rule, hours=hours)).side("HOTEL").phases.boundaries) < 2000
    for rule, hours in (("FREQ=DAILY", 241), (hourly, 10.1), (hourly, 20 * DAY), (weekends, 24 * DAY)):
        with pytest.raises(BadRule, match="more than 10 of its occurrences would last at once"):
            daily(example, rule=rule, hours=hours)
    assert daily(example, now=366 * DAY - 1)
    with pytest.raises(BadRule, match="starts 366 days ago or more"):
        daily(example, now=366 * DAY)


def test_refused(example):
    """Without a length, with an end, of another parameter, with nothing ahead: refused, and said why."""
    now = example.at(0)
    for facts in ({"hours": 0}, {"hours": 9000}):
        with pytest.raises(series.LengthRefused):
            daily(example, **facts)
    bounded = example.own(0, 5, recurrence=Recurrence(rule="FREQ=DAILY", length=timedelta(hours=1)))
    with pytest.raises(series.LengthRefused):
        series.new_series(bounded, now=now)
    with pytest.raises(series.NothingAhead):
        daily(example, rule="FREQ=DAILY;COUNT=2", now=5 * DAY)
    other = example.setting(DISABLE_USER_ACCESS, "Y", 0, None, recurrence=bounded.recurrence)
    with pytest.raises(WholeSetting):
        new_setting(other, now=now)
    for act in (series.ended, series.in_effect_of):
        with pytest.raises(series.NotASeries):
            act(example.own(0, 5), now=now)
