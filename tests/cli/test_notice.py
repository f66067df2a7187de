"""`slacktide notice`, against a real control database, a real mail server and a real web server."""

from __future__ import annotations

import json

import pytest

from slacktide.notice.planner import Planner
from slacktide.postgres.connection import connect
from tests.notice.conftest import BOTH, SECRET, hook, mailbox, postoffice

__all__ = ["hook", "mailbox", "postoffice"]  # fixtures


@pytest.fixture
def configured(mailbox, hook, monkeypatch):
    """Set the variables of mail and webhook."""
    monkeypatch.setenv("SLACKTIDE_MAIL_URL", f"smtp://127.0.0.1:{mailbox.server.port}")
    monkeypatch.setenv("SLACKTIDE_MAIL_FROM", "tide@example.com")
    monkeypatch.setenv("SLACKTIDE_WEBHOOK_URL", f"{hook.url}/hook?token=hush")
    monkeypatch.setenv("SLACKTIDE_WEBHOOK_SECRET", SECRET)


def test_list(hotel, database):
    """The list shows each notice with its deliveries: those that wait by themselves; with a state only those."""
    hotel("user", "add", "ada", "--organization", "HOTEL", "--email", "ada@example.com")
    hotel("downtime", "schedule", "--organization", "HOTEL", "--start", "now+PT30M", "--for", "PT1H", "--reason", "r")
    with connect(database, name="plan") as connection:
        Planner(connection, configured=BOTH).plan()
    said = hotel("notice", "list", "--json").json
    assert [each["works"] for each in said["channels"]] == [True, True]
    (notice,) = said["notices"]
    assert (notice["kind"], notice["downtime"], notice["organization"], notice["count"]) == (
        "ahead", "1", "HOTEL", {"waiting": 2}
    )  # fmt: skip
    assert [(each["channel"], each["recipient"]) for each in notice["deliveries"]] == [
        ("mail", "ada"),
        ("webhook", None),
    ]
    text = hotel("notice", "list").out
    assert "The organization HOTEL will be down from" in text
    assert "mail to ada, waiting" in text
    assert hotel("notice", "list", "--state", "given up", "--json").json["notices"] == []


def test_test(slacktide, configured, mailbox, hook):
    """A test sends one mail and one signed document, and says that they were taken over."""
    said = slacktide("notice", "test", "--to", "ada@example.com", "--json")
    assert (said.status, [each["sent"] for each in said.json]) == (0, [True, True])
    assert mailbox.to("ada@example.com")[0]["Subject"] == "Slacktide: a test"
    assert json.loads(hook.got[0][2])["type"] == "test"
    assert "hush" not in said.out


def test_test_that_fails(slacktide, configured, mailbox, hook):
    """What does not arrive is said with the reason, and the command ends with 1."""
    mailbox.refuse["ada@example.com"] = "550 no such user here"
    hook.answers = [302]
    said = slacktide("notice", "test", "--to", "ada@example.com")
    assert said.status == 1
    assert "550 no such user here" in said.out
    assert "a redirect is not followed" in said.out


def test_nothing_to_test(slacktide):
    """Where nothing is configured the refusal says what to set."""
    said = slacktide("notice", "test", "--to", "ada@example.com")
    assert said.status == 1
    assert "SLACKTIDE_MAIL_URL" in said.err
