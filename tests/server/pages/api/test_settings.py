"""Parameters, settings, holders and held work over REST."""

from __future__ import annotations

import psycopg
import pytest

from slacktide.control.lease import leases_of
from slacktide.downtime.parameter import PARAMETERS


def test_settings(program):
    """A setting is added, listed, changed and deleted."""
    ada = program("ada", admin=True)
    assert [one["name"] for one in ada.get("parameters").json] == [*PARAMETERS]
    facts = {"parameter": "task_lease_limit", "organization": "HOTEL", "start": "now+PT1H"}
    made = ada.post("settings", **facts, value="2")
    assert (made.status, made.json["value"], made.json["warnings"]) == (201, "2", [])
    assert ada.post("settings", **facts, value="3").json["code"] == "Overlap"
    assert ada.post("settings", parameter="task_lease_limit", value="3").json["code"] == "LevelUnsaid"
    path = f"settings/{made.json['id']}"
    assert ada.ask("PATCH", path, {"value": "4"}).json["value"] == "4"
    assert ada.ask("PATCH", path, {}).json["code"] == "NothingSaid"
    assert [one["value"] for one in ada.get("settings?parameter=task_lease_limit&organization=HOTEL").json] == ["4"]
    assert ada.ask("DELETE", f"{path}?reason=gone").status == 200
    assert ada.ask("DELETE", path).json["code"] == "UnknownSetting"
    assert [(one["what"], one["reason"]) for one in ada.get("audit").json][-1] == ("setting delete", "gone")


def test_settings_of_a_token_with_organizations(program):
    """A token with organizations changes the settings of those, and sees no others but the site's."""
    ada, limited = program("ada", admin=True), program("ada", admin=True, organizations=("HOTEL",))
    facts = {"parameter": "task_lease_limit", "value": "2"}
    keys = [ada.post("settings", **facts, **level).json["id"] for level in ({"organization": "OTHER"}, {"site": True})]
    assert [one["organization"] for one in limited.get("settings").json] == [None]
    assert limited.ask("PATCH", f"settings/{keys[0]}", {"value": "3"}).status == 404
    assert limited.ask("PATCH", f"settings/{keys[1]}", {"value": "3"}).status == 403
    assert limited.post("settings", **facts, organization="OTHER").status == 404
    own = limited.post("settings", **facts, organization="HOTEL").json["id"]
    assert limited.ask("PATCH", f"settings/{own}", {"organization": "OTHER"}).status == 404
    assert limited.ask("PATCH", f"settings/{own}", {"value": "3"}).json["value"] == "3"


def test_holders(program, tasks, control):
    """A lease and a session are listed and ended, with a reason."""
    ada, grace = program("ada", admin=True), program("grace").with_session()
    assert grace.post(f"tasks/{tasks[0]}/open").status == 200
    shown = ada.get("holders").json
    assert [(one["user"], one["task"]) for one in shown["leases"]] == [("grace", tasks[0])]
    lease = shown["leases"][0]
    assert ada.post(f"leases/{lease['id']}/end", reason="").json["code"] == "ReasonMissing"
    assert ada.post(f"leases/{lease['id']}/end", reason="x").json["id"] == lease["id"]
    assert leases_of(control, user="grace") == []
    assert ada.post(f"leases/{lease['id']}/end", reason="x").json["code"] == "UnknownLease"
    assert ada.post(f"sessions/{lease['session']}/end", reason="x").json["user"] == "grace"
    assert grace.post(f"tasks/{tasks[0]}/open").json["code"] == "SessionOver"


def test_transaction(program, clerk):
    """A transaction that holds a closing up is ended by an administrator of the site, with a reason."""
    ada, heidi = program("ada", admin=True), program("heidi")
    [found] = ada.get("holders").json["transactions"]
    path, id_ = "transactions/end", found["id"]
    assert heidi.post(path, id=id_, reason="x").status == 403
    assert ada.post(path, id=id_, reason="").json["code"] == "ReasonMissing"
    assert ada.post(path, id=id_, reason="x").json["query"] == found["query"]
    with pytest.raises(psycopg.OperationalError):
        clerk.execute("select 1")
    assert ada.post(path, id=id_, reason="x").json["code"] == "UnknownTransaction"


def test_people(program):
    """Users and organizations are listed as the commands do, and no password with them."""
    ada = program("ada", admin=True)
    assert [one["name"] for one in ada.get("users").json] == ["ada", "grace", "heidi", "oscar"]
    assert b"argon2" not in ada.get("users").body
    assert [one["code"] for one in ada.get("organizations").json] == ["HOTEL", "OTHER"]
    assert [one["code"] for one in program("oscar").get("organizations").json] == ["OTHER"]
    assert ada.get("audit?since=now%2BPT1H").json == []
