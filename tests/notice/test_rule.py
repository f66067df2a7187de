"""The rule of notices: told once, whatever happens in between, and not later than at the instants that it names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slacktide.core.interval import Period
from slacktide.notice.rule import TABLE, Facts, Kind, Present, Stage, Told, due, next_instant

BEGIN = datetime(2027, 3, 1, tzinfo=UTC)
LEADS = (timedelta(days=7), timedelta(days=1), timedelta(hours=1), timedelta(minutes=15), timedelta(minutes=5))
minutes = st.integers(-20, 80).map(lambda number: timedelta(minutes=number))


def facts(start, length=60, users="out"):
    """Give a downtime that starts so many minutes after the beginning."""
    begin = BEGIN + timedelta(minutes=start)
    return Facts(Period(begin, None if length is None else begin + timedelta(minutes=length)), users)


def play(states, *, leads, looks):
    """Look at some minutes, at which `states` gives the downtime as it is then. Give what was told, and when."""
    told, notices = None, []
    for minute in looks:
        step = due(states(minute), told=told, leads=leads, now=BEGIN + timedelta(minutes=minute))
        if step is not None:
            told = step.told
            notices.append((minute, step.kind))
    return notices


def test_table_is_complete():
    """What is told is said for everything that was told and everything that the downtime is now."""
    assert set(TABLE) == set(product(Stage, Present))


def test_each_lead_time_once():
    """One notice at each lead time, at the start and at the end, however often it is looked."""
    start = 8 * 24 * 60
    looks = [minute for minute in range(start + 90) for _ in range(2)]
    told = play(lambda _: facts(start), leads=LEADS, looks=looks)
    before = [(start - int(lead.total_seconds()) // 60, Kind.AHEAD) for lead in LEADS]
    assert told == [*before, (start, Kind.STARTED), (start + 60, Kind.ENDED)]


def test_scheduled_late():
    """Of one that is scheduled late there is one notice at once, then those that are still to come."""
    assert play(lambda _: facts(30), leads=LEADS, looks=range(31)) == [
        (0, Kind.AHEAD), (15, Kind.AHEAD), (25, Kind.AHEAD), (30, Kind.STARTED)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("states", "kinds"),
    [
        ([None, None], []),
        ([facts(1e5), None], []),  # cancelled before a lead time is due
        ([facts(50), None], [Kind.AHEAD, Kind.CANCELLED]),
        ([facts(50), None, facts(50)], [Kind.AHEAD, Kind.CANCELLED, Kind.AHEAD]),
        ([facts(50), facts(50, 90)], [Kind.AHEAD, Kind.CHANGED]),
        ([facts(50), facts(70)], [Kind.AHEAD, Kind.CHANGED]),
        ([facts(50), facts(1e5)], [Kind.AHEAD, Kind.CHANGED]),
        ([facts(50), facts(50, users="in")], [Kind.AHEAD, Kind.CHANGED]),
        ([facts(0), facts(0, 90)], [Kind.STARTED, Kind.CHANGED]),
        ([facts(0), facts(0, 90), facts(0, 90)], [Kind.STARTED, Kind.CHANGED]),
        ([facts(0), facts(0, 1)], [Kind.STARTED, Kind.ENDED]),
        ([facts(0), None], [Kind.STARTED, Kind.ENDED]),  # switched off
        ([facts(0), None, facts(0)], [Kind.STARTED, Kind.ENDED, Kind.STARTED]),
        ([facts(0, None), facts(0, None)], [Kind.STARTED]),
        ([facts(2), facts(2, 1), facts(2, 1), facts(2, 1)], [Kind.AHEAD, Kind.CHANGED, Kind.STARTED, Kind.ENDED]),
        ([facts(-90)], []),  # nobody was told of it, and it is over
    ],
)
def test_told_by_what_changed(states, kinds):
    """Each change is told once, and nothing of which nobody was told is called off."""
    told = play(lambda minute: states[minute], leads=LEADS, looks=range(len(states)))
    assert [kind for _, kind in told] == kinds


def test_everybody_was_away():
    """Who was told that it would come, and of nothing since, is told that it is over."""
    assert play(lambda _: facts(50), leads=LEADS, looks=[0, 200, 201]) == [(0, Kind.AHEAD), (200, Kind.ENDED)]


def test_moved_away_and_announced_anew():
    """The lead times of one that is moved count from its new start."""
    moved = 3 * 24 * 60
    told = play(lambda minute: facts(moved if minute else 10), leads=LEADS, looks=range(moved + 1))
    expected = [(0, Kind.AHEAD), (1, Kind.CHANGED)]
    before = [(moved - int(lead.total_seconds()) // 60, Kind.AHEAD) for lead in LEADS[1:]]
    assert told == [*expected, *before, (moved, Kind.STARTED)]


@settings(max_examples=300, deadline=None)
@given(
    start=st.integers(-20, 80),
    length=st.one_of(st.none(), st.integers(1, 40)),
    leads=st.lists(st.integers(1, 60).map(lambda n: timedelta(minutes=n)), max_size=5, unique=True),
)
def test_nothing_is_due_between_the_instants(start, length, leads):
    """Who looks only at the instants that are named tells the same, at the same time, as who looks every minute."""
    one = facts(start, length)
    expected = play(lambda _: one, leads=leads, looks=range(200))
    looks, minute = [], 0
    while minute < 200:
        looks.append(minute)
        following = next_instant(one, leads=leads, now=BEGIN + timedelta(minutes=minute))
        minute = 200 if following is None else int((following - BEGIN).total_seconds()) // 60
    assert play(lambda _: one, leads=leads, looks=looks) == expected


states = st.one_of(
    st.none(), st.builds(facts, st.integers(-20, 80), st.integers(1, 40), st.sampled_from(["in", "out"]))
)


@settings(max_examples=300, deadline=None)
@given(changes=st.lists(states, min_size=1, max_size=8), looks=st.lists(st.integers(0, 20), max_size=12))
def test_what_was_told_is_what_is(changes, looks):
    """Whatever changes, after a look nothing is due, and who was told anything knows how it is."""
    told = None
    minute = 0
    for change, pause in zip(changes, [*looks, *[1] * len(changes)], strict=False):
        minute += pause
        now = BEGIN + timedelta(minutes=minute)
        step = due(change, told=told, leads=LEADS, now=now)
        told = step.told if step else told
        assert due(change, told=told, leads=LEADS, now=now) is None
        if isinstance(told, Told) and change is not None and told.stage in (Stage.AHEAD, Stage.STARTED):
            assert told.facts == change or change.period.ended(now)
        if change is None:
            assert told is None or told.stage in (Stage.CANCELLED, Stage.ENDED)
