from __future__ import annotations

import itertools
from datetime import timedelta
from pathlib import Path

import pytest

from slacktide.downtime import decide
from slacktide.downtime.schedule import UnknownOrganization
from slacktide.downtime.table import Action, table_as_markdown

NOON = 4  # hours after the morning: all downtimes of the cells are in effect


def naive(action, *, admin, site, own, lease, session, writer, left, asks):  # noqa: C901, PLR0911 -- one sentence a line
    """Read section 4 of the specification sentence by sentence; a scope is None, "in" or "out"."""
    down = site is not None or own is not None
    if action == "read":
        if session == "live":
            return "allow", None
        action = "login"
    if action == "login":
        return ("deny", "site_downtime") if site == "out" and not admin and not lease else ("allow", None)
    if action == "change_setting":
        return ("allow", None) if admin else ("deny", "not_administrator")
    if action == "email_link":
        if down or asks:
            return "login", None
        action = "open_task"
    if left:
        return "deny", "reference_only"
    if action in ("open_task", "continue_task"):
        if admin or lease or "out" not in (site, own):
            return "allow", None
        return "deny", "site_downtime" if site == "out" else "organization_downtime"
    if not down:
        return "allow", None
    held = action == "import" or writer == "own"
    return "hold" if held else "deny", "site_downtime" if site else "organization_downtime"


CELLS = list(
    itertools.product(
        Action,
        [True, False],  # admin
        [None, "in", "out"],  # the site's downtime
        [None, "in", "out"],  # the organization's
        [True, False],  # lease
        ["none", "live"],  # session
        ["own", "other"],  # writer
        [True, False],  # reference only
        [True, False],  # the link asks for a log-in
    )
)


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("via", ["browser", "email", "api"])
def test_cell(example, action, via):
    """Every cell of the decision table answers as the specification's sentences do, whatever the way in."""
    for _, admin, site, own, lease, session, writer, left, asks in (cell for cell in CELLS if cell[0] is action):
        settings = [example.site(0, 8, site)] if site else []
        settings += [example.own(0, 8, own)] if own else []
        sides = [example.side("source", "reference only", lives_at="https://new.example")] if left else []
        decision = decide(
            action=action,
            schedule=example.schedule(*settings, sides=sides),
            now=example.at(NOON),
            user_is_admin=admin,
            organization="HOTEL",
            lease=lease,
            session=session,
            via=via,
            writer=writer,
            link_asks=asks,
        )
        expected = naive(
            action.value,
            admin=admin,
            site=site,
            own=own,
            lease=lease,
            session=session,
            writer=writer,
            left=left,
            asks=asks,
        )
        assert (decision.decision, decision.code) == expected, (action, admin, site, own, lease, session, writer, left)


def test_organization_administrator(example):
    """An organization administrator may change the downtimes of own organizations only."""
    facts = {"action": "change_setting", "schedule": example.schedule(), "now": example.at(0)}
    assert decide(**facts, own_downtime=True).decision == "allow"
    assert decide(**facts).code == "not_administrator"


@pytest.mark.parametrize(
    ("site_end", "own_end", "code", "until", "also"),
    [
        (8, 6, "site_downtime", 8, "organization_downtime"),
        (6, 8, "organization_downtime", 8, "site_downtime"),
        (6, None, "organization_downtime", None, "site_downtime"),
        (None, 8, "site_downtime", None, "organization_downtime"),
        (8, 8, "site_downtime", 8, "organization_downtime"),
        (None, None, "site_downtime", None, "organization_downtime"),
    ],
)
def test_order_of_reasons(example, site_end, own_end, code, until, also):
    """The scope whose unbroken period ends last gives the reason, a tie goes to the site, the other is listed."""
    schedule = example.schedule(example.site(0, site_end), example.own(1, own_end))
    decision = decide(action="open_task", schedule=schedule, now=example.at(NOON), organization="HOTEL")
    assert decision.code == code
    assert decision.until == (None if until is None else example.at(until))
    assert [reason.code for reason in decision.also] == [also]


def test_scope_that_does_not_deny_gives_no_reason(example):
    """A longer downtime with users in is no reason for a denial, and is none of the others either."""
    schedule = example.schedule(example.site(0, 20, "in"), example.own(1, 6, "out"))
    decision = decide(action="open_task", schedule=schedule, now=example.at(NOON), organization="HOTEL")
    assert (decision.code, decision.until, decision.also) == ("organization_downtime", example.at(6), ())
    held = decide(action="import", schedule=schedule, now=example.at(NOON), organization="HOTEL")
    assert (held.decision, held.code, held.until) == ("hold", "site_downtime", example.at(20))


def test_unbroken_period(example):
    """Start and until are those of the union of touching and overlapping settings."""
    schedule = example.schedule(example.own(0, 3), example.own(3, 5), example.own(4, 9), example.own(10, 11))
    decision = decide(action="open_task", schedule=schedule, now=example.at(NOON), organization="HOTEL")
    assert (decision.start, decision.until) == (example.at(0), example.at(9))


def test_reference_only_names_the_downtimes_too(example):
    """Reference only comes before any downtime, and `also` lists what else denies."""
    sides = [example.side("source", "reference only", lives_at="https://new.example")]
    schedule = example.schedule(example.own(0, 8), sides=sides)
    decision = decide(action="import", schedule=schedule, now=example.at(NOON), organization="HOTEL")
    assert (decision.decision, decision.code) == ("deny", "reference_only")
    assert [reason.code for reason in decision.also] == ["organization_downtime"]
    assert "https://new.example" in str(decision.message)


def test_other_organization_goes_on(example):
    """An organization's downtime denies nothing to another organization."""
    schedule = example.schedule(example.own(0, 8))
    for action in ("open_task", "import", "write_interface", "login"):
        assert decide(action=action, schedule=schedule, now=example.at(NOON), organization="OTHER").allowed


def test_email_link_scope(example):
    """With `own` only the site's and the task's own downtimes send an e-mail link to the log-in; with `any` all do."""
    asked = {"action": "email_link", "now": example.at(NOON), "organization": "OTHER", "link_asks": False}
    assert decide(schedule=example.schedule(example.own(0, 8)), **asked).decision == "login"
    narrow = example.setting("email_link_downtime_scope", "own", 0, None, id="9")
    assert decide(schedule=example.schedule(example.own(0, 8), narrow), **asked).decision == "allow"
    assert decide(schedule=example.schedule(example.site(0, 8), narrow), **asked).decision == "login"


def test_durable_closing(example):
    """A durable closing counts as an organization downtime, users out, without a known end."""
    sides = [example.side("source", "closed", since=2), example.side("target", "closed", since=-9)]
    schedule = example.schedule(example.own(0, 3, "in"), sides=sides)
    decision = decide(action="open_task", schedule=schedule, now=example.at(NOON), organization="HOTEL")
    assert (decision.code, decision.start, decision.until) == ("organization_downtime", example.at(0), None)
    early = decide(action="open_task", schedule=schedule, now=example.at(1), organization="HOTEL")
    assert early.allowed


def test_moved_organization_is_judged_where_it_lives(example):
    """After a move the target decides, unless the request names the source."""
    sides = [example.side("source", "reference only", lives_at="new"), example.side("target", "open")]
    schedule = example.schedule(sides=sides)
    asked = {"action": "open_task", "schedule": schedule, "now": example.at(NOON), "organization": "HOTEL"}
    assert decide(**asked).allowed
    assert decide(**asked, side="source").code == "reference_only"


def test_times_of_a_hold(example):
    """Held work looks again after the recheck interval, at the latest at the end; who may retry is told the seconds."""
    asked = {"action": "import", "organization": "HOTEL"}
    decision = decide(schedule=example.schedule(example.own(0, 8)), now=example.at(NOON), **asked)
    assert decision.next_check == example.at(NOON) + timedelta(minutes=5)
    assert decision.retry_after_seconds == 4 * 3600
    endless = decide(schedule=example.schedule(example.own(0, None)), now=example.at(NOON), **asked)
    assert (endless.until, endless.retry_after_seconds) == (None, 300)
    often = example.setting("hold_recheck_interval", "PT30S", 0, None, id="9")
    schedule = example.schedule(example.own(0, None), often)
    assert decide(schedule=schedule, now=example.at(NOON), **asked).retry_after_seconds == 30


def test_valid_until(example):
    """An answer is valid to the next boundary, at most for the maximum age of what a gate knows."""
    schedule = example.schedule(example.own(0, 8))
    asked = {"action": "open_task", "schedule": schedule, "organization": "HOTEL"}
    almost = example.at(8) - timedelta(seconds=10)
    assert decide(now=almost, **asked).valid_until == example.at(8)
    assert decide(now=example.at(1), **asked).valid_until == example.at(1) + timedelta(seconds=60)


def test_schedule_unknown(example):
    """A gate without a schedule denies log-in and tasks and holds writes; what needs no schedule goes on."""
    facts = {"schedule": None, "now": example.at(0), "organization": "HOTEL"}
    assert decide(action="login", **facts).code == "schedule_unknown"
    assert decide(action="open_task", **facts).decision == "deny"
    assert decide(action="import", **facts).decision == "hold"
    assert decide(action="import", **facts).retry_after_seconds == 300
    assert decide(action="read", session="live", **facts).allowed
    assert decide(action="login", user_is_admin=True, **facts).allowed


@pytest.mark.parametrize(("hours", "code"), [(0, "schedule_unknown"), (-25, None), (50, None), (33, None)])
def test_stale_schedule(example, hours, code):
    """A gate whose schedule is too old closes each scope that has a downtime within 24 hours, and no other."""
    schedule = example.schedule(example.own(2, 8))
    asked = {"action": "open_task", "schedule": schedule, "now": example.at(hours), "stale": True}
    assert decide(organization="HOTEL", **asked).code == code
    assert decide(organization="OTHER", **asked).allowed


def test_message(example):
    """A refusal says for which scope, from when to when with the zone, and whom to ask, and then the own text."""
    schedule = example.schedule(example.own(0, 8, message="Stock taking.", contact="Ada, 4711"))
    decision = decide(action="open_task", schedule=schedule, now=example.at(NOON), organization="HOTEL")
    assert decision.message == (
        "The organization HOTEL is not available for administrative reasons from 2026-06-01 10:00 +02:00 "
        "to 2026-06-01 18:00 +02:00 (Europe/Berlin). Ask Ada, 4711.\nStock taking."
    )


def test_site_message_is_the_sites_own(example):
    """An organization's message is never shown for a downtime of the site."""
    own = example.setting("downtime_message", "ours", 0, None, id="8", organization="HOTEL")
    schedule = example.schedule(example.site(0, 8), own)
    decision = decide(action="open_task", schedule=schedule, now=example.at(NOON), organization="HOTEL")
    assert "ours" not in str(decision.message)


def test_answer(example):
    """The JSON document has exactly the fields that the interface names, in their order."""
    schedule = example.schedule(example.site(0, 8), example.own(0, None))
    answer = decide(action="open_task", schedule=schedule, now=example.at(NOON), organization="HOTEL").answer()
    assert answer.pop("message")
    assert answer == {
        "decision": "deny",
        "code": "organization_downtime",
        "scope": "organization",
        "organization": "HOTEL",
        "start": "2026-06-01T08:00:00Z",
        "until": None,
        "next_check": None,
        "retry_after_seconds": 300,
        "valid_until": "2026-06-01T12:01:00Z",
        "also": [
            {
                "code": "site_downtime",
                "scope": "site",
                "start": "2026-06-01T08:00:00Z",
                "until": "2026-06-01T16:00:00Z",
            }
        ],
    }


def test_unknown_organization(example):
    """An organization that is not there is refused with the command that adds it."""
    with pytest.raises(UnknownOrganization, match="slacktide organization add NOWHERE"):
        decide(action="open_task", schedule=example.schedule(), now=example.at(0), organization="NOWHERE")


def test_documentation():
    """The documentation shows the very table that decides."""
    page = Path(__file__).parents[2] / "docs" / "explanation" / "downtime.md"
    assert table_as_markdown() in page.read_text(encoding="utf-8")
