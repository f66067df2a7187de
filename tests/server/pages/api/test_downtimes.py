"""Downtimes over REST: the documents of the commands, by whom they may be changed, and the trail."""

from __future__ import annotations

from slacktide.control import downtime
from slacktide.control.audit import list_audit


def test_from_schedule_to_end(program, control):
    """A downtime is tried, scheduled, extended, changed and ended, and each is in the trail with who did it."""
    ada = program("ada", admin=True, name="ci")
    wish = {"organizations": ["HOTEL"], "start": "now", "duration": "PT1H", "users": "out", "reason": "patch"}
    tried = ada.post("downtimes", **wish, dry_run=True)
    assert (tried.status, tried.json["id"], tried.json["effect"]["users"]) == (200, None, 2)
    assert ada.get("downtimes").json == []
    made = ada.post("downtimes", **wish).json
    assert made | {"warnings": []} == downtime.show_downtime(control, id=made["id"]) | {"warnings": []}
    assert ada.get(f"downtimes/{made['id']}").json == downtime.show_downtime(control, id=made["id"])
    path = f"downtimes/{made['id']}"
    assert ada.post(f"{path}/extend", by="PT1H").json["end"] > made["end"]
    assert ada.post(f"{path}/extend", end="now+PT1M").json["code"] == "NotLater"
    assert ada.post(f"{path}/change", end="now+PT3H", reason="longer").status == 200
    assert ada.post(f"{path}/cancel", reason="x").status == 409
    assert ada.post(f"{path}/end", reason=" ").json["code"] == "ReasonMissing"
    assert ada.post(f"{path}/end", reason="test", verifying=[]).json["code"] == "NobodyToVerify"
    assert ada.post(f"{path}/end", reason="done").json["because"] == []
    trail = [(one["who"], one["what"]) for one in list_audit(control) if one["object"] == f"downtime {made['id']}"]
    assert trail == [
        ("ada by token ci", what)
        for what in ("downtime schedule", "downtime change", "downtime change", "downtime end")
    ]


def test_several_and_the_site(program):
    """Several organizations get one each, all or none; the site's is one."""
    own = program(admin=True, name="ci")
    both = own.post("downtimes", organizations=["HOTEL", "OTHER"], until_ended=True, reason="x").json
    assert [one["organization"] for one in both] == ["HOTEL", "OTHER"]
    none = own.post("downtimes", organizations=["HOTEL", "NOWHERE"], until_ended=True, reason="x")
    assert (none.status, none.json["code"]) == (404, "UnknownOrganization")
    assert own.post("downtimes", site=True, organizations=["HOTEL"], until_ended=True, reason="x").status == 400
    assert own.post("downtimes", site=True, duration="PT1H", start="now+PT1H", reason="x").json["scope"] == "site"
    assert len(own.get("downtimes").json) == 3
    assert {one["who"] for one in own.get("audit").json if one["what"] == "downtime schedule"} == {"token ci"}


def test_a_series(program):
    """An occurrence is skipped, another moved, and the rest cancelled."""
    ada = program("ada", admin=True)
    wish = {"start": "2031-01-01T02:00", "rrule": "FREQ=DAILY;COUNT=5", "duration": "PT1H", "reason": "x"}
    made = ada.post("downtimes", organizations=["HOTEL"], **wish).json
    first, second = [one["start"] for one in made["occurrences"]][:2]
    path = f"downtimes/{made['id']}"
    assert len(ada.post(f"{path}/skip", occurrence=first, reason="x").json["occurrences"]) == 4
    moved = ada.post(f"{path}/move", occurrence=second, to="2031-01-02T05:00", reason="x").json
    assert moved["occurrences"][0]["start"] == "2031-01-02T04:00:00Z"
    assert ada.post(f"{path}/cancel", reason="x").json["occurrences"] == []


def test_an_organization_administrator(program, plan):
    """Who administers an organization changes its downtimes and no others; a site's is not shown."""
    heidi = program("heidi")
    own, other, site = plan("HOTEL", start="now+PT1H"), plan("OTHER", start="now+PT1H"), plan(start="now+PT9H")
    assert [one["id"] for one in heidi.get("downtimes").json] == [own]
    assert heidi.post(f"downtimes/{own}/cancel", reason="x").status == 200
    for key in (other, site):
        refused = heidi.post(f"downtimes/{key}/cancel", reason="x")
        assert (refused.status, refused.json["code"]) == (403, "not_administrator")
        assert heidi.get(f"downtimes/{key}").status == 403
    assert heidi.post("downtimes", organizations=["HOTEL"], until_ended=True, reason="x").status == 201
    assert heidi.post("downtimes", organizations=["HOTEL", "OTHER"], until_ended=True, reason="x").status == 403
    assert heidi.post("downtimes", site=True, until_ended=True, reason="x").status == 403
    assert heidi.get("parameters").status == 403


def test_a_token_with_organizations(program, plan):
    """A token with organizations is good for those; others are as if absent, and the site is not its to change."""
    own, other = plan("HOTEL", start="now+PT1H"), plan("OTHER", start="now+PT1H")
    limited = program("ada", admin=True, organizations=("HOTEL",))
    assert [one["organization"] for one in limited.get("downtimes").json if one["organization"]] == ["HOTEL"]
    assert limited.post(f"downtimes/{own}/extend", end="now+PT4H").json["code"] == "NotLater"
    foreign, absent = limited.get(f"downtimes/{other}"), limited.get("downtimes/999")
    assert (foreign.status, foreign.json["code"]) == (404, "UnknownDowntime") == (absent.status, absent.json["code"])
    assert limited.post(f"downtimes/{other}/cancel", reason="x").status == 404
    assert limited.post("downtimes", organizations=["OTHER"], until_ended=True, reason="x").status == 404
    assert limited.post("downtimes", site=True, until_ended=True, reason="x").status == 403
    assert [one["organization"] for one in limited.get("status").json] == [None, "HOTEL"]
    assert limited.get("status?organization=OTHER").status == limited.get("status?organization=X").status == 404
    assert [one["code"] for one in limited.get("organizations").json] == ["HOTEL"]
    assert {limited.get(path).status for path in ("audit", "users", "holders")} == {403}
    assert limited.get("holders?organization=HOTEL").status == 200
    assert limited.get("holders?organization=OTHER").status == 404


def test_status(program, plan, soon):
    """A user sees the site and its organizations; the state says why; another instant can be asked for."""
    key = plan("OTHER")
    oscar = program("oscar")
    assert [one["organization"] for one in oscar.get("status").json] == [None, "OTHER"]
    shown = oscar.get("status?organization=OTHER").json
    assert (shown["state"], shown["because"][0]["id"]) == ("quiet", key)
    assert oscar.get("status?organization=OTHER&at=2020-01-01T00:00").json["state"] in {"open", "scheduled"}
    assert oscar.get("status?at=nonsense").status == 400
