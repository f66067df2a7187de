"""The decision table again, through everything that bites: the endpoint, the gates, and the answers to proxies.

The command line's is in tests/cli/test_check.py, and the table itself in tests/downtime/test_decision.py. What `via` is
changes no answer: in the process every one is tried, over the wire they take turns.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import sys
from urllib.parse import urlsplit

import pytest
from django.http import HttpResponse
from django.test import RequestFactory, override_settings
from django.urls import path

from slacktide.control import user
from slacktide.control.organization import remove_side, set_side
from slacktide.control.token import Token
from slacktide.gates import asgi, forward_auth, wsgi
from slacktide.gates import django as django_gate
from slacktide.gates.ask import Ask
from slacktide.server.decision import answer_decision, read_decision
from slacktide.server.metrics import Decisions
from slacktide.server.user import KnownUsers
from tests.downtime.test_decision import CELLS, naive
from tests.gates.conftest import SECRET, WHO

STATUS = {
    "site_downtime": 503,
    "organization_downtime": 503,
    "reference_only": 409,
    "not_administrator": 403,
    None: 403,  # a log-in is asked for
}
VIAS = ("browser", "email", "api")
TOKEN = Token(name="cells", scopes=("decide", "assert-admin"))
NAMES = ("admin", "site", "own", "lease", "session", "writer", "left", "asks")


class Endpoint:
    """`POST /api/decision`, and what the proxies ask, on one connection."""

    def __init__(self, site, secret):
        """Keep the address and the token."""
        parts = urlsplit(site)
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
        self._headers = {"Authorization": f"Bearer {secret}"}

    def close(self):
        self._connection.close()

    def __call__(self, body):
        self._connection.request("POST", "/api/decision", json.dumps(body), self._headers)
        response = self._connection.getresponse()
        answer = json.loads(response.read())
        assert response.status == 200
        return answer["decision"], answer["code"]

    def proxied(self, dialect, headers):
        self._connection.request("GET", f"/gate/{dialect}", headers=headers)
        response = self._connection.getresponse()
        response.read()
        return response.status


def question(ask):
    """Give the body of a request for a decision."""
    return {
        "action": ask.action, "organization": "HOTEL", "user": {"name": "ada", "admin": ask.admin}, "via": ask.via,
        "lease": ask.lease, "session": ask.session, "writer": ask.writer, "link_asks": ask.link_asks,
    }  # fmt: skip


def said(ask):
    """Give the headers by which a proxy says a request that it can say."""
    return {
        "x-slacktide-secret": SECRET, "x-slacktide-user": "boss" if ask.admin else "guest",
        "x-slacktide-organization": "HOTEL", "x-slacktide-action": ask.action,
    }  # fmt: skip


def through_asgi(gate, ask):
    """Send a request through an ASGI gate; give status and problem document."""
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    asyncio.run(gate({"type": "http", "method": "POST", "headers": [], "ask": ask}, receive, send))
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


def through_wsgi(gate, ask):
    """Send a request through a WSGI gate; give status and problem document."""
    said = []
    body = b"".join(gate({"REQUEST_METHOD": "GET", "ask": ask}, lambda status, _: said.append(status)))
    return int(said[0][:3]), body


def through_django(gate, ask):
    """Send a request through Django's gate; give status and problem document."""
    request = RequestFactory().post("/")
    request.urlconf, request.ask = __name__, ask
    response = gate(request)
    return response.status_code, response.content


def django_keeper(request):
    """Give the keeper, as a project's settings name it."""
    del request
    return sys.modules[__name__].kept


def django_asks(request):
    """Say what a request is about."""
    return request.ask


def django_view(request):
    del request
    return HttpResponse("done")


urlpatterns = [path("", django_view)]
kept = None


async def asgi_app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})


def wsgi_app(environ, start_response):
    start_response("200 OK", [])
    return [b"done"]


@pytest.fixture
def gates(gate_of, monkeypatch):
    """Give the gates of one keeper, each with how a request is sent through it."""
    keeper = gate_of()
    monkeypatch.setattr(sys.modules[__name__], "kept", keeper)
    named = {"keeper": f"{__name__}.django_keeper", "asks": f"{__name__}.django_asks"}
    with override_settings(DOWNTIME_GATE=named):
        django = django_gate.Gate(django_view)
    return keeper, (
        (asgi.Gate(asgi_app, keeper=keeper, asks=lambda scope: scope["ask"]), through_asgi),
        (wsgi.Gate(wsgi_app, keeper=keeper, asks=lambda environ: environ["ask"]), through_wsgi),
        (django, through_django),
    )


@pytest.fixture
def endpoint(site, token, control):
    """Give the server's endpoint, which knows an administrator and a normal user."""
    user.add_user(control, name="boss", change=user.Change(admin=True), **WHO)
    user.add_user(control, name="guest", change=user.Change(), **WHO)
    found = Endpoint(site, token("decide", "assert-admin"))
    yield found
    found.close()


@pytest.mark.parametrize("left", [False, True])
def test_cells(endpoint, gates, plan, end, soon, control, left):
    """Every cell answers over HTTP, at every gate and to every proxy as the specification's sentences do."""
    keeper, each = gates
    if left:
        facts = {"state": "reference only", "lives_at": "https://new.example"}
        set_side(control, organization="HOTEL", side="source", **facts, **WHO)
    judged = 0
    for site_users in (None, "in", "out"):
        for own_users in (None, "in", "out"):
            keys = [plan(users=site_users)] if site_users else []
            keys += [plan("HOTEL", users=own_users)] if own_users else []
            soon(lambda wanted=(site_users, own_users, left): known(keeper) == wanted)
            for number, (action, *facts) in enumerate(CELLS):
                cell = dict(zip(NAMES, facts, strict=True))
                if (cell["site"], cell["own"], cell["left"]) == (site_users, own_users, left):
                    judge(action, cell, number, endpoint, keeper, each)
                    judged += 1
            for key in keys:
                end(key)
    assert judged * 2 == len(CELLS)
    if left:
        remove_side(control, organization="HOTEL", side="source", **WHO)


def known(keeper):
    """Give what a keeper knows of now: who is out at the site and the hotel, and whether that is left."""
    moment = keeper.moment()
    if moment.schedule is None:
        return None
    home = moment.schedule.side("HOTEL")
    phases = (moment.schedule.site.at(moment.now), home.phases.at(moment.now))
    users = [(("out" if phase.users_out else "in") if phase.in_effect else None) for phase in phases]
    return (*users, home.reference_only(moment.now))


def judge(action, cell, number, endpoint, keeper, gates):
    """Hold all answers of one cell against the specification's sentences."""
    expected = naive(action.value, **cell)
    facts = {name: cell[name] for name in ("admin", "lease", "session", "writer")} | {"link_asks": cell["asks"]}
    for turn, via in enumerate(VIAS):
        ask = Ask(action=action, organization="HOTEL", via=via, **facts)
        body = json.dumps(question(ask)).encode()
        beside = {"token": TOKEN, "keeper": keeper, "users": KnownUsers(), "decisions": Decisions()}
        answer = answer_decision(read_decision(body), tasks={}, **beside)
        found = json.loads(answer.body)
        assert (found["decision"], found["code"]) == expected, (action, cell, via)
        over_the_wire = number % len(VIAS) == turn
        if over_the_wire:
            assert endpoint(question(ask)) == expected, (action, cell, via)
        for gate, send in gates if over_the_wire else gates[1:]:
            passed(send(gate, ask), expected, (action, cell, via))
    if not cell["lease"] and (cell["session"], cell["writer"], cell["asks"]) == ("none", "own", True):
        proxies(ask, expected, endpoint, keeper, number)


def passed(answer, expected, which):
    """Hold a gate's answer against what is expected: the application's own, or a problem document."""
    status, body = answer
    if expected[0] == "allow":
        assert (status, body) == (200, b"done"), which
        return
    problem = json.loads(body)
    assert (status, problem["status"]) == (STATUS[expected[1]],) * 2, which
    assert (problem["decision"], problem["code"]) == expected, which


def proxies(ask, expected, endpoint, keeper, number):
    """Hold each dialect's answer against what is expected, and one of them over the wire."""
    headers = said(ask)
    told = forward_auth.ask_of(headers, admin=lambda name: name == "boss")
    refused = keeper.refusal(told)
    assert (refused is None) == (expected[0] == "allow"), ask
    real = STATUS[expected[1]]
    wanted = {"nginx": 403, "traefik": real, "envoy": 403} if refused else {"nginx": 204, "traefik": 200, "envoy": 200}
    replies = {name: dialect(refused) for name, dialect in forward_auth.DIALECTS.items()}
    assert {name: reply.status for name, reply in replies.items()} == wanted, ask
    if refused:
        for name in ("nginx", "envoy"):
            assert dict(replies[name].headers)["X-Slacktide-Status"] == str(real), ask
        assert json.loads(replies["traefik"].body)["code"] == expected[1]
    name = (*wanted,)[number // 7 % 3]
    assert endpoint.proxied(name, headers) == wanted[name], (ask, name)
