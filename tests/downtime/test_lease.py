from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slacktide.core.interval import Period
from slacktide.downtime.lease import Lease, Limits, limits_of, standing, standing_by
from tests.downtime.conftest import at, own, schedule, setting, side, site

LIMITS = Limits(idle=timedelta(hours=1), downtime=timedelta(hours=8))


def lease(opened=0.0, sign=None, **more):
    """Give a lease of a task of the hotel, opened and last seen at two hours."""
    facts = {"id": "1", "user": "ada", "session": "1", "task": "7", "organization": "HOTEL"}
    return Lease(opened_at=at(opened), last_sign_at=at(opened if sign is None else sign), **facts, **more)


@pytest.mark.parametrize(
    ("hours", "state"),
    [(0, "live"), (59 / 3600, "live"), (60 / 3600, "away"), (0.99, "away"), (1, "ended")],
)
def test_signs_of_life(hours, state):
    """Without a sign of life it is away after a minute, still live, and ends at the idle limit."""
    found = standing(lease(), limits=LIMITS, now=at(hours))
    assert (found.state, found.live) == (state, state != "ended")
    assert (found.because, found.at) == (("idle", at(1)) if state == "ended" else (None, None))


@pytest.mark.parametrize(
    ("opened", "down", "now", "because"),
    [
        (0, (2, 20), 9.9, None),  # eight hours from the downtime's start
        (0, (2, 20), 10, "downtime"),
        (0, (2, 9), 12, None),  # the downtime was over before
        (0, (2, 9.9), 12, None),
        (0, (2, None), 10, "downtime"),
        (5, (2, 20), 12.9, None),  # opened in the downtime, as an administrator may
        (5, (2, 20), 13, "downtime"),
        (0, (-9, -1), 20, None),
        (0, (2, 20), 30, "downtime"),  # an end that has passed stays passed
    ],
)
def test_downtime_limit(opened, down, now, because):
    """It ends when it has lasted the limit in a downtime that keeps users out, and not by one that is over before."""
    period = Period(at(down[0]), None if down[1] is None else at(down[1]))
    found = standing(lease(opened, sign=now), limits=LIMITS, barred=[period], now=at(now))
    assert found.because == because


def test_reference_only():
    """It ends when its organization becomes reference only."""
    now = at(0.5)
    assert standing(lease(), limits=LIMITS, reference_since=at(0.4), now=now).because == "reference only"
    assert standing(lease(), limits=LIMITS, reference_since=at(0.6), now=now).live


def test_recorded_end_stays():
    """An end that is recorded stays, whatever the limits are."""
    ended = lease(ended_at=at(0.1), ended_because="released")
    assert standing(ended, limits=LIMITS, now=at(0.2)).because == "released"


@pytest.mark.parametrize(
    ("settings", "sides", "because"),
    [
        ([own(1, 20)], (), "downtime"),
        ([site(1, 20)], (), "downtime"),
        ([own(1, 20, "in")], (), None),
        ([own(1, 5), site(4, 20)], (), "downtime"),  # one unbroken period of both
        ([own(1, 5), site(5.1, 20)], (), None),
        ([], [side("source", "closed", since=1)], "downtime"),
        ([], [side("source", "reference only", since=1, lives_at="new")], "reference only"),
        ([own(1, 20), setting("task_lease_downtime_limit", "PT12H", 0, None, organization="HOTEL", id="9")], (), None),
        (
            [own(1, 20), setting("task_lease_downtime_limit", "PT12H", 0, None, organization="OTHER", id="9")],
            (),
            "downtime",
        ),
    ],
)
def test_by_the_schedule(settings, sides, because):
    """It is judged by the downtimes of the site and of its organization that keep users out, and by its own limits."""
    found = standing_by(lease(0, sign=9), schedule=schedule(*settings, sides=sides), settings=settings, now=at(9.5))
    assert found.because == because


def test_limits():
    """The limits are the strongest that hold for the organization at that instant, else the defaults."""
    own_idle = setting("task_lease_idle_limit", "PT2H", 0, 5, organization="HOTEL")
    everyone = setting("task_lease_idle_limit", "PT3H", 0, None)
    found = [limits_of([own_idle, everyone], organization=code, now=at(1)).idle for code in ("HOTEL", "OTHER")]
    assert found == [timedelta(hours=2), timedelta(hours=3)]
    assert limits_of([own_idle], organization="HOTEL", now=at(5)) == LIMITS


@pytest.mark.parametrize("organization", ["HOTEL", None])
@pytest.mark.parametrize(
    ("parameter", "downtimes", "because"),
    [("task_lease_idle_limit", (), "idle"), ("task_lease_downtime_limit", (own(-8.5, 20),), "downtime")],
)
def test_a_longer_limit_that_begins_later_revives_nothing(parameter, downtimes, because, organization):
    """What has ended by the limit of then stays so when a longer one begins by itself, and ended when it did."""
    longer = setting(parameter, "PT12H", 2, None, organization=organization, id="9")
    sign = 1 - LIMITS.idle / timedelta(hours=1) if because == "idle" else 1.9
    held, plan = lease(-8.5 if downtimes else sign, sign=sign), schedule(*downtimes)
    for now in (1.99, 2, 3):
        found = standing_by(held, schedule=plan, settings=[longer, *downtimes], now=at(now))
        assert (found.because, found.at) == (because, at(1 if because == "idle" else -0.5))


def test_a_limit_that_begins_later():
    """A lease that lives when another limit begins has that limit; by a shorter one it ends then, and not before."""
    longer, shorter = (setting("task_lease_idle_limit", each, 0.5, None) for each in ("PT3H", "PT10M"))

    def found(limit, now):
        return standing_by(lease(), schedule=schedule(), settings=[limit], now=at(now))

    assert (found(longer, 2.9).live, found(longer, 3).at) == (True, at(3))
    assert (found(shorter, 0.49).live, found(shorter, 0.5).at) == (True, at(0.5))


limits = st.sampled_from(["PT10M", "PT1H", "PT4H"])


@given(
    bounds=st.sets(st.integers(-60, 300), min_size=2, max_size=8).map(sorted),
    values=st.lists(limits, min_size=8, max_size=8),
    parameter=st.sampled_from(["task_lease_idle_limit", "task_lease_downtime_limit"]),
    down=st.integers(0, 120),
)
def test_what_has_ended_stays_so(bounds, values, parameter, down):
    """Whatever limits begin and end later, a lease that has ended by the rule has ended, then and for that reason."""
    periods = zip(bounds, bounds[1:], values, strict=False)
    known = [setting(parameter, value, first / 60, last / 60, id=str(first)) for first, last, value in periods]
    plan, held = schedule(own(down / 60, None)), lease(sign=0.5)
    before = None
    for minute in range(30, 400, 5):
        found = standing_by(held, schedule=plan, settings=known, now=at(minute / 60))
        assert before is None or found == before
        before = None if found.live else found


# -- against a reading minute by minute --------------------------------------------------------------------------------

minutes = st.integers(0, 300)


@st.composite
def stories(draw):
    """Give a lease, limits, downtimes that do not touch, when it became reference only, and an instant."""
    opened = draw(minutes)
    sign = opened + draw(st.integers(0, 60))
    bounds = sorted(draw(st.sets(minutes, max_size=8)))
    downtimes = list(zip(bounds[::2], [*bounds[1::2], None], strict=False))
    return {
        "opened": opened,
        "sign": sign,
        "idle": draw(st.integers(1, 120)),
        "limit": draw(st.integers(1, 120)),
        "downtimes": downtimes,
        "reference": draw(st.none() | minutes),
        "now": sign + draw(st.integers(0, 200)),
    }


def minute_by_minute(story):
    """Live through it minute by minute; give the first end that comes, or None."""
    lasted = 0
    for minute in range(story["opened"], story["now"] + 1):
        down = any(start <= minute and (end is None or minute < end) for start, end in story["downtimes"])
        began = any(start == minute for start, _ in story["downtimes"])
        lasted = 0 if not down or began or minute == story["opened"] else lasted + 1
        because = {
            "downtime": down and lasted >= story["limit"],
            "idle": minute - story["sign"] >= story["idle"],
            "reference only": story["reference"] is not None and story["reference"] <= minute,
        }
        if any(because.values()):
            return minute, {word for word, holds in because.items() if holds}
    return None


def by_the_rule(story, now):
    return standing(
        lease(story["opened"] / 60, sign=story["sign"] / 60),
        limits=Limits(timedelta(minutes=story["idle"]), timedelta(minutes=story["limit"])),
        barred=[Period(at(start / 60), None if end is None else at(end / 60)) for start, end in story["downtimes"]],
        reference_since=None if story["reference"] is None else at(story["reference"] / 60),
        now=at(now / 60),
    )


@given(stories())
@settings(max_examples=500, deadline=None)
def test_reads_as_minute_by_minute(story):
    """The rule ends a lease at the same minute, for the same reason, as living through it minute by minute."""
    found, naive = by_the_rule(story, story["now"]), minute_by_minute(story)
    if naive is None:
        assert found.live
        assert (found.state == "away") == (story["now"] - story["sign"] >= 1)
    else:
        assert (found.state, found.at) == ("ended", at(naive[0] / 60))
        assert found.because in naive[1]


@given(stories(), minutes)
@settings(max_examples=200, deadline=None)
def test_an_end_stays(story, later):
    """What has ended is ended at every later instant, for the same reason."""
    found = by_the_rule(story, story["now"])
    if not found.live:
        assert by_the_rule(story, story["now"] + later) == found
