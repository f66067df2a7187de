"""The decision table again, through everything that bites: the endpoint, and an ASGI and a WSGI application's gate."""

from __future__ import annotations

import asyncio
import http.client
import json
from urllib.parse import urlsplit

import pytest

from slacktide.control.organization import remove_side, set_side
from slacktide.gates import asgi, wsgi
from slacktide.gates.ask import Ask
from tests.downtime.test_decision import CELLS, naive
from tests.gates.conftest import WHO

STATUS = {
    "site_downtime": 503,
    "organization_downtime": 503,
    "reference_only": 409,
    "not_administrator": 403,
    None: 403,  # a log-in is asked for
}
NAMES = ("admin", "site", "own", "lease", "session", "writer", "left", "asks")


class Endpoint:
    """`POST /api/decision`, on one connection."""

    def __init__(self, site, secret):
        """Keep the address and the token."""
        parts = urlsplit(site)
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
        self._headers = {"Authorization": f"Bearer {secret}"}

    def close(self):
        self._connection.close()

    def __call__(self, ask):
        body = {
            "action": ask.action, "organization": "HOTEL", "user": {"name": "ada", "admin": ask.admin},
            "lease": ask.lease, "session": ask.session, "writer": ask.writer, "link_asks": ask.link_asks,
        }  # fmt: skip
        self._connection.request("POST", "/api/decision", json.dumps(body), self._headers)
        response = self._connection.getresponse()
        answer = json.loads(response.read())
        assert response.status == 200
        return answer["decision"], answer["code"]


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


async def asgi_app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})


def wsgi_app(environ, start_response):
    start_response("200 OK", [])
    return [b"done"]


@pytest.mark.parametrize("left", [False, True])
def test_cells(site, gate_of, token, plan, end, soon, control, left):
    """Every cell answers over HTTP and at every gate as the specification's sentences do."""
    keeper, endpoint = gate_of(), Endpoint(site, token("decide", "assert-admin"))
    gates = (
        (asgi.Gate(asgi_app, keeper=keeper, asks=lambda scope: scope["ask"]), through_asgi),
        (wsgi.Gate(wsgi_app, keeper=keeper, asks=lambda environ: environ["ask"]), through_wsgi),
    )
    if left:
        facts = {"state": "reference only", "lives_at": "https://new.example"}
        set_side(control, organization="HOTEL", side="source", **facts, **WHO)
    for site_users in (None, "in", "out"):
        for own_users in (None, "in", "out"):
            keys = [plan(users=site_users)] if site_users else []
            keys += [plan("HOTEL", users=own_users)] if own_users else []
            soon(lambda wanted=(site_users, own_users, left): known(keeper) == wanted)
            for action, *facts in CELLS:
                cell = dict(zip(NAMES, facts, strict=True))
                if (cell["site"], cell["own"], cell["left"]) == (site_users, own_users, left):
                    judge(action, cell, endpoint, gates)
            for key in keys:
                end(key)
    endpoint.close()
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


def judge(action, cell, endpoint, gates):
    """Hold all answers of one cell against the specification's sentences."""
    expected = naive(action.value, **cell)
    ask = Ask(
        action=action,
        organization="HOTEL",
        admin=cell["admin"],
        lease=cell["lease"],
        session=cell["session"],
        writer=cell["writer"],
        link_asks=cell["asks"],
    )
    assert endpoint(ask) == expected, (action, cell)
    for gate, send in gates:
        status, body = send(gate, ask)
        if expected[0] == "allow":
            assert (status, body) == (200, b"done"), (action, cell)
        else:
            problem = json.loads(body)
            assert (status, problem["status"]) == (STATUS[expected[1]],) * 2, (action, cell)
            assert (problem["decision"], problem["code"]) == expected
