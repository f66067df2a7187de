from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from slacktide.control import setting_change
from slacktide.control.audit import ReasonMissing, list_audit
from slacktide.control.downtime import Wish, list_downtimes, schedule_downtime, show_downtime
from slacktide.control.organization import set_side
from slacktide.control.schedule import state_of
from slacktide.control.setting import control_now
from slacktide.control.setting_change import LevelUnsaid, NothingSaid, Times, UnknownSetting, Whose
from slacktide.control.user import add_user
from slacktide.core.instant import RepeatedTime, SkippedTime, ZoneMissing
from slacktide.downtime.parameter import PARAMETERS, BadValue, Level, LevelNotAllowed, UnknownParameter
from slacktide.downtime.saving import (
    AlreadyBegun,
    AlreadyOver,
    EndNotAfterStart,
    EndPassed,
    NotDeletable,
    Overlap,
)
from slacktide.downtime.schedule import UnknownOrganization
from slacktide.downtime.series import SeriesOnly
from slacktide.postgres.connection import connect

SITE, HOTEL, ADA = Whose(site=True), Whose(organization="HOTEL"), Whose(user="ada")
WHOSE = {Level.SITE: SITE, Level.ORGANIZATION: HOTEL, Level.USER: ADA}
OWN = "organization_scheduled_downtime"
ACCESS = "disable_user_access"


@pytest.fixture
def add(control, who):
    """Give a function that adds a setting and gives its document, of a user ada too."""
    add_user(control, name="ada", **who)

    def call(parameter, value, whose=HOTEL, **times):
        answer = setting_change.add_setting(
            control, parameter=parameter, value=value, whose=whose, times=Times(**times), **who
        )
        return answer.setting

    return call


@pytest.fixture
def change(control, who):
    """Give a function that changes a setting and gives the whole answer."""

    def call(one, value=None, *, whose=Whose(), **times):  # noqa: B008 -- a value that never changes
        return setting_change.change_setting(
            control, id=one["id"], value=value, whose=whose, times=Times(**times), **who
        )

    return call


# -- levels, values ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("parameter", PARAMETERS)
def test_level(add, control, parameter, level):
    """Each parameter is accepted at the levels that it allows and refused, with these named, at every other."""
    definition = PARAMETERS[parameter]
    if level in definition.levels:
        one = add(parameter, definition.default or "a text", WHOSE[level])
        assert (one["level"], one["organization"] or one["user"]) == (
            level,
            WHOSE[level].organization or WHOSE[level].user,
        )
        assert setting_change.settings_answer(control, whose=WHOSE[level]) == [one]
        return
    with pytest.raises(LevelNotAllowed, match=definition.levels[0]):
        add(parameter, definition.default, WHOSE[level])
    assert setting_change.settings_answer(control) == []


@pytest.mark.parametrize(
    ("parameter", "good", "bad"),
    [
        (ACCESS, ["Y", "N"], ["y", "", "yes"]),
        ("email_notification_security", ["low", "medium", "high"], ["none"]),
        ("hold_recheck_interval", ["PT10S", "PT1H"], ["PT9S", "PT61M", "5"]),
        ("hold_release_rate", ["1", "10000", "none"], ["0", "10001", "-1", "1.5"]),
        ("task_lease_limit", ["1", "100"], ["0", "101", "x"]),
        ("task_lease_idle_limit", ["PT1S", "P7D"], ["PT0S", "an hour"]),
        ("downtime_notice_lead_times", ["P1D, PT5M"], ["P1D; PT5M", "PT0S"]),
    ],
)
def test_bounds(add, change, parameter, good, bad):
    """Values within the bounds are accepted, all others refused with what is expected, when added and when changed."""
    one = add(parameter, good[0], SITE, start="now+P1D")
    for value in good:
        assert change(one, value).setting["value"] == value
    for value in bad:
        with pytest.raises(BadValue):
            change(one, value)
        with pytest.raises(BadValue):
            add(parameter, value, SITE)


def test_wrong_names(add, change, control, who):
    """An unknown parameter, organization or setting, and a level that is not said or said twice, are refused."""
    with pytest.raises(UnknownParameter, match="task_lease_limit"):
        add("task_lease_limits", "5")
    with pytest.raises(UnknownOrganization):
        add(ACCESS, "N", Whose(organization="NOWHERE"))
    for whose in (Whose(), Whose(site=True, organization="HOTEL")):
        with pytest.raises(LevelUnsaid, match="--site or --organization CODE"):
            add(ACCESS, "N", whose)
    for key in ("99", "x"):
        with pytest.raises(UnknownSetting, match="slacktide setting list"):
            change({"id": key}, "N")
        with pytest.raises(UnknownSetting):
            setting_change.remove_setting(control, id=key, **who)
    with pytest.raises(NothingSaid):
        change(add(ACCESS, "N"))


# -- overlap -----------------------------------------------------------------------------------------------------------


def test_overlap(add, change):
    """An overlap is refused with an error that names both; a touch, another level or another parameter is none."""
    first = add("task_lease_limit", "7", start="2030-01-01", end="2030-01-10")
    with pytest.raises(Overlap, match=rf"task_lease_limit = '8' from 2029-12-31T23:00:00Z overlaps {first['id']}"):
        add("task_lease_limit", "8", start="2030-01-01", end="2030-01-01")
    second = add("task_lease_limit", "8", start="2030-01-11", end="2030-01-20")
    add("task_lease_limit", "8", SITE, start="2030-01-01T00:00:00Z")
    add("task_lease_idle_limit", "PT2H", start="2030-01-01")
    with pytest.raises(Overlap, match=f"overlaps {first['id']}"):
        change(second, start="2030-01-10T23:00", end="2030-01-20")
    with pytest.raises(Overlap, match=f"overlaps {second['id']}"):
        change(first, end="none")
    assert change(first, "9", end="2030-01-05").setting["value"] == "9"


def test_downtimes_may_overlap(add, control):
    """Settings of the two downtime parameters may overlap: the scope is down in the union of their periods."""
    add(OWN, "Y", end="now+PT1H")
    add(OWN, "Y", start="now+PT30M", end="now+PT2H")
    at = control_now(control) + timedelta(minutes=90)
    assert state_of(control, organization="HOTEL", at=at).state == "closing"


def test_two_at_once(add, database, who):
    """Of two that add overlapping settings at once one is saved, and the other refused by the name of the first."""
    ready, refused = threading.Barrier(6), []

    def one(value):
        with connect(database, name="test") as connection:
            ready.wait()
            try:
                setting_change.add_setting(
                    connection, parameter="task_lease_limit", value=str(value), whose=SITE, **who
                )
            except Overlap as error:
                refused.append(error.facts["other"])

    threads = [threading.Thread(target=one, args=(value,)) for value in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == ["1"] * 5


# -- start and end -----------------------------------------------------------------------------------------------------


def test_times(add, change):
    """Dates and times are of the organization's zone or the one given; one that is skipped or repeated is refused."""
    one = add(ACCESS, "N", start="2030-07-01", end="2030-07-01")
    assert (one["start"], one["end"]) == ("2030-06-30T22:00:00Z", "2030-07-01T22:00:00Z")
    given = change(one, start="2030-07-01T12:00", end="start+PT2H", zone="America/New_York").setting
    assert (given["start"], given["end"]) == ("2030-07-01T16:00:00Z", "2030-07-01T18:00:00Z")
    with pytest.raises(ZoneMissing):
        add(ACCESS, "N", SITE, start="2030-07-01")
    with pytest.raises(SkippedTime):
        add(ACCESS, "N", start="2030-03-31T02:30")
    with pytest.raises(RepeatedTime):
        add(ACCESS, "N", start="2030-10-27T02:30")


def test_start_left_out_is_the_moment_of_saving(add, control):
    """Without a start a setting begins when it is saved; a start before now is accepted and in effect at once."""
    before = control_now(control)
    one = add(OWN, "Y", end="now+PT1H")
    assert before.isoformat()[:19] <= one["start"] <= control_now(control).isoformat()
    assert one["in_effect"]
    assert add(OWN, "Y", start="2020-01-01", end="2099-01-01")["in_effect"]


def test_ends(add, change):
    """An end at or before the start, or before now, is refused; now ends at once; one at the start cancels."""
    with pytest.raises(EndNotAfterStart):
        add(OWN, "Y", start="2030-01-02T00:00", end="2030-01-02T00:00")
    with pytest.raises(EndNotAfterStart):
        add(OWN, "Y", start="2030-01-02T00:00", end="2030-01-01T00:00")
    with pytest.raises(EndPassed):
        add(OWN, "Y", start="2020-01-01", end="2020-01-02")
    future = add(OWN, "Y", start="2030-01-02T00:00", end="2030-01-03T00:00")
    assert change(future, end="2030-01-02T00:00").setting["end"] == future["start"]
    with pytest.raises(AlreadyOver, match="slacktide downtime schedule"):
        change(future, "N")
    present = add(OWN, "Y", start="2020-01-01", end="2099-01-01")
    with pytest.raises(EndPassed):
        change(present, end="2020-06-01")
    with pytest.raises(EndNotAfterStart):
        change(present, end="2019-12-31T23:00:00Z")
    assert not change(present, end="now").setting["in_effect"]
    other = add(ACCESS, "N", start="2020-01-01")
    change(other, end="now")
    with pytest.raises(AlreadyOver, match="slacktide setting add"):
        change(other, "Y")


def test_begun(add, change):
    """Start and level of what has begun stay, and the refusal says how to end it; of what has not they may change."""
    begun = add(ACCESS, "N")
    with pytest.raises(AlreadyBegun, match=f"slacktide setting change {begun['id']} --end now"):
        change(begun, start="now+PT1H")
    with pytest.raises(AlreadyBegun):
        change(begun, whose=SITE)
    down = add(OWN, "Y", end="now+PT1H")
    with pytest.raises(AlreadyBegun, match=f"slacktide downtime end {down['id']} --reason TEXT"):
        change(down, whose=Whose(organization="OTHER"))
    future = add(ACCESS, "N", Whose(organization="OTHER"), start="now+P1D")
    moved = change(future, "Y", whose=SITE, start="now+P2D").setting
    assert (moved["level"], moved["organization"], moved["value"]) == ("site", None, "Y")
    with pytest.raises(LevelNotAllowed):
        change(future, whose=ADA)


# -- value and latch ---------------------------------------------------------------------------------------------------


def test_value_start_and_end_in_one_act(add, change, control):
    """Value, start and end are saved together: one notice in the trail, and no instant in which only one holds."""
    one = add(OWN, "N", start="now+P1D", end="now+P2D")
    before = len(list_audit(control))
    after = change(one, "Y", start="now+P3D", end="none").setting
    assert (after["value"], after["latched"], after["end"]) == ("Y", True, None)
    trail = list_audit(control)[before:]
    assert [(row["what"], row["object"]) for row in trail] == [("setting change", f"setting {one['id']}")]
    assert (trail[0]["before"]["value"], trail[0]["after"]["value"], trail[0]["reason"]) == ("N", "Y", "a test")


def test_off_on_a_latched_one(add, change, control):
    """N on a latched one is accepted with a warning that names the way to end it, and it stays in effect."""
    one = add(OWN, "Y")
    answer = change(one, "N")
    assert f"slacktide downtime end {one['id']} --reason TEXT" in answer.warnings[0]
    assert (answer.setting["latched"], answer.setting["in_effect"]) == (True, True)
    assert state_of(control, organization="HOTEL").state == "closing"
    ended = change(one, end="now+PT1H")
    assert ended.setting["in_effect"]
    assert not change(one, end="now").setting["in_effect"]


def test_off_on_a_latched_one_with_an_end(add, change):
    """N on a latched one that was given an end warns too: it lasts to that end. With the end of now it is off."""
    one = add(OWN, "Y")
    assert "stays in effect until" in change(one, "N", end="now+PT1H").warnings[0]
    other = add(OWN, "Y")
    assert change(other, "N", end="now").warnings == ()


def test_off_on_a_bounded_one(add, change, control):
    """N on a bounded one that was never latched is off at once, and Y is on again."""
    one = add(OWN, "Y", end="now+PT1H")
    off = change(one, "N")
    assert (off.warnings, off.setting["in_effect"]) == ((), False)
    assert state_of(control, organization="HOTEL").state == "open"
    assert change(one, "Y").setting["in_effect"]


def test_never_on_is_no_downtime(add):
    """A setting that was never Y is no downtime, without an end too."""
    one = add(OWN, "N")
    assert (one["latched"], one["in_effect"]) == (False, False)


def test_delete(add, control, who):
    """What is latched or has begun is not deleted, and the refusal says how to end it; what is to come is."""
    for parameter, times, ending in (
        (OWN, {"start": "now+P1D"}, "slacktide downtime end"),
        (OWN, {"end": "now+PT1H"}, "slacktide downtime end"),
        (ACCESS, {}, "slacktide setting change"),
    ):
        one = add(parameter, "Y", **times)
        with pytest.raises(NotDeletable, match=f"{ending} {one['id']}"):
            setting_change.remove_setting(control, id=one["id"], **who)
    future = add(OWN, "Y", start="now+P1D", end="now+P2D")
    assert setting_change.remove_setting(control, id=future["id"], **who).setting == future
    last = list_audit(control)[-1]
    assert (last["what"], last["after"]) == ("setting delete", None)
    with pytest.raises(UnknownSetting):
        setting_change.remove_setting(control, id=future["id"], **who)


def test_a_series(add, change, control, who):
    """N switches a series off and Y on; its start and end are its occurrences' own."""
    wish = Wish(duration="PT1H", rrule="FREQ=DAILY")
    (shown,) = schedule_downtime(control, wish=wish, organizations=["HOTEL"], **who).downtimes
    assert change(shown, "N").setting["in_effect"] is False
    assert state_of(control, organization="HOTEL").state == "open"
    assert change(shown, "Y").setting["in_effect"] is True
    with pytest.raises(SeriesOnly):
        change(shown, end="now+PT1H")


def test_a_setting_is_the_downtime(add, control, who):
    """A downtime that is added as a setting is the one that `downtime` shows; of one that moved there is a warning."""
    one = add(OWN, "Y", end="now+PT1H")
    assert show_downtime(control, id=one["id"])["end"] == one["end"]
    assert [each["id"] for each in list_downtimes(control)] == [one["id"]]
    set_side(control, organization="HOTEL", side="source", state="reference only", lives_at="https://new", **who)
    facts = {"parameter": OWN, "value": "Y", "whose": HOTEL, "times": Times(end="now+PT1H")}
    assert "https://new" in setting_change.add_setting(control, **facts, **who).warnings[0]


def test_list(add, control):
    """The list is of one parameter, of one level value, or of all."""
    first, second = add(ACCESS, "N"), add("task_lease_limit", "7", SITE)
    assert setting_change.settings_answer(control) == [first, second]
    assert setting_change.settings_answer(control, parameter=ACCESS) == [first]
    assert setting_change.settings_answer(control, whose=SITE) == [second]
    for wrong, refusal in (
        ({"parameter": "x"}, UnknownParameter),
        ({"whose": Whose(organization="X")}, UnknownOrganization),
        ({"whose": Whose(site=True, user="ada")}, LevelUnsaid),
    ):
        with pytest.raises(refusal):
            setting_change.settings_answer(control, **wrong)


@pytest.mark.parametrize(
    ("wish", "change"),
    [
        ({"end": "now+PT1H"}, {"value": "N"}),
        ({"end": "now+PT1H"}, {"times": Times(end="now")}),
        ({"start": "now+PT1H", "end": "now+PT2H"}, {"value": "N"}),
    ],
)
def test_what_lifts_a_downtime_needs_a_reason_and_says_what_is_left(control, who, wish, change):
    """A downtime is switched off or ended as a setting: it needs a reason, and the answer names what is left."""
    site = schedule_downtime(control, wish=Wish(until_ended=True), site=True, **who).downtimes[0]["id"]
    key = schedule_downtime(control, wish=Wish(**wish), organizations=["HOTEL"], **who).downtimes[0]["id"]
    with pytest.raises(ReasonMissing, match=f"slacktide setting change {key}"):
        setting_change.change_setting(control, id=key, **change, who="tester")
    lifted = setting_change.change_setting(control, id=key, **change, **who).setting
    assert [each["id"] for each in lifted["because"]] == [site]
    again = setting_change.change_setting(control, id=site, value="N", who="tester")  # opened without an end: it stays
    assert "because" not in again.setting
