from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from icalendar import Calendar

from slacktide.control import downtime
from slacktide.control.calendar import calendar
from slacktide.control.downtime import Wish
from slacktide.control.organization import list_organizations
from slacktide.control.setting import control_now, list_settings


@pytest.fixture
def plan(control, who):
    """Give a function that schedules a downtime of the hotel and gives its ID."""

    def call(**wish):
        answer = downtime.schedule_downtime(control, wish=Wish(**wish), organizations=["HOTEL"], **who)
        return answer.downtimes[0]["id"]

    return call


def read(control, *, only=None):
    """Give the calendar as a calendar program reads it."""
    known = {one.code: one for one in list_organizations(control) if only is None or one.code in only}
    settings = list_settings(control)
    return Calendar.from_ical(calendar(settings=settings, organizations=known, site="here", now=control_now(control)))


def events(control, **named):
    return read(control, **named).walk("VEVENT")


def test_a_change_keeps_the_name_and_raises_the_sequence(control, who, plan):
    """An extended downtime is the same event with a higher SEQUENCE and its new end; one that did not change stays."""
    key = plan(start="now+P1D", duration="PT2H", message="Bring coffee; or tea, \\ both")
    (before,) = events(control)
    assert (before["uid"], before["sequence"], before["status"]) == ("downtime-1@here", 0, "CONFIRMED")
    assert before["dtend"].dt - before["dtstart"].dt == timedelta(hours=2)
    assert "Bring coffee; or tea, \\ both" in before["description"]
    control.execute("update slacktide.setting set message = message")
    assert events(control)[0].to_ical() == before.to_ical()
    downtime.change_downtime(control, id=key, duration="PT1H", only_later=True, **who)
    (after,) = events(control)
    assert (after["uid"], after["sequence"]) == (before["uid"], 1)
    assert after["dtend"].dt - after["dtstart"].dt == timedelta(hours=3)
    assert after["dtstamp"].dt >= before["dtstamp"].dt  # to the second


def test_sequence_is_kept_by_the_database(control, plan):
    """Nobody can put a sequence back."""
    plan(start="now+P1D", duration="PT2H")
    control.execute("update slacktide.setting set contact = 'x', sequence = 0, changed_at = '2020-01-01'")
    control.execute("update slacktide.setting set contact = 'y', sequence = 0")
    assert [(one.sequence, one.changed_at > datetime(2026, 1, 1, tzinfo=UTC)) for one in list_settings(control)] == [
        (2, True)
    ]


def test_cancelled_says_so(control, who, plan):
    """A cancelled downtime stays in the calendar as cancelled, and one that is switched off too."""
    downtime.cancel_downtime(control, id=plan(start="now+P1D", duration="PT2H"), **who)
    plan(start="now+P2D", duration="PT2H")
    control.execute("update slacktide.setting set value = 'N' where id = 2")
    assert [(one["status"], one["sequence"]) for one in events(control)] == [("CANCELLED", 1), ("CANCELLED", 1)]


def test_without_an_end(control, plan):
    """One without an end is shown to the end of tomorrow, and said to have none."""
    plan(until_ended=True)
    (event,) = events(control)
    now = control_now(control)
    assert timedelta(hours=23) <= event["dtend"].dt - now <= timedelta(days=2, hours=1)
    assert "not known" in event["description"]


def test_a_series(control, who, plan):
    """A series has its rule in its zone, what is left out, and what is moved as an event of its own."""
    start = datetime(2030, 3, 24, 2, 30, tzinfo=UTC)
    key = plan(start="2030-03-24T02:30", duration="PT1H", rrule="FREQ=WEEKLY;COUNT=4")
    facts = {"id": key, **who}
    downtime.change_occurrence(control, occurrence="2030-03-31T01:30:00Z", **facts)
    downtime.change_occurrence(control, occurrence="2030-04-07T02:30", to="2030-04-08T04:00", **facts)
    series, moved = events(control)
    assert series["dtstart"].dt.tzinfo.key == "Europe/Berlin"
    assert series["dtstart"].dt.replace(tzinfo=UTC) == start
    assert (series["rrule"].to_ical(), series["duration"].dt) == (b"FREQ=WEEKLY;COUNT=4", timedelta(hours=1))
    assert [each.dt.replace(tzinfo=None) for each in series["exdate"].dts] == [datetime(2030, 3, 31, 2, 30)]  # noqa: DTZ001 -- a reading
    assert (moved["uid"], moved["sequence"]) == (series["uid"], 2)
    assert moved["recurrence-id"].dt.replace(tzinfo=UTC) == datetime(2030, 4, 7, 2, 30, tzinfo=UTC)
    assert moved["dtstart"].dt == datetime(2030, 4, 8, 2, tzinfo=UTC)
    assert [zone["tzid"] for zone in read(control).walk("VTIMEZONE")] == ["Europe/Berlin"]


def test_a_cancelled_series_ends_before_it(control, who, plan):
    """A series that was cancelled while it ran ends there; one that never began is cancelled."""
    running = plan(duration="PT1H", rrule="FREQ=DAILY;COUNT=9")
    plan(start="now+P1D", duration="PT1H", rrule="FREQ=DAILY")
    for key in (running, "2"):
        downtime.cancel_downtime(control, id=key, **who)
    first, second = events(control)
    assert (first["status"], second["status"]) == ("CONFIRMED", "CANCELLED")
    assert "COUNT" not in first["rrule"]
    assert first["rrule"]["UNTIL"][0] <= control_now(control)


def test_only_what_may_be_seen(control, who, plan):
    """Another organization's downtimes are not in it, the site's are; the reason of none is."""
    plan(start="now+P1D", duration="PT2H")
    downtime.schedule_downtime(control, wish=Wish(duration="PT1H"), site=True, **who)
    assert [one["summary"] for one in events(control, only=["OTHER"])] == ["The system: down"]
    assert [one["summary"] for one in events(control)] == ["The system: down", "Hotel: down"]
    assert who["reason"] not in read(control).to_ical().decode()


def test_what_has_long_been_over_goes(control, plan):
    """What has been over for three months, and was not changed since, is not shown any more."""
    plan(start="now+P1D", duration="PT2H")
    known = {one.code: one for one in list_organizations(control)}
    for days, shown in ((80, 1), (100, 0)):
        later = control_now(control) + timedelta(days=days)
        found = calendar(settings=list_settings(control), organizations=known, site="here", now=later)
        assert len(Calendar.from_ical(found).walk("VEVENT")) == shown


def test_users_in(control, plan):
    """With users in it says that imports wait, not that the system is down."""
    plan(start="now+P1D", duration="PT2H", users="in")
    assert events(control)[0]["summary"] == "Hotel: imports wait"


def test_other_settings_are_not_in_it(control):
    """Parameters that are no downtimes are no events."""
    control.execute(
        "insert into slacktide.setting (parameter, level, value, starts_at, created_by) "
        "values ('hold_recheck_interval', 'site', 'PT1M', clock_timestamp(), 'sql')"
    )
    assert events(control) == []
