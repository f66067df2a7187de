from __future__ import annotations

import http.client
import json
import logging
import time
from urllib.parse import urlsplit

import pytest

from slacktide.control.gate import list_gates
from slacktide.control.lease import end_lease, take_lease
from slacktide.control.organization import set_side
from slacktide.control.session import start_session
from slacktide.control.task import add_task
from slacktide.control.token import revoke_token
from slacktide.control.user import Change, add_user, change_user
from slacktide.downtime.wire import decode_schedule
from slacktide.postgres.connection import connect
from tests.clock import TOLD_SECONDS
from tests.gates.conftest import SECRET, WHO, fetch
from tests.gates.test_keeper import silenced

OPEN = {"action": "open_task", "organization": "HOTEL", "session": "live"}
PROBLEM = "application/problem+json"


def bearer(secret):
    return {"Authorization": f"Bearer {secret}"}


def decision(site, secret, **more):
    return fetch(site, "/api/decision", method="POST", body=OPEN | more, **bearer(secret))


def test_decision(site, token, plan, soon):
    """A decision is always 200 with the document of the interface; a downtime that starts now shows."""
    secret = token("decide")
    soon(lambda: decision(site, secret).status == 200)
    answer = decision(site, secret)
    assert (answer.json["decision"], answer.json["code"], answer.headers["Cache-Control"]) == (
        "allow",
        None,
        "no-store",
    )
    plan("HOTEL")
    assert soon(lambda: decision(site, secret).json["decision"] == "deny") < TOLD_SECONDS
    refused = decision(site, secret)
    assert (refused.status, refused.json["code"]) == (200, "organization_downtime")
    assert " ".join(refused.json) == (
        "decision code scope organization message start until next_check retry_after_seconds valid_until also"
    )


def test_admitted_by_scope(site, token, soon):
    """Without a token, with a wrong one or without the scope it is 401, a problem document with a challenge."""
    right, wrong = token("decide"), token("schedule", "api")
    soon(lambda: decision(site, right).status == 200)
    for secret in (wrong, "slacktide_guess", ""):
        answer = decision(site, secret)
        assert (answer.status, answer.headers["Content-Type"]) == (401, PROBLEM)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.json["status"] == 401
    assert fetch(site, "/api/schedule", **bearer(right)).status == 401
    assert fetch(site, "/api/schedule/events", **bearer(right)).status == 401
    assert fetch(site, "/api/schedule").status == 401
    assert fetch(site, "/api/schedule", **bearer(wrong)).status == 200


def test_admin_counts_only_when_it_may_be_asserted(site, token, plan, soon):
    """`admin` of a user that the server does not know counts only with assert-admin."""
    plain, asserting = token("decide"), token("decide", "assert-admin")
    plan("HOTEL")
    soon(lambda: decision(site, plain).json.get("decision") == "deny")
    admin = {"user": {"name": "ada", "admin": True}}
    assert decision(site, plain, **admin).json["decision"] == "deny"
    assert decision(site, asserting, **admin).json["decision"] == "allow"
    assert decision(site, asserting, user={"name": "ada", "admin": False}).json["decision"] == "deny"


def test_the_servers_own_knowledge_of_a_user_wins(site, control, token, plan, soon):
    """An administrator of the current data gets in, whoever asks; a role that is taken away counts."""
    plain, asserting = token("decide"), token("decide", "assert-admin")
    plan("HOTEL")
    soon(lambda: decision(site, asserting).json.get("decision") == "deny")
    ada, claimed = {"user": {"name": "ada"}}, {"user": {"name": "ada", "admin": True}}
    add_user(control, name="ada", change=Change(admin=True), **WHO)
    assert soon(lambda: decision(site, plain, **ada).json["decision"] == "allow") < TOLD_SECONDS
    for change in (Change(admin=False), Change(admin=True, disabled=True)):
        change_user(control, name="ada", change=change, **WHO)
        assert soon(lambda: decision(site, asserting, **claimed).json["decision"] == "deny") < TOLD_SECONDS


def test_a_task_says_its_organization(site, control, token, plan, soon):
    """A task that the server knows is judged by its own organization, whatever the request names; as `check` does."""
    secret, foreign = token("decide"), token("decide", organizations=["OTHER"])
    task = add_task(control, organization="HOTEL", **WHO).id
    plan("HOTEL")
    soon(lambda: decision(site, secret).json.get("decision") == "deny")
    soon(lambda: decision(site, foreign, organization="OTHER").status == 200)
    for named in (None, "OTHER", "NOWHERE"):
        for number in (task, int(task)):
            answer = decision(site, secret, organization=named, task=number)
            assert (answer.json["decision"], answer.json["organization"]) == ("deny", "HOTEL")
    absent = [decision(site, one, organization="OTHER", task="none \x00").json for one in (secret, foreign)]
    hidden = decision(site, foreign, organization="OTHER", task=task).json
    assert [answer["decision"] for answer in (*absent, hidden)] == ["allow"] * 3


@pytest.mark.parametrize("dialect", ["nginx", "traefik", "envoy"])
def test_a_task_behind_a_proxy_says_its_organization(site, control, token, plan, soon, dialect):
    """What a proxy asks about a task is judged by the task's own organization, whatever organization it names."""
    secret = token("decide")
    closed, open_ = (add_task(control, organization=code, **WHO).id for code in ("HOTEL", "OTHER"))
    plan("HOTEL")
    soon(lambda: decision(site, secret).json.get("decision") == "deny")
    facts = {"X_Slacktide_Secret": SECRET, "X_Slacktide_User": "ada"}

    def status(task, **named):
        return fetch(site, f"/gate/{dialect}", X_Slacktide_Task=task, **facts, **named).status

    refused = 503 if dialect == "traefik" else 403
    for named in ({}, {"X_Slacktide_Organization": "OTHER"}, {"X_Slacktide_Organization": "NOWHERE"}):
        assert status(closed, **named) == refused
    allowed = {"X_Slacktide_Organization": "HOTEL"}
    assert [status(open_, **allowed), status("unknown", **allowed)] == [204 if dialect == "nginx" else 200, refused]


@pytest.mark.parametrize("dialect", ["nginx", "traefik", "envoy"])
def test_whose_lease_lives_behind_a_proxy(site, control, plan, soon, dialect):
    """Who has a task open may finish it behind a proxy too, and open no other, until the lease ends."""
    add_user(control, name="grace", change=Change(organizations={"HOTEL": "user"}), **WHO)
    mine, other = (add_task(control, organization="HOTEL", title=title, **WHO).id for title in ("mine", "other"))
    lease = take_lease(control, session=start_session(control, user="grace"), task=mine).lease
    plan("HOTEL")
    allowed, refused = 204 if dialect == "nginx" else 200, 503 if dialect == "traefik" else 403
    facts = {"X_Slacktide_Secret": SECRET, "X_Slacktide_User": "grace"}

    def status(task, action="continue_task", **named):
        said = {"X_Slacktide_Task": task, "X_Slacktide_Action": action}
        return fetch(site, f"/gate/{dialect}", **facts | said | named).status

    soon(lambda: status(other) == refused)
    assert [status(mine), status(mine, "open_task"), status(other, "open_task")] == [allowed, allowed, refused]
    assert status(mine, X_Slacktide_User="ada") == refused
    end_lease(control, id=lease.id, **WHO)
    assert status(mine) == refused


def test_log_in_behind_a_proxy_to_finish_a_task(site, control, plan, soon):
    """In a downtime of the site whoever has a task open may log in to finish it, and nobody else."""
    add_user(control, name="grace", change=Change(organizations={"HOTEL": "user"}), **WHO)
    add_user(control, name="heidi", change=Change(organizations={"HOTEL": "administrator"}), **WHO)
    task = add_task(control, organization="HOTEL", **WHO).id
    take_lease(control, session=start_session(control, user="grace"), task=task)
    plan()

    def status(user, action="login"):
        facts = {"X_Slacktide_Secret": SECRET, "X_Slacktide_User": user, "X_Slacktide_Organization": "HOTEL"}
        return fetch(site, "/gate/nginx", X_Slacktide_Action=action, **facts).status

    soon(lambda: status("heidi") == 403)
    assert [status("grace"), status("heidi", "change_setting"), status("grace", "change_setting")] == [204, 204, 403]


def test_a_task_while_the_control_database_is_silent(site, control, server, token, plan, soon):
    """Then nobody knows whose a task is, and the request's own word counts, within the schedule's maximum age."""
    secret = token("decide")
    task = add_task(control, organization="HOTEL", **WHO).id
    plan("HOTEL")
    soon(lambda: decision(site, secret).json.get("decision") == "deny")
    with silenced(server, control):
        assert decision(site, secret, task=task).json["decision"] == "deny"
        assert decision(site, secret, organization="OTHER", task=task).json["decision"] == "allow"


def test_an_organization_administrator(site, control, token, soon):
    """An organization's administrator may change its downtimes and no others', as long as it is one."""
    secret = token("decide")
    heidi = {"action": "change_setting", "user": {"name": "heidi"}}
    soon(lambda: decision(site, secret, **heidi).json.get("decision") == "deny")
    add_user(control, name="heidi", change=Change(organizations={"HOTEL": "administrator", "OTHER": "user"}), **WHO)
    soon(lambda: decision(site, secret, **heidi).json["decision"] == "allow")
    assert decision(site, secret, **heidi, organization="OTHER").json["code"] == "not_administrator"
    assert decision(site, secret, **heidi, organization=None).json["code"] == "not_administrator"
    control.execute("update slacktide.app_user_role set role = 'user'")
    soon(lambda: decision(site, secret, **heidi).json["decision"] == "deny")


def test_organizations_of_a_token(site, token, soon):
    """Foreign, absent and a side that is not there are one answer: 404."""
    secret = token("decide", organizations=["OTHER"])
    soon(lambda: decision(site, secret).status != 401)
    answers = [
        decision(site, secret),
        decision(site, secret, organization="NOWHERE"),
        decision(site, secret, organization="OTHER", side="target"),
    ]
    assert [answer.status for answer in answers] == [404, 404, 404]
    assert answers[0].body.replace(b"HOTEL", b"NOWHERE") == answers[1].body
    assert decision(site, secret, organization="OTHER").status == 200
    assert decision(site, secret, organization=None).status == 200


WRONG = ({"action": "fly"}, OPEN | {"organisation": "X"}, OPEN | {"lease": "yes"}, OPEN | {"side": "x"})


@pytest.mark.parametrize("body", ["", "{", "[]", "\xff", {}, *WRONG])
def test_a_request_that_cannot_be_read(site, token, soon, body):
    """What is no request for a decision is 400, and is never taken for another one."""
    secret = token("decide")
    soon(lambda: decision(site, secret).status == 200)
    answer = fetch(site, "/api/decision", method="POST", body=body, **bearer(secret))
    assert (answer.status, answer.headers["Content-Type"]) == (400, PROBLEM)


def test_a_body_that_is_too_large(site, token, soon):
    """A body beyond what a request can be is refused, and not read on."""
    secret = token("decide")
    soon(lambda: decision(site, secret).status == 200)
    assert fetch(site, "/api/decision", method="POST", body="x" * 100_000, **bearer(secret)).status == 413


def test_paths_and_methods(site):
    """An unknown path is 404 and a wrong method 405, both problem documents."""
    assert fetch(site, "/nowhere").status == 404
    wrong = fetch(site, "/api/decision")
    assert (wrong.status, wrong.headers["Allow"], wrong.headers["Content-Type"]) == (405, "POST", PROBLEM)


def test_schedule(site, token, plan, soon):
    """The schedule has a tag, by which it is 304 until it changes, the server's time and its age."""
    secret = token("schedule")
    soon(lambda: fetch(site, "/api/schedule", **bearer(secret)).status == 200)
    first = fetch(site, "/api/schedule", **bearer(secret))
    tag = first.headers["ETag"]
    assert first.headers["X-Slacktide-Now"].endswith("Z")
    assert 0 <= float(first.headers["X-Slacktide-Age"]) < 3
    assert sorted(decode_schedule(first.body).organizations) == ["HOTEL", "OTHER"]

    def again():
        return fetch(site, "/api/schedule", If_None_Match=f'"other", W/{tag}', **bearer(secret))

    same = again()
    assert (same.status, same.body, same.headers["ETag"]) == (304, b"", tag)
    assert same.headers["X-Slacktide-Now"] > first.headers["X-Slacktide-Now"]
    plan("HOTEL")
    assert soon(lambda: again().status == 200) < TOLD_SECONDS


def test_schedule_of_a_token(site, token, plan, soon):
    """A token sees only its organizations; of the others there are windows without a name."""
    secret = token("schedule", organizations=["OTHER"])
    before = fetch(site, "/api/schedule", **bearer(secret)).body
    plan("HOTEL", message="a secret")
    soon(lambda: fetch(site, "/api/schedule", **bearer(secret)).body != before)
    body = fetch(site, "/api/schedule", **bearer(secret)).body
    assert b"HOTEL" not in body
    assert b"secret" not in body
    assert b"OTHER" in body


def stream(site, secret):
    """Open the stream of changes."""
    parts = urlsplit(site)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    connection.request("GET", "/api/schedule/events", headers=bearer(secret))
    return connection, connection.getresponse()


def data(response):
    """Read on to the next event's data; None at the end."""
    while line := response.readline():
        if line.startswith(b"data: "):
            return line[6:].strip().decode()
    return None


def test_events(site, token, plan, soon, control):
    """The stream names the tag at first and at each change, and ends when its token is revoked."""
    secret = token("schedule", name="mine")
    soon(lambda: fetch(site, "/api/schedule", **bearer(secret)).status == 200)
    connection, response = stream(site, secret)
    assert response.headers["Content-Type"] == "text/event-stream"
    assert data(response) == fetch(site, "/api/schedule", **bearer(secret)).headers["ETag"]
    plan("HOTEL")
    assert data(response) == fetch(site, "/api/schedule", **bearer(secret)).headers["ETag"]
    revoke_token(control, name="mine", **WHO)
    assert soon(lambda: fetch(site, "/api/schedule", **bearer(secret)).status == 401) < TOLD_SECONDS
    assert data(response) is None
    connection.close()


def test_without_the_control_database(site, token, soon, control, server):
    """A server that has lost the control database says how old its knowledge is, and stays alive."""
    secret = token("schedule")
    soon(lambda: fetch(site, "/api/schedule", **bearer(secret)).status == 200)
    with silenced(server, control):
        assert soon(lambda: float(fetch(site, "/api/schedule", **bearer(secret)).headers["X-Slacktide-Age"]) > 2) < 5
        assert fetch(site, "/livez").status == 200
    soon(lambda: float(fetch(site, "/api/schedule", **bearer(secret)).headers["X-Slacktide-Age"]) < 2)


def test_a_control_database_that_cannot_be_written(site, token, soon, control, server):
    """Where nothing can be written, gates are not listed, and everything else goes on."""
    secret, name = token("schedule"), control.info.dbname
    soon(lambda: fetch(site, "/api/schedule", **bearer(secret)).status == 200)
    with connect(server.address(), name="read only") as other:
        other.execute(f"alter database {name} set default_transaction_read_only = on")
        other.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name ~ 'gate server'")
    end = time.monotonic() + 3
    while time.monotonic() < end:
        assert fetch(site, "/api/schedule", X_Slacktide_Gate="web", **bearer(secret)).status == 200
        time.sleep(0.1)
    assert float(fetch(site, "/api/schedule", **bearer(secret)).headers["X-Slacktide-Age"]) < 2
    assert list_gates(control) == []


def test_health(site, plan, soon):
    """Health stays 200 in a downtime of the site, which /readyz shows as data."""
    soon(lambda: fetch(site, "/readyz").json["ready"])
    plan()
    soon(lambda: fetch(site, "/readyz").json["site"] == "down")
    assert (fetch(site, "/readyz").status, fetch(site, "/livez").status) == (200, 200)


def test_no_secret_in_the_log(site, token, caplog):
    """Nothing of a token or of the proxy's secret is logged or said."""
    secret = token("api")
    with caplog.at_level(logging.DEBUG):
        answers = [decision(site, secret), fetch(site, "/gate/nginx", X_Slacktide_Secret="a guess")]
    said = caplog.text + json.dumps([answer.body.decode() + str(answer.headers) for answer in answers])
    for word in (secret, SECRET, "a guess"):
        assert word not in said


# -- proxies -----------------------------------------------------------------------------------------------------------


def proxied(site, dialect, **headers):
    given = {"X_Slacktide_Secret": SECRET, "X_Slacktide_User": "ada", "X_Slacktide_Organization": "HOTEL"}
    return fetch(site, f"/gate/{dialect}", **(given | headers))


def test_dialects(site, plan, soon, control):
    """Nginx gets 204 or 403 with the rest in headers, Traefik the answer itself, Envoy never a 5xx."""
    soon(lambda: fetch(site, "/readyz").json["ready"])
    assert [proxied(site, name).status for name in ("nginx", "traefik", "envoy")] == [204, 200, 200]
    over = proxied(site, "nginx/refused")  # who was refused has done nothing, though it would be allowed by now
    assert (over.status, over.headers["Retry-After"]) == (503, "1")
    plan("HOTEL", end="now+PT1H")
    soon(lambda: proxied(site, "nginx").status != 204)
    nginx, traefik, envoy = (proxied(site, name, Accept="text/html") for name in ("nginx", "traefik", "envoy"))
    after = proxied(site, "nginx/refused", Accept="text/html")
    assert [answer.status for answer in (nginx, traefik, envoy)] == [403, 503, 403]
    assert (nginx.headers["X-Slacktide-Status"], nginx.headers["X-Slacktide-Code"]) == ("503", "organization_downtime")
    assert 3500 < int(nginx.headers["X-Slacktide-Retry-After"]) <= 3600
    assert envoy.headers["X-Slacktide-Status"] == "503"
    assert after.status == 503
    for answer in (traefik, envoy, after):
        assert b"<h1>" in answer.body
        assert 3500 < int(answer.headers["Retry-After"]) <= 3600
        assert answer.headers["Cache-Control"] == "no-store"
    assert proxied(site, "traefik", X_Slacktide_Organization="OTHER").status == 200
    set_side(
        control, organization="OTHER", side="source", state="reference only", lives_at="https://new.example", **WHO
    )
    soon(lambda: proxied(site, "traefik", X_Slacktide_Organization="OTHER").status != 200)
    moved = proxied(site, "traefik", X_Slacktide_Organization="OTHER")
    assert (moved.status, moved.headers["Link"]) == (409, '<https://new.example>; rel="alternate"')


def test_a_proxy_has_to_be_known(site):
    """Without the secret, with a wrong one, with an unknown action or organization nothing is allowed."""
    for dialect in ("nginx", "traefik", "envoy"):
        for headers in (
            {"X_Slacktide_Secret": ""},
            {"X_Slacktide_Secret": "a guess"},
            {"X_Slacktide_Action": "fly"},
            {"X_Slacktide_Organization": "NOWHERE"},
        ):
            assert proxied(site, dialect, **headers).status in (403, 503)
