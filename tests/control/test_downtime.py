from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from slacktide.control import downtime
from slacktide.control.audit import ReasonMissing, list_audit
from slacktide.control.downtime import Wish
from slacktide.control.organization import set_side
from slacktide.control.schedule import CHANNEL, schedule_of, state_of, states_of
from slacktide.control.setting import control_now, setting_of
from slacktide.core.instant import SkippedTime
from slacktide.downtime import Holders, decide
from slacktide.downtime.recurrence import BadRule
from slacktide.downtime.saving import AlreadyBegun, AlreadyOver, EndNotAfterStart, EndPassed, NotBegun
from slacktide.downtime.schedule import UnknownOrganization
from slacktide.downtime.series import LengthRefused, SeriesOnly
from slacktide.postgres.connection import connect
from tests.clock import until_past


def plan(control, who, *codes, **wish):
    """Schedule a downtime of organizations, or of the site where none is named."""
    wish = {"duration": "PT1H"} | wish if not {"end", "until_ended"} & set(wish) else wish
    answer = downtime.schedule_downtime(control, wish=Wish(**wish), site=not codes, organizations=codes, **who)
    return [found["id"] for found in answer.downtimes]


def test_schedule(control, who):
    """A scheduled downtime is answered with exactly the interface's fields, and is in effect from its start."""
    answer = downtime.schedule_downtime(
        control, wish=Wish(duration="PT1H", users="out"), organizations=["HOTEL"], **who
    ).downtimes[0]
    start, end = datetime.fromisoformat(answer["start"]), datetime.fromisoformat(answer["end"])
    assert end - start == timedelta(hours=1)
    assert {name: value for name, value in answer.items() if name not in ("start", "end")} == {
        "id": "1",
        "scope": "organization",
        "organization": "HOTEL",
        "value": "Y",
        "latched": False,
        "users": "out",
        "rrule": None,
        "occurrences": [],
        "effect": {"users": 0, "leases": 0, "tasks": 0, "held_expected": 0},
        "commands": {
            "extend": "slacktide downtime extend 1 --by PT1H",
            "end": "slacktide downtime end 1 --reason TEXT",
            "cancel": None,
        },
    }
    assert downtime.show_downtime(control, id="1") == downtime.list_downtimes(control)[0] == answer
    assert state_of(control, organization="HOTEL").state == "closing"
    assert state_of(control, organization="HOTEL", holders=Holders()).state == "quiet"
    assert [state.state for state in states_of(control)] == ["open", "closing", "open"]
    decision = decide(action="import", schedule=schedule_of(control), now=control_now(control), organization="HOTEL")
    assert decision.decision == "hold"
    trail = list_audit(control)[-1]
    assert (trail["what"], trail["object"], trail["after"]["organization"]) == (
        "downtime schedule",
        "downtime 1",
        "HOTEL",
    )


def test_all_or_none(control, who):
    """One downtime is made for each organization; with one that is unknown none is made at all."""
    with pytest.raises(UnknownOrganization, match="slacktide organization add NOWHERE"):
        plan(control, who, "HOTEL", "NOWHERE")
    assert downtime.list_downtimes(control) == []
    assert len(plan(control, who, "HOTEL", "OTHER")) == 2


def test_local_times(control, who):
    """A local time is of each organization's zone, a date as an end is the whole day, a skipped time is refused."""
    plan(control, who, "HOTEL", "OTHER", start="2030-03-01T22:00", end="2030-03-02")
    hotel, other = sorted(downtime.list_downtimes(control), key=lambda found: found["organization"])
    assert (hotel["start"], hotel["end"]) == ("2030-03-01T21:00:00Z", "2030-03-02T23:00:00Z")
    assert (other["start"], other["end"]) == ("2030-03-01T22:00:00Z", "2030-03-03T00:00:00Z")
    with pytest.raises(SkippedTime, match=r"01:30:00\+01:00 or 2030-03-31T03:30:00\+02:00"):
        plan(control, who, "HOTEL", start="2030-03-31T02:30")


def test_dry_run_saves_nothing(control, who):
    """A dry run says what would be, and saves and notes nothing."""
    before = len(list_audit(control))
    wish = Wish(start="now+PT10M", end="start+PT2H")
    answer = downtime.schedule_downtime(control, wish=wish, site=True, dry_run=True, **who).downtimes[0]
    assert (answer["id"], answer["scope"]) == (None, "site")
    assert (downtime.list_downtimes(control), len(list_audit(control))) == ([], before)


@pytest.mark.parametrize(
    ("refusal", "wish"),
    [
        (EndNotAfterStart, {"start": "2030-01-02T00:00:00Z", "end": "2030-01-01T00:00:00Z"}),
        (EndNotAfterStart, {"start": "2030-01-02T00:00:00Z", "end": "2030-01-02T00:00:00Z"}),
        (EndPassed, {"start": "2020-01-01", "end": "2020-01-02"}),
        (downtime.EndUnsaid, {"end": "2030-01-01", "until_ended": True}),
        (LengthRefused, {"rrule": "FREQ=DAILY", "end": "now+PT1H"}),
        (BadRule, {"rrule": "FREQ=HOURLY"}),
    ],
)
def test_refused_wish(control, who, refusal, wish):
    """An end that is missing, doubled, past or not after the start is refused, and so is a recurrence."""
    with pytest.raises(refusal):
        plan(control, who, "HOTEL", **wish)
    with pytest.raises(downtime.ScopeUnsaid):
        downtime.schedule_downtime(control, wish=Wish(duration="PT1H"), **who)


def test_end_names_what_is_left(control, who):
    """Ending lifts that downtime only, and the answer names what still keeps the scope down."""
    first, second, site = (
        *plan(control, who, "HOTEL"),
        *plan(control, who, "HOTEL", until_ended=True),
        *plan(control, who),
    )
    answer = downtime.end_downtime(control, id=first, **who)
    assert {found["id"] for found in answer["because"]} == {second, site}
    assert answer["commands"] == {"extend": None, "end": None, "cancel": None}
    assert [found.id for found in downtime.downtimes_in_effect(control, organization="HOTEL")] == [second]
    downtime.end_downtime(control, id=site, **who)
    assert downtime.end_downtime(control, id=second, **who)["because"] == []
    assert state_of(control, organization="HOTEL").state == "open"
    with pytest.raises(AlreadyOver):
        downtime.end_downtime(control, id=first, **who)


def test_cancel(control, who):
    """What has not begun is cancelled and not ended, what has begun is ended and not cancelled; both want a reason."""
    (future,) = plan(control, who, "HOTEL", start="now+PT1H")
    (present,) = plan(control, who, "HOTEL")
    with pytest.raises(NotBegun):
        downtime.end_downtime(control, id=future, **who)
    with pytest.raises(AlreadyBegun):
        downtime.cancel_downtime(control, id=present, **who)
    with pytest.raises(ReasonMissing):
        downtime.cancel_downtime(control, id=future, who="tester", reason=" ")
    cancelled = downtime.cancel_downtime(control, id=future, **who)
    assert cancelled["start"] == cancelled["end"]
    assert state_of(control, organization="HOTEL", at=control_now(control) + timedelta(hours=1.5)).state == "open"
    for unknown in ("99", "x", "9" * 30):
        with pytest.raises(downtime.UnknownDowntime, match="slacktide downtime list"):
            downtime.show_downtime(control, id=unknown)


def test_change(control, who):
    """An end can be moved later, and earlier where that is said; without an end it is latched from then on."""
    (key,) = plan(control, who, "HOTEL")
    before = downtime.downtime_of(control, id=key)
    downtime.change_downtime(control, id=key, duration="PT1H", only_later=True, **who)
    assert downtime.downtime_of(control, id=key).end == before.end + timedelta(hours=1)
    with pytest.raises(downtime.NotLater):
        downtime.change_downtime(control, id=key, end="now+PT1M", only_later=True, **who)
    downtime.change_downtime(control, id=key, end="now+PT1M", **who)
    downtime.change_downtime(control, id=key, end="none", **who)
    assert downtime.show_downtime(control, id=key)["latched"]


def test_what_lifts_a_downtime_needs_a_reason_and_says_what_is_left(control, who):
    """Whatever ends or cancels one: it needs a reason, and the answer names what still keeps the scope down."""
    lasting, future = plan(control, who, "HOTEL", start="now", end="now+PT4H"), {"start": "now+PT1H", "end": "now+PT2H"}
    other = plan(control, who, "HOTEL", **future)
    site = downtime.schedule_downtime(control, wish=Wish(until_ended=True), site=True, **who).downtimes[0]["id"]
    start = downtime.show_downtime(control, id=other[0])["start"]
    for key, end in ((lasting[0], "now"), (other[0], start)):
        with pytest.raises(ReasonMissing, match=f"slacktide downtime change {key}"):
            downtime.change_downtime(control, id=key, end=end, who="tester", reason=" ")
    later = downtime.change_downtime(control, id=lasting[0], end="now+PT3H", who="tester", reason="")
    assert "because" not in later.downtimes[0]
    ended = downtime.change_downtime(control, id=lasting[0], end="now", **who).downtimes[0]
    assert [each["id"] for each in ended["because"]] == [site]
    assert [each["id"] for each in downtime.cancel_downtime(control, id=other[0], **who)["because"]] == [site]


def test_reference_only_is_warned_about(control, who):
    """A downtime of an organization that has moved is accepted with a warning."""
    set_side(control, organization="HOTEL", side="source", state="reference only", lives_at="https://new", **who)
    answer = downtime.schedule_downtime(control, wish=Wish(duration="PT1H"), organizations=["HOTEL"], **who)
    assert "https://new" in answer.warnings[0]
    assert state_of(control, organization="HOTEL").state == "reference only"


def test_each_change_is_told(control, database, who):
    """Whoever listens on the channel hears of each change, once it is committed."""
    with connect(database, name="listener") as listener:
        listener.execute(f"listen {CHANNEL}")
        for change in (
            lambda: plan(control, who, "HOTEL"),
            lambda: downtime.end_downtime(control, id="1", **who),
            lambda: set_side(control, organization="HOTEL", side="source", state="closed", **who),
        ):
            change()
            assert next(listener.notifies(timeout=5, stop_after=1)).channel == CHANNEL


def test_start_and_end_take_effect_by_the_clock(control, who):
    """A downtime begins and ends at its instants by the schedule alone, without any further change."""
    (planned,) = plan(control, who, "HOTEL", start="now+PT1S", end="start+PT2S")
    setting = setting_of(control, id=planned)
    schedule = schedule_of(control)
    words = []
    for instant in (setting.start, setting.end):
        until_past(control, instant)
        words.append(state_of(control, organization="HOTEL").state)
    assert words == ["closing", "open"]
    asked = {"action": "open_task", "schedule": schedule, "organization": "HOTEL"}
    assert decide(now=setting.start - timedelta(microseconds=1), **asked).allowed
    assert not decide(now=setting.start, **asked).allowed


# -- recurring ones ----------------------------------------------------------------------------------------------------


def series(control, who, **wish):
    """Schedule a downtime of the hotel every day from now on, for an hour; give its ID."""
    return plan(control, who, "HOTEL", rrule="FREQ=DAILY", **wish)[0]


def test_a_series(control, who):
    """A recurring downtime is shown with its rule and the next ten, and one of them is in effect now."""
    shown = downtime.show_downtime(control, id=series(control, who))
    assert (shown["rrule"], shown["latched"], shown["end"]) == ("FREQ=DAILY", False, None)
    starts = [datetime.fromisoformat(each["start"]) for each in shown["occurrences"]]
    assert len(starts) == 10
    assert starts[0] == datetime.fromisoformat(shown["start"])
    assert state_of(control, organization="HOTEL").state == "closing"
    tomorrow = state_of(control, organization="HOTEL", at=starts[1] + timedelta(minutes=59))
    assert tomorrow.because[0].end == starts[1] + timedelta(hours=1)
    in_ten_years = starts[0] + timedelta(days=3653)
    assert state_of(control, organization="HOTEL", at=in_ten_years + timedelta(hours=12)).state == "scheduled"


def test_occurrences_of_a_series(control, who):
    """An occurrence is left out, moved, extended and ended, each in the audit trail; cancelling ends the series."""
    key = series(control, who)
    first, second, third = (datetime.fromisoformat(each["start"]) for each in
                            downtime.show_downtime(control, id=key)["occurrences"][:3])  # fmt: skip
    downtime.change_occurrence(control, id=key, occurrence=second.isoformat(), **who)
    to = (third + timedelta(hours=5)).isoformat()
    moved = downtime.change_occurrence(control, id=key, occurrence=third.isoformat(), to=to, **who)
    assert [datetime.fromisoformat(each["start"]) for each in moved["occurrences"][:2]] == [
        first,
        third + timedelta(hours=5),
    ]
    extended = downtime.change_downtime(control, id=key, duration="PT1H", only_later=True, **who).downtimes[0]
    assert datetime.fromisoformat(extended["occurrences"][0]["end"]) == first + timedelta(hours=2)
    for wish in ({"end": "none"}, {"end": "now+PT9H"}):
        with pytest.raises(SeriesOnly):
            downtime.change_downtime(control, id=key, **wish, **who)
    assert downtime.end_downtime(control, id=key, **who)["because"] == []
    assert state_of(control, organization="HOTEL").state == "scheduled"
    cancelled = downtime.cancel_downtime(control, id=key, **who)
    assert cancelled["occurrences"] == []
    assert state_of(control, organization="HOTEL").state == "open"
    assert [each["what"] for each in list_audit(control)[-6:]] == [
        "downtime schedule", "downtime skip", "downtime move", "downtime change", "downtime end", "downtime cancel",
    ]  # fmt: skip


def test_a_series_needs_a_reason(control, who):
    """Leaving out or moving an occurrence needs a reason."""
    key = series(control, who)
    for to in (None, "now+P3D"):
        with pytest.raises(ReasonMissing):
            downtime.change_occurrence(control, id=key, occurrence="now+P1D", to=to, who="tester", reason="")
