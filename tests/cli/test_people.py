"""Tasks, leases and sessions on the command line, and what `status` says of them."""

from __future__ import annotations

import pytest

from slacktide.control.lease import take_lease
from slacktide.control.session import start_session
from slacktide.postgres.connection import connect

OWN = ("--organization", "HOTEL")


@pytest.fixture
def open_task(hotel, database):
    """Give a function that opens a new task of the hotel for a user; give task and session."""

    def call(user):
        task = hotel("task", "add", *OWN, "--title", "approve it", "--json").json["id"]
        with connect(database, name="test") as connection:
            session = start_session(connection, user=user)
            take_lease(connection, session=session, task=task)
        return task, session

    return call


def test_tasks(hotel):
    """A task is added for an organization, and a user, that are there, and listed."""
    hotel("user", "add", "ada")
    said = hotel("task", "add", *OWN, "--title", "approve it", "--user", "ada", "--json")
    assert list(said.json) == ["id", "organization", "title", "user", "state", "note", "version"]
    assert hotel("task", "list", "--json").json == [said.json]
    assert hotel("task", "list", *OWN, "--json").json == [said.json]
    assert "approve it" in hotel("task", "list").out
    for wrong in (("--organization", "NONE"), (*OWN, "--user", "grace")):
        assert hotel("task", "add", *wrong).status == 2
    assert hotel("task", "list", "--organization", "NONE").status == 2


def test_who_holds_a_closing_up(hotel, open_task):
    """A closing waits for leases and sessions, which are listed and can be ended; then it is quiet."""
    hotel("user", "add", "ada")
    hotel("user", "add", "root", "--admin")
    task, session = open_task("ada")
    open_task("root")
    hotel("downtime", "schedule", *OWN, "--for", "PT1H", "--users", "out", "--reason", "x")
    said = hotel("status", *OWN)
    assert "closing (2 leases, 1 sessions, 0 transactions)" in said.out
    found = hotel("holders", *OWN, "--json").json
    first = found["leases"][0]
    assert list(first) == ["id", "user", "session", "task", "organization", "opened_at", "last_sign_at", "state"]
    assert (first["task"], first["session"], first["state"]) == (task, session, "live")
    listed = [(one["user"], one["admin"], one["organizations"]) for one in found["sessions"]]
    assert listed == [("ada", False, ["HOTEL"]), ("root", True, ["HOTEL"])]
    assert hotel("holders", "--json").json["sessions"] == found["sessions"]
    assert "has acted for" in hotel("holders").out
    for kind, key in (("lease", first["id"]), ("session", session)):
        assert hotel(kind, "end", key).status == 2
        assert hotel(kind, "end", "99", "--reason", "x").status == 2
    for one in found["leases"]:
        assert hotel("lease", "end", one["id"], "--reason", "night").status == 0
    assert hotel("status", *OWN, "--json").json["holders"] == {"leases": 0, "sessions": 1, "transactions": 0}
    assert hotel("session", "end", session, "--reason", "night", "--json").json["user"] == "ada"
    assert hotel("status", *OWN, "--json").json["state"] == "quiet"
    what = [row["what"] for row in hotel("audit", "--json").json][-3:]
    assert what == ["lease end", "lease end", "session end"]


def test_users_in(hotel, open_task):
    """With users in nobody is waited for but transactions."""
    hotel("user", "add", "ada")
    open_task("ada")
    hotel("downtime", "schedule", *OWN, "--for", "PT1H", "--users", "in", "--reason", "x")
    said = hotel("status", *OWN, "--json").json
    assert (said["state"], said["holders"]["leases"]) == ("down, users in", 1)


def test_effect(hotel, open_task):
    """A downtime shows whom it concerns before it is saved."""
    hotel("user", "add", "ada", *OWN)
    open_task("ada")
    said = hotel("downtime", "schedule", *OWN, "--for", "PT1H", "--dry-run", "--reason", "x", "--json")
    assert said.json["effect"] == {"users": 1, "leases": 1, "tasks": 1, "held_expected": 0}


def test_end_all(hotel, open_task):
    """All leases of an organization, or all sessions of normal users, end by one command, and each is audited."""
    hotel("organization", "add", "OTHER")
    for name, more in (("ada", ()), ("eve", ()), ("root", ("--admin",))):
        hotel("user", "add", name, *more)
        open_task(name)
    hotel("downtime", "schedule", *OWN, "--for", "PT1H", "--users", "out", "--reason", "x")
    for wrong in ((), ("1", "--all"), ("1", *OWN), OWN, ("--all", "--organization", "NONE")):
        assert hotel("lease", "end", *wrong, "--reason", "x").status == 2
    assert hotel("session", "end", "--all", *OWN).status == 2
    assert hotel("lease", "end", "--all", "--organization", "OTHER", "--reason", "x", "--json").json == []
    ended = hotel("lease", "end", "--all", *OWN, "--reason", "night", "--json").json
    assert [one["user"] for one in ended] == ["ada", "eve", "root"]
    assert hotel("lease", "end", "--all", *OWN, "--reason", "night").out == "nothing to end\n"
    sessions = hotel("session", "end", "--all", "--reason", "night", "--json").json
    assert [one["user"] for one in sessions] == ["ada", "eve"]
    assert hotel("status", *OWN, "--json").json["state"] == "quiet"
    assert [one["user"] for one in hotel("holders", "--json").json["sessions"]] == ["root"]
    what = [(row["what"], row["reason"]) for row in hotel("audit", "--json").json][-5:]
    assert what == [("lease end", "night")] * 3 + [("session end", "night")] * 2


def test_drain(hotel):
    """A drain is set with the downtime or while it is waited for, and shown; half of one is refused."""
    schedule = ("downtime", "schedule", *OWN, "--for", "PT1H", "--reason", "x")
    for wrong in (("--drain", "PT1M"), ("--drain-then", "end"), ("--drain", "-PT1M", "--drain-then", "end")):
        assert hotel(*schedule, *wrong).status == 2
    assert hotel("downtime", "list", "--json").json == []
    drain = ("--drain", "PT30M", "--drain-then", "give-up")
    assert hotel(*schedule, *drain, "--dry-run", "--json").json["id"] is None
    key = hotel(*schedule, *drain, "--start", "2030-01-01T00:00Z", "--json").json["id"]
    shown = hotel("downtime", "show", key, "--json").json["drain"]
    assert shown == {"after": "PT1800S", "deadline": "2030-01-01T00:30:00Z", "then": "give-up", "outcome": None}
    assert "if it is not quiet at 2030-01-01T01:30:00+01:00, it is given up" in hotel("downtime", "show", key).out
    wait = ("downtime", "wait", key, "--for", "quiet", "--timeout", "PT0S", "--drain", "PT1H", "--drain-then", "end")
    assert hotel(*wait).status == 2
    assert hotel(*wait, "--reason", "x").status == 75
    assert hotel("downtime", "show", key, "--json").json["drain"]["deadline"] == "2030-01-01T01:00:00Z"
