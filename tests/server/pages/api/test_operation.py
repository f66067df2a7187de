"""Requests that are not understood, and addresses that are none."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("body", [{}, {"reason": 1}, {"reason": "x", "why": "y"}, [], {"reason": "x", "site": "yes"}])
def test_not_understood(program, body):
    """What is not understood is refused with what it is, and so is a field that may be misspelt."""
    answer = program(admin=True).ask("POST", "downtimes", body)
    assert (answer.status, answer.json["code"]) == (400, "BadBody")
    assert answer.json["detail"].startswith("The request is not understood: ")


def test_not_json(program):
    """What is no JSON is refused."""
    caller = program(admin=True)
    assert caller.ask("POST", "held/check", None).status == 200
    assert caller.get("settings?nothing=1").status == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "nothing", 404), ("POST", "status", 405), ("DELETE", "downtimes", 405), ("GET", "downtimes/1/end", 405)],
)
def test_no_operation(program, method, path, status):
    """What is no operation is a problem document too."""
    answer = program(admin=True).ask(method, path)
    assert (answer.status, answer.json["status"]) == (status, status)
    assert answer.headers["content-type"] == "application/problem+json"


def test_head(program):
    """HEAD is answered as GET, without a body."""
    answer = program().ask("HEAD", "status")
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("path", ["leases/x/end", "sessions/999/end", "downtimes/x/end", "downtimes/999/cancel"])
def test_not_there(program, path):
    """What is not there is 404, with the error's own code."""
    answer = program(admin=True).post(path, reason="a test")
    assert answer.status == 404
    assert answer.json["code"].startswith("Unknown")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("downtimes", {"organizations": ["HOTEL"], "until_ended": True, "reason": "a\x00b"}),
        ("downtimes", {"organizations": ["HO\x00TEL"], "until_ended": True, "reason": "x"}),
        ("downtimes", {"site": True, "duration": "P3000000D", "reason": "x"}),
        ("settings", {"parameter": "downtime_message", "site": True, "value": "\x00"}),
        ("held/check", {"id": "9" * 40}),
        ("leases/%00/end", {"reason": "x"}),
        (f"tasks/{'9' * 40}/open", {}),
        ("tasks/%00/open", {}),
        ("held/check", {"reason": "x" * 2_000_000}),
    ],
)
def test_what_cannot_be_kept(program, path, body):
    """What no database or calendar can hold is refused, and nothing fails by it."""
    caller = program("ada", admin=True).with_session()
    assert caller.ask("POST", path, body).status in {400, 404, 409, 413}
