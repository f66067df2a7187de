"""Tasks over REST: opened in a session, finished in a downtime, and no other."""

from __future__ import annotations

from slacktide.control.audit import list_audit
from slacktide.control.draft import draft_of
from slacktide.control.lease import leases_of
from slacktide.control.session import list_sessions
from slacktide.control.task import task_of
from slacktide.holding.place import Place, set_place
from slacktide.holding.store import list_items
from tests.server.pages.conftest import WHO


def test_from_open_to_finished(program, tasks, control):
    """A task is opened, kept alive, saved and finished; what follows is handed in; the trail says by which token."""
    set_place(control, Place("erp", "env:ERP", None), **WHO)
    grace, task = program("grace", name="ci").with_session(), tasks[0]
    opened = grace.post(f"tasks/{task}/open").json
    assert (opened["task"]["title"], opened["lease"]["id"]) == (
        "Pay the linen",
        leases_of(control, user="grace")[0].id,
    )
    assert grace.post(f"tasks/{task}/sign").json["state"] == "live"
    assert grace.post(f"tasks/{task}/save", note="half", version=1).json["version"] == 2
    stale = grace.post(f"tasks/{task}/save", note="other", version=1)
    assert (stale.status, stale.json["code"], stale.json["note"]) == (409, "TaskChanged", "other")
    assert grace.post(f"tasks/{task}/finish", version=2).json["state"] == "done"
    assert [item.key for item in list_items(control)] == [f"HOTEL/task-{task}"]
    assert {one["who"] for one in list_audit(control) if one["what"] == "task change"} == {"grace by token ci"}


def test_closed(program, tasks, control):
    """A task that is closed has no lease, and a session that was left is over."""
    grace, task = program("grace"), tasks[0]
    session = grace.post("sessions").json["id"]
    there = {"slacktide_session": session}
    assert grace.ask("POST", f"tasks/{task}/open", {}, **there).status == 200
    assert grace.ask("POST", f"tasks/{task}/close", **there).status == 204
    assert leases_of(control, user="grace") == []
    assert grace.ask("DELETE", f"sessions/{session}").status == 204
    assert list_sessions(control) == []
    assert grace.ask("POST", f"tasks/{task}/open", {}, **there).json["code"] == "SessionOver"


def test_the_session_is_of_the_user(program, tasks):
    """Without a session, or in one of somebody else, nothing is opened; a token by itself has none."""
    grace, oscar = program("grace"), program("oscar")
    session = oscar.post("sessions").json["id"]
    assert grace.post(f"tasks/{tasks[0]}/open").json["code"] == "SessionUnsaid"
    foreign = grace.ask("POST", f"tasks/{tasks[0]}/open", {}, slacktide_session=session)
    assert (foreign.status, foreign.json["code"]) == (403, "SessionNotOfUser")
    assert grace.ask("DELETE", f"sessions/{session}").status == 404
    assert program().post("sessions").json["code"] == "UserUnsaid"


def test_the_open_one_and_no_other(program, tasks, plan, soon, control):
    """In a downtime of the site the open task is gone on with and listed alone; nothing else is done."""
    grace, (mine, other, _) = program("grace").with_session(), tasks
    grace.post(f"tasks/{mine}/open")
    plan()
    soon(lambda: grace.get("status").status == 503)
    assert [one["id"] for one in grace.get("tasks").json] == [mine]
    refused = grace.post(f"tasks/{other}/open")
    assert (refused.status, refused.json["code"]) == (503, "site_downtime")
    bulk = grace.post("tasks/bulk", tasks=[mine, other, "999"])
    assert [(one["id"], one["status"]) for one in bulk.json] == [(mine, 200), (other, 503), ("999", 404)]
    assert bulk.json[1]["problem"]["code"] == "site_downtime"
    assert [task_of(control, id=each).state for each in (mine, other)] == ["done", "open"]
    assert grace.get("tasks").status == 503


def test_a_session_to_finish(program, tasks, plan, soon):
    """In a downtime of the site who has a task open gets a session to finish it; nobody else gets one."""
    grace, oscar = program("grace"), program("oscar")
    assert grace.with_session().post(f"tasks/{tasks[0]}/open").status == 200
    plan()
    soon(lambda: oscar.post("sessions").status == 503)
    assert grace.post("sessions").json["limited"] is True


def test_a_closed_organization(program, tasks, plan, soon, control):
    """Of a closed organization's tasks the number and until when are shown; a refused save comes back, as a draft."""
    grace = program("grace").with_session()
    plan("HOTEL", end="now+PT2H")
    soon(lambda: grace.get("tasks").json[0]["standing"] == "closed")
    rows = grace.get("tasks").json
    assert [set(row) for row in rows[:2]] == [{"id", "organization", "standing", "until"}] * 2
    assert rows[2]["title"] == "Pay the rent"
    assert grace.get("tasks?q=linen").json == []
    refused = grace.post(f"tasks/{tasks[0]}/save", note="typed", version=1)
    assert (refused.status, refused.json["note"]) == (503, "typed")
    assert draft_of(control, user="grace", task=tasks[0]).note == "typed"
    assert grace.post(f"tasks/{tasks[2]}/open").status == 200


def test_an_administrator_needs_the_token(program, tasks, plan, soon):
    """An administrator's rights open a closed task only through a token that may assert them."""
    plan("HOTEL")
    without, ada = program("ada").with_session(), program("ada", admin=True).with_session()
    soon(lambda: ada.get("tasks").json != [])
    assert without.get("tasks").json == []
    assert without.post(f"tasks/{tasks[0]}/open").status == 404
    assert ada.post(f"tasks/{tasks[0]}/open").status == 200


def test_foreign_and_absent(program, tasks):
    """A task that is foreign to the user, or to the token, is as absent."""
    oscar = program("oscar").with_session()
    limited = program("grace", organizations=("OTHER",)).with_session()
    for caller in (oscar, limited):
        foreign, absent = caller.post(f"tasks/{tasks[0]}/open"), caller.post("tasks/999999/open")
        assert foreign.status == absent.status == 404
        assert foreign.json["detail"].replace(tasks[0], "") == absent.json["detail"].replace("999999", "")
        assert caller.post(f"tasks/{tasks[0]}/save", note="x").status == 404
        assert [one["id"] for one in caller.get("tasks").json] == [tasks[2]]


def test_handed_on(program, tasks, control):
    """Tasks are given to another user, each with its own answer."""
    grace = program("grace").with_session()
    answers = grace.post("tasks/bulk", tasks=tasks[:1], user="heidi").json
    assert (answers[0]["status"], answers[0]["task"]["user"]) == (200, "heidi")
    assert grace.post("tasks/bulk", tasks=tasks[:1], user="nobody").json[0]["problem"]["code"] == "UnknownUser"
