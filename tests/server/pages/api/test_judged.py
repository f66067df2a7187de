"""How every operation is judged: no token, a normal caller, a downtime of the site, administrators."""

from __future__ import annotations

import pytest

from slacktide.control.downtime import end_downtime
from slacktide.control.token import revoke_token
from slacktide.control.user import Change, change_user
from slacktide.server.pages.api.document import document
from slacktide.server.pages.api.operation import OPERATIONS, Way
from tests.gates.conftest import fetch
from tests.server.pages.api.conftest import Program
from tests.server.pages.conftest import PASSWORD

ALL = [(one.method, one.path.removeprefix("/api/").format(id="0")) for one in OPERATIONS]
ADMINISTRATORS = {Way.MANAGES, Way.ADMINISTERS, Way.WHOLE}
BODY = {"reason": "a test"}


def statuses(caller):
    """Ask for every operation; give what each answered."""
    return {(method, path): caller.ask(method, path, BODY if method != "GET" else None) for method, path in ALL}


def test_every_operation_is_documented():
    """The document has every operation, with how it is judged, and names that differ."""
    described = {(method.upper(), path) for path, there in document()["paths"].items() for method in there}
    assert described == {(one.method, one.path) for one in OPERATIONS}
    assert len({one.name for one in OPERATIONS}) == len(OPERATIONS)
    assert all(one.title for one in OPERATIONS)


def test_without_a_token(site, people, token, browser, control):
    """Without a live token of scope api nobody is admitted, whatever cookie the request has."""
    change_user(control, name="ada", change=Change(password=PASSWORD), who="tester")
    cookie = "; ".join(f"{name}={value}" for name, value in browser("ada").cookies.items())
    for secret in (None, "slacktide_made_up", token("decide", "schedule", "assert-admin")):
        found = statuses(Program(site, secret))
        assert {one.status for one in found.values()} == {401}
        assert {one.json["code"] for one in found.values()} == {"NotAdmitted"}
    with_cookie = fetch(site, "/api/status", cookie=cookie)
    assert (with_cookie.status, with_cookie.headers["www-authenticate"]) == (401, 'Bearer scope="api"')


@pytest.mark.parametrize("who", [None, "grace", "ada"])
def test_a_normal_caller(program, who):
    """What administrators do is refused to a normal user, to a token by itself, and to one that may not assert it."""
    found = statuses(program(who))
    for one, answer in zip(OPERATIONS, found.values(), strict=True):
        if one.way in ADMINISTRATORS:
            assert answer.status == 403, one.path
            assert answer.json["code"] == "not_administrator"
        else:
            assert answer.status not in {401, 403, 503}, one.path


@pytest.mark.parametrize("who", [None, "grace", "heidi", "ada"])
def test_a_normal_caller_in_a_site_downtime(program, plan, soon, who):
    """In a downtime of the site every request is refused as the user's log-in would be, with when to try again."""
    caller = program(who)
    plan(end="now+PT2H")
    soon(lambda: caller.get("status").status == 503)
    for answer in statuses(caller).values():
        assert (answer.status, answer.json["code"]) == (503, "site_downtime")
        assert 0 < int(answer.headers["retry-after"]) <= 7200
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("who", [None, "ada"])
def test_an_administrator_in_a_site_downtime(program, plan, soon, who):
    """An administrator gets in, by itself or for a user, and ends the downtime."""
    normal, caller = program("grace"), program(who, admin=True)
    key = plan()
    soon(lambda: normal.get("status").status == 503)
    assert not {one.status for one in statuses(caller).values()} & {401, 403, 503}
    assert caller.post(f"downtimes/{key}/end", reason="done").json["because"] == []
    soon(lambda: normal.get("status").status == 200)


def test_users_in(program, tasks, plan, soon):
    """A downtime of the site with users in, or of an organization, refuses no log-in."""
    caller = program("grace")
    plan(users="in")
    plan("HOTEL")
    soon(lambda: caller.get("tasks").json[0]["standing"] == "closed")
    assert caller.get("status").json[0]["state"] == "down, users in"


def test_a_refused_request_leaves_the_token(program, plan, end, soon, control):
    """A refused request uses nothing up: the row of the token is as it was, and works when the downtime is over."""
    caller = program("grace")
    row = control.execute("select * from slacktide.token").fetchall()
    key = plan()
    soon(lambda: caller.get("status").status == 503)
    assert control.execute("select * from slacktide.token").fetchall() == row
    end(key)
    soon(lambda: caller.get("status").status == 200)


def test_the_role_is_of_this_moment(program, control):
    """A role that is taken away counts at the next request; a user that is disabled or not there is refused."""
    ada = program("ada", admin=True)
    assert ada.get("audit").status == 200
    change_user(control, name="ada", change=Change(admin=False), who="tester")
    assert ada.get("audit").json["code"] == "not_administrator"
    change_user(control, name="ada", change=Change(disabled=True), who="tester")
    assert (ada.get("status").status, ada.get("status").json["code"]) == (403, "UnknownPerson")
    assert program("nobody").get("status").status == 403


def test_a_revoked_token(program, control):
    """A revoked token is refused at once."""
    caller = program(name="ci")
    assert caller.get("status").status == 200
    revoke_token(control, name="ci", who="tester")
    assert caller.get("status").status == 401


def test_a_tester(program, plan, soon, control):
    """While a downtime of the site is verifying, its testers get in, and nobody else."""
    key = plan()
    heidi, grace = program("heidi"), program("grace")
    soon(lambda: heidi.get("status").status == 503)
    end_downtime(control, id=key, verifying=["heidi"], who="tester", reason="a test")
    soon(lambda: heidi.get("status").status == 200)
    assert grace.get("status").status == 503
