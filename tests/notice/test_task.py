"""Mails that ask to act on a task wait while its organization or the site is down; notices do not."""

from __future__ import annotations

import pytest

from slacktide.control.link import Link, read_link
from slacktide.control.task import UnknownTask, add_task, change_task
from slacktide.control.user import Change, change_user
from slacktide.notice.task import ask_assignee, ask_to_act
from tests.notice.conftest import LINK_SECRET, WHO, send_all

ASK = {"subject": "Approve it", "text": "An invoice waits for you."}


@pytest.fixture
def task(site):
    """Give a task of SOUTH that ada is asked to act on."""
    site.user("ada", "SOUTH", "NORTH")
    found = add_task(site.connection, organization="SOUTH", user="ada", **WHO)
    ask_to_act(site.connection, task=found.id, user="ada", **ASK)
    return found.id


def asked(mailbox):
    return [mail["Subject"] for mail in mailbox.to("ada@example.com")]


@pytest.mark.parametrize("scope", ["SOUTH", None])
def test_waits_for_the_end(site, mailbox, postman, task, scope):
    """In a downtime of the organization or of the site the mail waits, visibly, while the notice goes; then it goes."""
    key = site.down(scope, until_ended=True)
    site.plan()
    send_all(postman)
    assert [head[:3] for head in asked(mailbox)] == ["The"]
    assert site.connection.execute(
        "select state, attempts, because from slacktide.notice_delivery where notice_id = 1"
    ).fetchone() == ("waiting", 0, "waiting: a downtime of SOUTH or of the site")
    site.hurry()
    send_all(postman)
    assert "Approve it" not in asked(mailbox)
    site.end(key)
    site.hurry()
    send_all(postman)
    assert asked(mailbox).count("Approve it") == 1


def test_another_organization_is_down(site, mailbox, postman, task):
    """A downtime of another organization keeps no mail back."""
    site.down("NORTH", until_ended=True)
    send_all(postman)
    assert asked(mailbox) == ["Approve it"]


def test_the_task_moves(site, mailbox, postman, task):
    """The organization is the one that the task has when it is sent."""
    site.down("NORTH", until_ended=True)
    change_task(site.connection, id=task, organization="NORTH", **WHO)
    send_all(postman)
    assert asked(mailbox) == []


def test_the_task_is_done(site, mailbox, postman, task):
    """For a task that is done meanwhile nobody is asked any more."""
    change_task(site.connection, id=task, state="done", **WHO)
    send_all(postman)
    assert asked(mailbox) == []
    assert site.delivery("ada")["state"] == "withdrawn"


def test_no_such_task(site):
    """For a task that is not there nobody is asked."""
    site.user("ada", "SOUTH")
    with pytest.raises(UnknownTask):
        ask_to_act(site.connection, task="4711", user="ada", **ASK)


def test_the_link(site, mailbox, postman):
    """Whom a task is given to gets its link by mail; the link stands in no table."""
    site.user("ada", "SOUTH")
    ask_assignee(site.connection, task=add_task(site.connection, organization="SOUTH", user="ada", title="Pay", **WHO))
    ask_assignee(site.connection, task=add_task(site.connection, organization="SOUTH", **WHO))
    send_all(postman)
    (mail,) = mailbox.to("ada@example.com")
    assert mail["Subject"] == "Task 1 of SOUTH: Pay"
    address = mail["text"].split()[-1]
    token = address.removeprefix("https://tide.example.com/task/link/")
    assert read_link(token, secret=LINK_SECRET) == Link("1", "ada")
    assert token not in str(
        site.connection.execute("select n, d from slacktide.notice n, slacktide.notice_delivery d").fetchall()
    )


def test_the_task_is_given_to_another(site, mailbox, postman, task):
    """Whom a task was given to before is asked no more; the one whom it is given to is."""
    site.user("bob", "SOUTH")
    ask_assignee(site.connection, task=change_task(site.connection, id=task, user="bob", **WHO))
    send_all(postman)
    assert asked(mailbox) == []
    assert site.delivery("ada")["state"] == "withdrawn"
    assert len(mailbox.to("bob@example.com")) == 1


def test_an_assignee_without_a_role(site, mailbox, postman):
    """Whom a task is given to is asked, without a role in the task's organization too; a disabled one is not."""
    for name in ("ada", "bob"):
        site.user(name)
        ask_assignee(site.connection, task=add_task(site.connection, organization="SOUTH", user=name, **WHO))
    change_user(site.connection, name="bob", change=Change(disabled=True), **WHO)
    send_all(postman)
    assert len(mailbox.to("ada@example.com")) == 1
    assert mailbox.to("bob@example.com") == []
    assert site.delivery("bob")["state"] == "withdrawn"


def test_a_task_that_is_nobodys(site, mailbox, postman):
    """For a task that is nobody's whoever may see it can be asked, and nobody else."""
    site.user("ada", "SOUTH")
    site.user("bob")
    task = add_task(site.connection, organization="SOUTH", **WHO)
    for name in ("ada", "bob"):
        ask_to_act(site.connection, task=task.id, user=name, **ASK)
    send_all(postman)
    assert (asked(mailbox), mailbox.to("bob@example.com")) == (["Approve it"], [])
