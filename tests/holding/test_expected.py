"""How much a downtime will hold, estimated by what arrived before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from slacktide.control.downtime import show_downtime
from slacktide.control.setting import control_now
from slacktide.core.interval import Period
from slacktide.holding.expected import WEEKS, expected_of, windows_of, with_expected

HOUR, WEEK = timedelta(hours=1), timedelta(weeks=1)
NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


def arrived(site, *ages, organization="SOUTH", state="done", step="insert"):
    """Write down items that arrived so long ago."""
    at = control_now(site.control)
    for age in ages:
        site.control.execute(
            "insert into slacktide.held_item (organization, step, work, key, state, since)"
            " values (%s, %s, 'w', gen_random_uuid()::text, %s, %s)",
            [organization, step, state, at - age],
        )


def expected(site, downtime):
    """Give what `downtime show` says."""
    answer = show_downtime(site.control, id=downtime)
    with_expected(site.control, [answer])
    return answer["effect"]["held_expected"]


@given(st.timedeltas(-WEEK, 3 * WEEK), st.timedeltas(HOUR, 3 * WEEK), st.timedeltas(HOUR, 10 * WEEK))
def test_windows(ahead, length, record):
    """The windows are as long, whole weeks before, over, behind the first arrival, and the latest that there are."""
    period = Period(NOW + max(ahead, timedelta()), NOW + max(ahead, timedelta()) + length)
    windows = windows_of(period, first=NOW - record, now=NOW)
    for window in windows:
        assert window.end - window.start == length
        assert (period.start - window.start) % WEEK == timedelta()
        assert window.ended(NOW)
        assert window.start >= NOW - record
    assert len({window.start for window in windows}) == len(windows) <= WEEKS
    sooner = [Period(window.start + WEEK, window.end + WEEK) for window in windows]
    assert all(each in windows or each == period or not each.ended(NOW) for each in sooner)
    assert windows or record < 2 * WEEK + length


def test_same_hours_of_weeks_before(site):
    """What arrived in the same hours of four weeks is what is expected; other hours and others do not count."""
    inside = HOUR / 2
    arrived(site, WEEK * 5, *[WEEK - inside] * 8, *[2 * WEEK - inside] * 4, 3 * WEEK - inside)
    arrived(site, *[4 * WEEK - inside] * 2, *[WEEK - 2 * HOUR] * 50, *[WEEK + inside] * 50)
    arrived(site, *[WEEK - inside] * 8, organization="NORTH")
    assert expected(site, site.down("SOUTH", end="now+PT1H")) == 4  # 15 in 4 weeks
    assert expected(site, site.down(None, end="now+PT1H")) == 6  # 23 in 4 weeks
    arrived(site, *[WEEK - inside] * 7, step="import")
    assert expected(site, site.down("SOUTH", start="now", end="start+PT1H")) == 4  # which followed from the inserts


def test_waiting_now(site):
    """What waits now is counted where the downtime is in effect now, and what was set aside is not."""
    arrived(site, HOUR, HOUR, state="waiting")
    arrived(site, HOUR, state="failed")
    arrived(site, 6 * WEEK)
    assert expected(site, site.down("SOUTH", end="now+PT1H")) == 2
    assert expected(site, site.down("SOUTH", start="now+P1D", end="start+PT1H")) == 0
    assert expected(site, site.down("NORTH", end="now+PT1H")) == 0


def test_a_short_record(site):
    """Before there are weeks on record, the rate so far counts, over a day at least; without an end, for a day."""
    arrived(site, *[2 * HOUR] * 24)
    assert expected(site, site.down("SOUTH", end="now+PT2H")) == 2
    assert expected(site, site.down("SOUTH")) == 24


def test_what_holds_nothing(site):
    """One that is over, cancelled, or of a series without anything to come, holds nothing."""
    arrived(site, *[WEEK - HOUR / 2] * 8, 6 * WEEK)
    downtime = site.down("SOUTH", end="now+PT1H")
    assert expected(site, downtime) == 2
    site.end(downtime)
    assert expected(site, downtime) == 0
    now = control_now(site.control)
    assert expected_of(site.control, "SOUTH", period=Period(now - HOUR, now), now=now) == 0
    series = site.down("SOUTH", start="now+PT10M", rrule="FREQ=DAILY;COUNT=3", duration="PT1H")
    assert expected(site, series) >= 0
