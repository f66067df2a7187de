"""The pages of downtimes and parameters."""

from __future__ import annotations

import pytest

from slacktide.control.downtime import downtime_of, list_downtimes
from slacktide.control.setting_change import settings_answer
from slacktide.control.user import Change, add_user, change_user
from tests.server.pages.conftest import WHO

WISH = {"scope": "organization", "organization": "HOTEL", "start": "now+PT1H", "duration": "PT2H", "reason": "upgrade"}


def test_preview_and_confirm(browser, tasks, control):
    """A downtime is shown with its effect first, and saved when it is confirmed."""
    ada = browser("ada")
    shown = ada.post("/downtimes/new", **WISH)
    assert shown.status == 200
    assert shown.says("2 users, 0 open tasks, 2 tasks in all")
    assert shown.says("Nothing is saved yet")
    assert list_downtimes(control) == []
    saved = ada.post("/downtimes/new", **WISH, confirm="1")
    key = list_downtimes(control)[0]["id"]
    assert saved.location == f"/downtime/{key}"
    assert ada.get(saved.location).says("Downtime")
    assert ada.get("/downtimes").says("HOTEL")


def test_next_ten(browser, control):
    """The next ten occurrences of a series are shown before it is saved."""
    shown = browser("ada").post("/downtimes/new", **WISH, rrule="FREQ=DAILY")
    assert shown.text.count("<li>") == 10


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"duration": ""}, "exactly one end"),
        ({"reason": ""}, "--reason"),
        ({"start": "yesterday-ish"}, "yesterday-ish"),
    ],
)
def test_refusals(browser, control, change, words):
    """What cannot be understood is refused with the sentence of the command, and what was typed stays."""
    shown = browser("ada").post("/downtimes/new", **WISH | change)
    assert (shown.status, words in shown.text) == (400, True)
    assert list_downtimes(control) == []


@pytest.mark.parametrize(
    ("wish", "act"),
    [
        ({}, {"do": "end"}),
        ({}, {"do": "extend", "end": "now+PT5H"}),
        ({"start": "now+PT1H"}, {"do": "cancel"}),
        ({}, {"do": "verify", "testers": "grace"}),
    ],
)
def test_acts(browser, plan, control, wish, act):
    """A downtime is ended, given an end, cancelled and opened for testers, each after a preview."""
    if act["do"] == "extend":
        wish = {"end": "now+PT1H"}
    key, ada = plan("HOTEL", **wish), browser("ada")
    before = downtime_of(control, id=key)
    shown = ada.post(f"/downtime/{key}", **act, reason="as agreed")
    assert (shown.status, shown.says("Nothing is saved yet")) == (200, True)
    assert downtime_of(control, id=key) == before
    assert ada.post(f"/downtime/{key}", **act, reason="as agreed", confirm="1").location == f"/downtime/{key}"
    assert downtime_of(control, id=key) != before


def test_what_is_left_is_shown(browser, plan, control):
    """What ends a downtime is refused without a reason; the preview says what would still keep the scope down."""
    key, site, ada = plan("HOTEL", end="now+PT1H"), plan(), browser("ada")
    for act in ({"do": "change", "end": "now"}, {"do": "end"}):
        assert ada.post(f"/downtime/{key}", **act, reason="", confirm="1").says("--reason")
        assert ada.post(f"/downtime/{key}", **act, reason="done").says(f"Still down by {site}, the site's")
    off = {"value": "N", "reason": "done"}
    assert ada.post(f"/setting/{key}", value="N", confirm="1").says("--reason")
    assert ada.post(f"/setting/{key}", **off).says(f"Still down by {site}, the site's")
    assert ada.post(f"/setting/{key}", **off, confirm="1").status == 302


def test_testers(browser, plan, control):
    """Testers are named with commas between, for a name may have blanks; with none of them nothing is done."""
    key, ada = plan("HOTEL"), browser("ada")
    add_user(control, name="John Smith", **WHO)
    verify = {"do": "verify", "reason": "as agreed", "confirm": "1"}
    before = downtime_of(control, id=key)
    for nobody in ({}, {"testers": ""}, {"testers": " , "}):
        refused = ada.post(f"/downtime/{key}", **verify, **nobody)
        assert (refused.status, refused.says("No tester is named")) == (400, True)
    assert downtime_of(control, id=key) == before
    assert ada.post(f"/downtime/{key}", **verify, testers=" John Smith,grace, ").status == 302
    assert downtime_of(control, id=key).testers == ("John Smith", "grace")


def test_organization_administrator(browser, plan, control):
    """An organization administrator manages the downtimes of its own organizations, and sees no others."""
    foreign, heidi = plan("OTHER"), browser("heidi")
    assert heidi.post("/downtimes/new", **WISH, confirm="1").status == 302
    assert heidi.post("/downtimes/new", **WISH | {"organization": "OTHER"}, confirm="1").status == 400
    assert heidi.post("/downtimes/new", **WISH | {"scope": "site"}, confirm="1").status == 400
    assert heidi.get(f"/downtime/{foreign}").status == 403
    assert heidi.post(f"/downtime/{foreign}", do="end", reason="mine", confirm="1").status == 403
    assert not heidi.get("/downtimes").says("OTHER")
    assert heidi.get("/parameters").status == 403
    change_user(control, name="heidi", change=Change(organizations={"HOTEL": "user"}), **WHO)
    assert heidi.get("/downtimes").status == 403


def test_normal_users(browser, plan):
    """A normal user gets to none of the administrators' pages."""
    key, grace = plan("HOTEL", start="now+PT1H", end="now+PT2H"), browser("grace")
    pages = ("downtimes", "downtimes/new", f"downtime/{key}", "parameters", "overview", "holders", "held", "audit")
    assert {grace.get(f"/{page}").status for page in pages} == {403}
    assert grace.post("/downtimes/new", **WISH, confirm="1").status == 403
    assert grace.post("/holders", what="session", id="1", reason="x").status == 403


def test_parameter(browser, control):
    """A setting is added, changed and deleted, with a preview; a level that is not allowed is refused."""
    ada, path = browser("ada"), "/parameters/task_lease_limit/new"
    wish = {"level": "organization", "level_value": "HOTEL", "value": "3", "start": "now+PT1H"}
    assert ada.post(path, **wish | {"level": "user", "level_value": "grace"}).status == 400
    assert ada.post(path, **wish).says("Nothing is saved yet")
    assert settings_answer(control) == []
    assert ada.post(path, **wish, confirm="1").location == "/parameters"
    key = settings_answer(control)[0]["id"]
    assert ada.post(f"/setting/{key}", value="4", confirm="1").status == 302
    assert settings_answer(control)[0]["value"] == "4"
    assert ada.get("/parameters").says("task_lease_limit")
    assert ada.post(f"/setting/{key}", delete="1", confirm="1").status == 302
    assert settings_answer(control) == []


def test_its_state(browser, plan, control):
    """A downtime that its value N switches off is not called in effect; a verifying one says for whom it is open."""
    ada, key, permanent = browser("ada"), plan("HOTEL", end="now+PT1H"), plan("OTHER")
    assert ada.get(f"/downtime/{key}").says("State in effect")
    for each in (key, permanent):
        assert ada.post(f"/setting/{each}", value="N", reason="a test", confirm="1").status == 302
    assert ada.get(f"/downtime/{key}").says("State off: its value is N")
    assert ada.get(f"/downtime/{permanent}").says("State in effect")
    testing = {"do": "verify", "testers": "grace", "reason": "a test", "confirm": "1"}
    assert ada.post(f"/downtime/{permanent}", **testing).status == 302
    assert ada.get("/downtimes").says("verifying: open for grace")


def test_value_n_of_a_permanent_one(browser, plan, control):
    """Saving N on a permanent downtime is accepted and warned about, with the way to end it."""
    key, ada = plan("HOTEL"), browser("ada")
    shown = ada.post(f"/setting/{key}", value="N")
    assert shown.status == 200
    assert f"slacktide downtime end {key}" in shown.text


def test_markup(browser, plan, soon):
    """An administrator's text is shown as text."""
    plan(message="<script>alert(1)</script>", contact="<b>Ada</b>")
    soon(lambda: "alert(1)" in browser().get("/login").text)
    assert "<script>alert" not in browser().get("/login").text
    assert "<b>Ada" not in browser().log_in("grace").text
