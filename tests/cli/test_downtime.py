from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from slacktide.control.setting import control_now, list_settings
from slacktide.control.zone_data import follow_zone_data
from slacktide.core.duration import format_instant
from slacktide.postgres.connection import connect
from tests.zone_data import ZONE

OWN = ("--organization", "HOTEL")
FIELDS = ["id", "scope", "organization", "start", "end", "value", "latched", "users", "rrule", "occurrences", "effect",
          "commands"]  # fmt: skip


@pytest.fixture
def schedule(hotel):
    """Give a function that schedules a downtime."""

    def call(*arguments):
        return hotel("downtime", "schedule", *arguments, "--reason", "a test", "--json")

    return call


def test_schedule_and_show(hotel, schedule):
    """One organization gives one document, in local times of its zone; `show` gives the same."""
    said = schedule(*OWN, "--start", "2030-07-01T22:00", "--for", "PT2H", "--users", "in")
    assert said.status == 0
    assert list(said.json) == FIELDS
    assert (said.json["start"], said.json["end"]) == ("2030-07-01T20:00:00Z", "2030-07-01T22:00:00Z")
    assert (said.json["users"], said.json["latched"]) == ("in", False)
    assert hotel("downtime", "show", said.json["id"], "--json").json == said.json
    assert hotel("downtime", "list", "--json").json == [said.json]
    period = "from 2030-07-01T22:00:00+02:00 to 2030-07-02T00:00:00+02:00 (Europe/Berlin)"
    assert period in hotel("downtime", "show", said.json["id"]).out
    assert "2030-07-01T22:00:00+02:00" in hotel("downtime", "list").out


def test_the_zone_that_was_given(hotel):
    """What is the site's is shown in the zone in which it was entered, saved or not; without one in UTC."""
    when = ("--site", "--yes", "--start", "2030-07-01T22:00", "--for", "PT2H", "--reason", "a test")
    for zone, hour in (("America/New_York", "22:00:00-04:00"), ("Asia/Kolkata", "22:00:00+05:30")):
        for more in (["--dry-run"], []):
            said = hotel("downtime", "schedule", *when, "--zone", zone, *more).out
            assert f"from 2030-07-01T{hour} to 2030-07-02T00" in said
            assert f"({zone})" in said
    when = ("--site", "--yes", "--start", "2030-07-01T20:00Z", "--for", "PT2H", "--reason", "a test")
    assert "to 2030-07-01T22:00:00Z (UTC)" in hotel("downtime", "schedule", *when).out
    assert "2030-07-01T22:00:00+05:30" in hotel("downtime", "list").out


def test_each_organization_gets_its_own(hotel, schedule):
    """Several organizations give a list, each with an ID of its own."""
    hotel("organization", "add", "OTHER")
    found = schedule("--organization", "HOTEL", "OTHER", "--until-ended").json
    assert [one["organization"] for one in found] == ["HOTEL", "OTHER"]
    assert found[0]["id"] != found[1]["id"]
    assert all(one["latched"] for one in found)


def test_dry_run(hotel, schedule):
    """A dry run shows the downtime and saves nothing."""
    said = schedule(*OWN, "--for", "PT1H", "--dry-run")
    assert (said.status, said.json["id"]) == (0, None)
    assert hotel("downtime", "list", "--json").json == []


def test_site(schedule):
    """The site is closed only by who says so twice."""
    refused = schedule("--site", "--for", "PT1H")
    assert (refused.status, "--site --yes" in refused.err) == (2, True)
    assert schedule("--site", "--yes", "--for", "PT1H").json["scope"] == "site"


@pytest.mark.parametrize(
    ("arguments", "status", "wanted"),
    [
        ((*OWN, "--until-ended", "--rrule", "FREQ=DAILY"), 1, "add --for"),
        ((*OWN, "--for", "PT1H", "--rrule", "FREQ=HOURLY"), 1, "FREQ has to be one of"),
        ((*OWN,), 2, "--until-ended"),
        (("--for", "PT1H"), 2, "--organization CODE"),
        (("--organization", "NONE", "--for", "PT1H"), 2, "slacktide organization add NONE"),
        ((*OWN, "--for", "an hour"), 2, "PT5M"),
        ((*OWN, "--end", "soon"), 2, "now+PT10M"),
        ((*OWN, "--for", "P9999999D"), 2, "PT5M"),
        ((*OWN, "--for", "PT1H", "--rrule", "FREQ=DAILY", "--start", "9999-12-31"), 2, "years 1900 to 8999"),
        ((*OWN, "--for", "PT1H", "--rrule", "FREQ=DAILY;UNTIL=20271301T000000Z"), 1, "20271231T230000Z"),
        ((*OWN, "--start", "2020-01-01", "--end", "2020-01-02"), 1, "--end now"),
        ((*OWN, "--for", "PT1H", "--users", "some"), 2, "slacktide downtime schedule --help"),
    ],
)
def test_refusals(schedule, arguments, status, wanted):
    """Each refusal has its exit status and ends with what would be accepted."""
    said = schedule(*arguments)
    assert said.status == status
    assert wanted in said.err
    assert said.json["message"] in said.err


def test_extend_change_end(hotel, schedule):
    """A downtime is extended, given another end, and ended with a reason; the answer says what is left."""
    schedule("--site", "--yes", "--until-ended")
    id_ = schedule(*OWN, "--for", "PT1H").json["id"]
    first = hotel("downtime", "show", id_, "--json").json["end"]
    assert hotel("downtime", "extend", id_, "--by", "PT1H", "--json").json["end"] > first
    earlier = hotel("downtime", "extend", id_, "--end", "now")
    assert (earlier.status, f"slacktide downtime change {id_}" in earlier.err) == (1, True)
    assert hotel("downtime", "extend", id_).status == 2
    assert hotel("downtime", "change", id_, "--end", "none", "--json").json["end"] is None
    assert hotel("downtime", "end", id_).status == 2
    ended = hotel("downtime", "end", id_, "--reason", "done", "--json")
    assert [one["scope"] for one in ended.json["because"]] == ["site"]
    assert hotel("downtime", "end", id_, "--reason", "again").status == 1


def test_cancel(hotel, schedule):
    """A downtime that has not begun is cancelled, with a reason."""
    id_ = schedule(*OWN, "--start", "2030-01-01", "--end", "2030-01-01").json["id"]
    assert hotel("downtime", "end", id_, "--reason", "x").status == 1
    assert hotel("downtime", "cancel", id_).status == 2
    assert hotel("downtime", "cancel", id_, "--reason", "not needed").status == 0
    assert hotel("status", *OWN).status == 0


def test_recurring(hotel, schedule):
    """A recurring one shows its next occurrences; one of them is skipped, one moved, and the rest cancelled."""
    when = ("--start", "2030-03-24T02:30", "--for", "PT1H", "--rrule", "FREQ=WEEKLY;COUNT=3")
    said = schedule(*OWN, *when)
    # On 31 March the hotel's clock skips 02:30.
    starts = ["2030-03-24T01:30:00Z", "2030-03-31T01:30:00Z", "2030-04-07T00:30:00Z"]
    assert [each["start"] for each in said.json["occurrences"]] == starts
    key = ("--reason", "a test", "--json")
    skipped = hotel("downtime", "skip", said.json["id"], "--occurrence", starts[1], *key)
    moved = hotel("downtime", "move", said.json["id"], "--occurrence", starts[0], "--to", "2030-03-25T02:30", *key)
    assert [each["start"] for each in skipped.json["occurrences"]] == [starts[0], starts[2]]
    assert [each["start"] for each in moved.json["occurrences"]] == ["2030-03-25T01:30:00Z", starts[2]]
    assert "from 2030-04-07T02:30:00+02:00" in hotel("downtime", "show", said.json["id"]).out
    assert hotel("downtime", "cancel", said.json["id"], *key).json["occurrences"] == []
    assert "nothing of it is to come" in hotel("downtime", "show", said.json["id"]).out


def test_moved_by_zone_data(hotel, database, zone_data):
    """`show` says when an update of zone data has moved a recurring downtime."""
    day = datetime.now(tz=UTC).replace(hour=22, minute=0, second=0, microsecond=0) + timedelta(days=5)
    zone_data((day - timedelta(days=2), day + timedelta(days=100)))
    when = ("--start", f"{day:%Y-%m-%dT%H:%M}", "--zone", ZONE, "--for", "PT2H", "--rrule", "FREQ=DAILY")
    key = hotel("downtime", "schedule", "--site", "--yes", *when, "--reason", "a test", "--json").json["id"]
    assert "zone data" not in hotel("downtime", "show", key).out
    zone_data()
    with connect(database, name="test") as connection, connection.transaction():
        follow_zone_data(connection, settings=list_settings(connection), now=control_now(connection))
    said = hotel("downtime", "show", key, "--json").json
    assert said["start"] == format_instant(day - timedelta(hours=1))
    at = datetime.fromisoformat(said["moved_by_zone_data"]).astimezone(ZoneInfo(ZONE)).isoformat()
    assert f"an update of zone data moved it at {at}" in hotel("downtime", "show", key).out


def test_the_value_is_n(hotel, schedule):
    """One that its value switches off says so, a series too; one that stays in effect all the same says that."""
    for period, said in (
        (["--for", "PT1H"], "off: its value is N"),
        (["--for", "PT1H", "--rrule", "FREQ=DAILY"], "off: its value is N"),
        (["--until-ended"], "in effect until it is ended although its value is N"),
    ):
        id_ = schedule(*OWN, *period).json["id"]
        assert said not in hotel("downtime", "show", id_).out
        assert hotel("setting", "change", id_, "N", "--reason", "x").status == 0
        assert said in hotel("downtime", "show", id_).out


def test_verifying(hotel, schedule):
    """A downtime is opened for testers first, closed for all others, with imports held; then it is ended."""
    for name in ("ada", "grace"):
        hotel("user", "add", name)
    id_ = schedule(*OWN, "--until-ended", "--users", "out").json["id"]
    assert hotel("downtime", "end", id_, "--verifying", "eve", "--reason", "test").status == 2
    for nobody in (["--verifying"], ["--verifying="], ["--verifying", ""], ["--verifying", " "]):
        refused = hotel("downtime", "end", id_, "--reason", "test", *nobody)
        assert (refused.status, "No tester is named" in refused.err) == (2, True)
    assert hotel("status", *OWN, "--json").json["state"] == "quiet"
    said = hotel("downtime", "end", id_, "--verifying", "ada", "--reason", "test", "--json")
    assert (said.status, said.json["verifying"], said.json["end"]) == (0, ["ada"], None)
    assert hotel("downtime", "show", id_, "--json").json["verifying"] == ["ada"]
    assert "open for ada, closed for all others" in hotel("downtime", "show", id_).out
    status = hotel("status", *OWN, "--json")
    assert (status.status, status.json["state"]) == (75, "verifying")
    asked = [hotel("check", "open_task", *OWN, *user).status for user in (("--user", "ada"), ("--user", "grace"), ())]
    assert asked == [0, 77, 77]
    assert hotel("check", "import", *OWN, "--user", "ada").status == 75
    assert "closed for all others" in hotel("downtime", "end", id_, "--verifying", "ada", "grace", "--reason", "x").out
    assert hotel("check", "open_task", *OWN, "--user", "grace").status == 0
    assert hotel("downtime", "end", id_, "--reason", "done").status == 0
    assert hotel("status", *OWN, "--json").json["state"] == "open"
    what = [row["what"] for row in hotel("audit", "--json").json][-3:]
    assert what == ["downtime verify", "downtime verify", "downtime end"]
