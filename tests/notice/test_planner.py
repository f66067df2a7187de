"""What is planned of the downtimes that are saved, for whom, and once, whoever looks how often."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from slacktide.control.audit import list_audit
from slacktide.control.organization import add_organization
from slacktide.notice.planner import Planner
from slacktide.postgres.connection import connect
from tests.control.working import at_once
from tests.notice.conftest import BOTH, WHO
from tests.zone_data import ZONE

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


def test_lead_times(site):
    """A downtime is announced at each lead time, and told of at its start and end, once each."""
    site.down(start="now+P8D", duration="PT1H")
    kinds = []
    for after in (0 * DAY, DAY, 2 * DAY, 7 * DAY, 8 * DAY - HOUR, 8 * DAY - 15 * MINUTE, 8 * DAY - 5 * MINUTE, 8 * DAY,
                  8 * DAY + HOUR, 9 * DAY):  # fmt: skip
        for _ in range(2):
            site.plan(after + MINUTE / 2)
        kinds.append(site.kinds())
    assert [len(each) for each in kinds] == [0, 1, 1, 2, 3, 4, 5, 6, 7, 7]
    assert kinds[-1] == ["ahead"] * 5 + ["started", "ended"]


def test_scheduled_late(site):
    """Of one that starts in ten minutes there is one notice at once for all the lead times that have passed."""
    site.down(start="now+PT10M")
    for _ in range(3):
        site.plan()
    assert site.kinds() == ["ahead"]


def test_own_lead_times(site):
    """An organization's own lead times count for its downtimes, the site's for all others."""
    site.set("downtime_notice_lead_times", "PT2H", organization="SOUTH")
    first, second = site.down(start="now+P1D"), site.down("NORTH", start="now+P1D")
    site.plan()
    assert (site.kinds(first), site.kinds(second)) == ([], ["ahead"])


def test_extended_ended_cancelled(site):
    """Extending, ending and cancelling are told once, with what was told before."""
    lasting, coming = site.down(until_ended=True), site.down("NORTH", start="now+PT2H")
    site.plan()
    site.extend(coming)
    site.plan()
    site.cancel(coming)
    site.end(lasting)
    site.plan()
    site.plan()
    assert site.kinds(lasting) == ["started", "ended"]
    assert site.kinds(coming) == ["ahead", "changed", "cancelled"]
    (before, after) = site.connection.execute(
        "select content ->> 'before_end', content ->> 'end' from slacktide.notice where kind = 'changed'"
    ).fetchone()
    assert before < after


def test_cancelled_before_it_was_due(site):
    """Of one that is cancelled before any lead time nobody hears anything."""
    key = site.down(start="now+P30D")
    site.plan()
    site.cancel(key)
    site.plan()
    assert site.kinds() == []


def test_a_downtime_that_is_deleted(site):
    """One that was announced and is deleted is told to be cancelled."""
    key = site.down(start="now+PT1H")
    site.plan()
    site.connection.execute("delete from slacktide.setting where id = %s", [key])
    site.plan()
    assert site.kinds(key) == ["ahead", "cancelled"]


def test_another_downtime_lasts(site):
    """The notice of an end says until when another downtime keeps the scope down."""
    first, _ = site.down(until_ended=True), site.down(None, duration="PT3H")
    site.plan()
    site.end(first)
    site.plan()
    still = site.connection.execute("select content -> 'still' from slacktide.notice where kind = 'ended'").fetchone()
    assert len(still[0]) == 1


def test_each_occurrence(site):
    """Each occurrence of a series is told of by itself: one is moved, one left out, the others stay."""
    key = site.down(start="now+PT2H", duration="PT30M", rrule="FREQ=DAILY;COUNT=4")
    site.plan()
    assert site.kinds() == ["ahead"] * 4
    shown = site.connection.execute("select min(starts_at), max(starts_at) from slacktide.notice_subject").fetchone()
    site.occurrence(key, shown[0].isoformat(), to="now+PT3H")
    site.occurrence(key, shown[1].isoformat())
    site.plan()
    assert sorted(site.kinds()[4:]) == ["cancelled", "changed"]
    site.plan(2 * HOUR + MINUTE)
    assert site.kinds()[6:] == ["ahead", "ahead"]  # the moved one, an hour before its new start, and the next one
    site.plan(3 * HOUR + MINUTE)
    assert site.kinds()[8:] == ["started"]
    site.cancel(key)
    site.plan(3 * HOUR + 2 * MINUTE)
    assert sorted(site.kinds()[9:]) == ["cancelled", "cancelled", "ended"]


def test_moved_beyond_what_is_looked_at(site):
    """An announced occurrence that is moved far away is told to be moved, not cancelled."""
    key = site.down(start="now+PT2H", duration="PT30M", rrule="FREQ=DAILY;COUNT=2")
    site.plan()
    (first,) = site.connection.execute("select min(starts_at) from slacktide.notice_subject").fetchone()
    site.occurrence(key, first.isoformat(), to="now+P60D")
    site.plan()
    assert site.kinds()[2:] == ["changed"]


def test_organization_changes(site):
    """A downtime that is given to another organization is cancelled for the one and announced to the other."""
    site.user("ada", "SOUTH")
    site.user("bob", "NORTH")
    key = site.down(start="now+PT1H")
    site.plan()
    site.connection.execute("update slacktide.setting set organization = 'NORTH' where id = %s", [key])
    site.plan()
    assert site.states() == {
        ("ahead", "ada"): "superseded", ("cancelled", "ada"): "waiting", ("ahead", "bob"): "waiting"
    }  # fmt: skip


def test_who_is_concerned(site):
    """An organization's downtime concerns its users and administrators, the site's all, but who has no address."""
    site.user("ada", "SOUTH")
    site.user("bob", "NORTH")
    site.user("root", admin=True)
    site.user("gone", "SOUTH")
    site.change_user("gone", disabled=True)
    site.user("mute", "SOUTH")
    site.change_user("mute", email="")
    site.down(start="now+PT1H")
    site.plan()
    assert set(site.states()) == {("ahead", "ada"), ("ahead", "root")}
    site.down(None, start="now+PT1H")
    site.plan()
    rows = site.connection.execute(
        "select recipient from slacktide.notice_delivery where channel = 'mail' and notice_id = "
        "(select max(id) from slacktide.notice) order by 1"
    )
    assert [name for (name,) in rows] == ["ada", "bob", "root"]


def test_nothing_is_configured(site):
    """Without mail and webhook notices are planned and can be read; the mails are not configured, and nothing waits."""
    site.user("ada", "SOUTH")
    site.planner = Planner(site.planner._connection, configured={"mail": False, "webhook": False})  # noqa: SLF001 -- the same one
    site.down(start="now+PT1H")
    site.plan()
    assert (site.kinds(), site.states(), site.states("webhook")) == (
        ["ahead"],
        {("ahead", "ada"): "not configured"},
        {},
    )


def test_three_plan_at_once(site):
    """Of three that look at the same time one plans, and the others find it planned."""
    site.user("ada", "SOUTH")
    for number in range(20):
        add_organization(site.connection, code=f"O{number}", **WHO)
        site.down(f"O{number}", start="now+PT1H")
    with connect(site.address, name="plan") as first, connect(site.address, name="plan") as second:
        planners = [Planner(each, configured=BOTH) for each in (first, second)] + [site.planner]
        answers = at_once(*[planner.plan for planner in planners])
    assert [type(answer) for answer in answers] == [float] * 3
    assert site.kinds() == ["ahead"] * 20


def test_moved_by_zone_data(site, zone_data):
    """Of two that look at once after an update of zone data one tells it: in the trail, and to whom it concerns."""
    site.user("ada", "SOUTH")
    today = datetime.now(tz=UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    zone_data((today + DAY, today + 100 * DAY))
    start = (today + 3 * DAY + 22 * HOUR).strftime("%Y-%m-%dT%H:%M")
    key = site.down(start=start, zone=ZONE, duration="PT2H", rrule="FREQ=DAILY;COUNT=2")
    site.plan()
    zone_data()
    with connect(site.address, name="plan") as other:
        at_once(Planner(other, configured=BOTH).plan, site.planner.plan)
    site.plan()
    assert site.kinds(key) == ["ahead", "ahead", "changed", "changed"]
    assert site.states()[("changed", "ada")] == site.states("webhook")[("changed", "")] == "waiting"
    trail = [row["object"] for row in list_audit(site.connection) if row["what"] == "downtime moved by zone data"]
    assert trail == [f"downtime {key}"]


def test_time_does_not_go_back(site):
    """A clock that is set back a little tells nothing anew: what has begun has begun."""
    site.down(start="now+PT1S", duration="PT1H")
    site.connection.execute("update slacktide.notice_look set at = clock_timestamp() + interval '30 seconds'")
    site.plan()
    assert site.kinds() == ["started"]
    site.plan()
    assert site.kinds() == ["started"]


@pytest.mark.parametrize("lead", ["PT1H", "P7D"])
def test_woken_at_the_next_instant(site, lead):
    """The planner says how long nothing is due: up to the next instant, and not longer than a minute."""
    assert site.planner.plan() == 60
    site.set("downtime_notice_lead_times", lead)
    site.down(start=f"now+{lead}")
    site.down(start=f"now+{lead.replace('7D', '7DT30S').replace('1H', '1H30S')}")
    assert 25 < site.planner.plan() <= 30
