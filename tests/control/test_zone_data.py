"""An update of zone data moves what recurs: it keeps its readings, and what was moved is told once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib.resources import files

import pytest

from slacktide.control.audit import list_audit
from slacktide.control.downtime import (
    Wish,
    cancel_downtime,
    change_occurrence,
    downtime_of,
    schedule_downtime,
    show_downtime,
)
from slacktide.control.setting import control_now, list_settings
from slacktide.control.zone_data import follow_zone_data
from slacktide.core.duration import format_instant
from slacktide.downtime.compiling import compile_schedule
from slacktide.downtime.schedule import Organization
from slacktide.postgres.connection import connect
from tests.zone_data import ZONE

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


class Shore:
    """A control database with one organization in a zone whose summer comes next week."""

    def __init__(self, control, who):
        self.control, self.who = control, who
        self.today = datetime.now(tz=UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self.summer = (self.today + 7 * DAY, self.today + 200 * DAY)

    def down(self, *, start, rrule="FREQ=DAILY", duration="PT2H"):
        """Schedule a series that starts on the wall clock at a reading; give its ID."""
        wish = Wish(start=start.strftime("%Y-%m-%dT%H:%M"), duration=duration, rrule=rrule, zone=ZONE)
        return schedule_downtime(self.control, wish=wish, organizations=["HOTEL"], **self.who).downtimes[0]["id"]

    def look(self, after=timedelta()):
        """Look for what the zone data have moved; give the series that they have."""
        now = control_now(self.control) + after
        with self.control.transaction():
            return follow_zone_data(self.control, settings=list_settings(self.control), now=now)

    def starts(self, key, now=None):
        """Give the next starts by the reading that names each."""
        ahead = downtime_of(self.control, id=key).ahead(now or control_now(self.control))
        return {each.reading.isoformat(): each.period.start for each in ahead}

    def down_at(self, instant):
        """Tell whether the organization is down at an instant, by the compiled schedule."""
        schedule = compile_schedule(
            settings=list_settings(self.control), organizations=[Organization("HOTEL", "Hotel", ZONE)], around=instant
        )
        return schedule.side("HOTEL").phases.at(instant).in_effect

    def told(self):
        """Give what the trail says of zone data."""
        return [row for row in list_audit(self.control) if row["what"] == "downtime moved by zone data"]


@pytest.fixture
def shore(control, who, zone_data):
    """Give the shore, with a summer of which an update may take away."""
    found = Shore(control, who)
    found.update = zone_data
    zone_data(found.summer)
    return found


def test_a_series_that_has_not_begun(shore):
    """Where summer time is abolished, a series of the summer keeps its readings, its skip and its moved occurrence."""
    first = shore.today + 10 * DAY + 22 * HOUR
    key = shore.down(start=first)
    readings = [(first + n * DAY).replace(tzinfo=None).isoformat() for n in range(5)]
    old = [first + n * DAY - 2 * HOUR for n in range(5)]
    to = format_instant(old[2] + 5 * HOUR)
    change_occurrence(shore.control, id=key, occurrence=format_instant(old[1]), **shore.who)
    change_occurrence(shore.control, id=key, occurrence=format_instant(old[2]), to=to, **shore.who)
    assert shore.look() == []
    before = downtime_of(shore.control, id=key)
    shore.update()
    assert shore.look() == [key]
    starts = shore.starts(key)
    assert [starts.get(reading) for reading in readings] == [
        old[0] + HOUR, None, old[2] + 5 * HOUR, old[3] + HOUR, old[4] + HOUR
    ]  # fmt: skip
    assert [shore.down_at(start + HOUR) for start in old] == [True, False, False, True, True]
    assert [shore.down_at(start + 2 * HOUR) for start in old] == [True, False, False, True, True]
    assert not shore.down_at(old[0])
    after = downtime_of(shore.control, id=key)
    assert (before.start, after.start) == (old[0], old[0] + HOUR)
    assert after.sequence == before.sequence + 1


def test_what_was_moved_is_told_once(shore):
    """The trail has what was told and what is so now, of each start that moved, however often it is looked."""
    key = shore.down(start=shore.today + 5 * DAY + 22 * HOUR)
    shore.look()
    shore.update()
    assert [shore.look(), shore.look()] == [[key], []]
    (row,) = shore.told()
    moved = shore.today + 7 * DAY + 22 * HOUR
    assert (row["object"], row["who"]) == (f"downtime {key}", "the zone data")
    reading = moved.replace(tzinfo=None).isoformat()
    assert row["before"]["occurrences"][0] == {"occurrence": reading, "start": format_instant(moved - 2 * HOUR)}
    assert row["after"]["occurrences"][0] == {"occurrence": reading, "start": format_instant(moved - HOUR)}
    assert len(row["before"]["occurrences"]) == 8  # of ten that were told two lie before the summer
    assert show_downtime(shore.control, id=key)["moved_by_zone_data"] == format_instant(
        downtime_of(shore.control, id=key).zone_moved_at
    )


def test_killed_before_it_was_told(shore, database):
    """Whoever looks and is gone before the commit has told and saved nothing; the next one tells it."""
    key = shore.down(start=shore.today + 10 * DAY + 22 * HOUR)
    shore.look()
    before = downtime_of(shore.control, id=key)
    shore.update()
    dies = connect(database, name="dies")
    dies.execute("begin")
    assert follow_zone_data(dies, settings=list_settings(dies), now=control_now(dies)) == [key]
    dies.close()
    assert (downtime_of(shore.control, id=key).sequence, shore.told()) == (before.sequence, [])
    assert shore.look() == [key]
    assert len(shore.told()) == 1


def test_what_has_begun_is_not_rewritten(shore):
    """An occurrence that lasts keeps its period, what was over stays, and those behind it follow the zone."""
    now = control_now(shore.control)
    shore.update((now - 5 * DAY, now + 100 * DAY))
    start = (now - DAY - HOUR).replace(second=0, microsecond=0)
    key = shore.down(start=start + 2 * HOUR)  # on the wall clock
    assert shore.look() == []
    shore.update()
    assert shore.look() == [key]
    assert [*shore.starts(key).values()][:2] == [start + DAY, start + 2 * DAY + HOUR]
    after = downtime_of(shore.control, id=key)
    assert (after.start, len(after.recurrence.overrides)) == (start, 1)
    assert shore.look() == []
    first, second = shore.told()[0]["after"]["occurrences"][:2]
    assert [first["start"], second["start"]] == [format_instant(start + DAY), format_instant(start + 2 * DAY + HOUR)]


def test_an_update_before_anybody_has_looked(shore):
    """What is scheduled and moved before the first look is told all the same: by its start as it was saved."""
    first = shore.today + 10 * DAY + 22 * HOUR
    key = shore.down(start=first, rrule="FREQ=DAILY;COUNT=3")
    shore.update()
    assert shore.look() == [key]
    assert downtime_of(shore.control, id=key).start == first - HOUR
    assert shore.look() == []


def test_a_one_time_downtime_does_not_move(shore):
    """A one-time downtime is an instant, whatever becomes of its zone."""
    start = shore.today + 10 * DAY + 22 * HOUR
    wish = Wish(start=start.strftime("%Y-%m-%dT%H:%M"), duration="PT2H", zone=ZONE)
    key = schedule_downtime(shore.control, wish=wish, organizations=["HOTEL"], **shore.who).downtimes[0]["id"]
    before = downtime_of(shore.control, id=key)
    shore.update()
    assert shore.look() == []
    assert downtime_of(shore.control, id=key) == before
    assert "moved_by_zone_data" not in show_downtime(shore.control, id=key)


def test_what_somebody_changes_is_no_update(shore):
    """Leaving out, moving and cancelling are no doing of the zone data, and are not told as such."""
    first = shore.today + 10 * DAY + 20 * HOUR
    key = shore.down(start=first + 2 * HOUR)
    shore.look()
    change_occurrence(shore.control, id=key, occurrence=format_instant(first), **shore.who)
    to = format_instant(first + 2 * DAY)
    change_occurrence(shore.control, id=key, occurrence=format_instant(first + DAY), to=to, **shore.who)
    assert shore.look() == []
    cancel_downtime(shore.control, id=key, **shore.who)
    shore.update()
    assert (shore.look(), shore.told()) == ([], [])


def test_the_rule_ends_before_it(shore):
    """An occurrence that an update moves behind UNTIL takes place no more, and that is told."""
    first = shore.today + 10 * DAY + 20 * HOUR
    until = f"{first + DAY:%Y%m%dT%H%M%SZ}"
    key = shore.down(start=first + 2 * HOUR, rrule=f"FREQ=DAILY;UNTIL={until}")
    assert len(shore.starts(key)) == 2
    shore.look()
    shore.update()
    shore.look()
    assert [each["start"] for each in shore.told()[0]["after"]["occurrences"]] == [format_instant(first + HOUR), None]


def test_changed_while_it_is_looked(shore):
    """What somebody saves between the reading of the settings and the look is kept."""
    first = shore.today + 10 * DAY + 20 * HOUR
    key = shore.down(start=first + 2 * HOUR)
    shore.look()
    shore.update()
    stale = list_settings(shore.control)
    change_occurrence(shore.control, id=key, occurrence=format_instant(first + HOUR), **shore.who)
    with shore.control.transaction():
        follow_zone_data(shore.control, settings=stale, now=control_now(shore.control))
    assert [each.start for each in downtime_of(shore.control, id=key).recurrence.overrides] == [None]


def test_saved_before_readings_were_kept(shore):
    """The first reading of what was saved before is filled in, by its start and zone."""
    first = shore.today + 10 * DAY + 22 * HOUR
    wish = Wish(start=first.strftime("%Y-%m-%dT%H:%M"), duration="PT2H", rrule="FREQ=DAILY", zone="Europe/Berlin")
    key = schedule_downtime(shore.control, wish=wish, organizations=["HOTEL"], **shore.who).downtimes[0]["id"]
    before = downtime_of(shore.control, id=key)
    shore.control.execute("alter table slacktide.setting drop column first_reading")
    migration = files("slacktide.control") / "migrations" / "0016-first-reading.sql"
    for _ in range(2):
        shore.control.execute(migration.read_bytes())
    assert downtime_of(shore.control, id=key) == before
    assert before.recurrence.first == first.replace(tzinfo=None)
