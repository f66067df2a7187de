"""The original's behaviour, sentence by sentence: who gets in, and which tasks open."""

from __future__ import annotations

import pytest

from slacktide.control.task import task_of
from tests.acceptance.person import until


def test_log_in_refused(person, plan):
    """Log-in refused with the message (site, users out)."""
    plan(end="now+PT2H", message="We move to the new building.", contact="the service desk, 4711")
    grace = person()
    assert until(lambda: grace.go("/login") == 200 and grace.says("Users cannot work in it meanwhile"))
    assert grace.log_in("grace") == 503
    assert grace.says("The system is not available for administrative reasons from", "to", "(UTC)")
    assert grace.says("Ask the service desk, 4711.", "We move to the new building.")
    assert grace.page.title().startswith("Not available: scheduled downtime")
    assert grace.go("/worklist") == 503


def test_administrators_get_in(person, plan, tasks):
    """Administrators get in."""
    plan(end="now+PT2H")
    grace = person()
    until(lambda: grace.log_in("grace") == 503)
    ada = person("ada")
    assert ada.go("/worklist") == 200
    assert ada.says("Pay the linen", "Pay the rent")
    assert ada.open(tasks[0]) == 200
    assert ada.says("Save and finish")
    assert ada.go("/overview") == 200


def test_tasks_of_an_organization(person, plan, tasks):
    """An organization's tasks denied while others open, the log-in still possible."""
    plan("HOTEL", end="now+PT2H")
    grace = person("grace")
    until(lambda: grace.go("/worklist") == 200 and grace.says("2 closed"))
    assert grace.says("Pay the rent")
    assert not grace.says("Pay the linen")
    assert grace.go(f"/task/{tasks[0]}") == 503
    assert grace.says("The organization HOTEL is not available for administrative reasons", "(Europe/Berlin)")
    assert grace.follow("To the worklist") == 200
    assert grace.follow(tasks[2]) == 200
    assert grace.press("Open the task") == 200
    assert grace.says("Pay the rent", "Save and finish")
    assert person().log_in("grace") == 200


@pytest.mark.parametrize("scope", ["site", "HOTEL"])
def test_the_open_task_and_the_next(person, plan, tasks, link, control, scope):
    """The open task finished and the next refused, also from a mail."""
    mine, other, _ = tasks
    grace = person("grace")
    assert grace.open(mine) == 200
    plan(*() if scope == "site" else (scope,), end="now+PT2H")
    until(lambda: grace.go(f"/task/{other}") == 503)
    assert grace.says("is not available for administrative reasons")
    assert by_mail(grace, link, other) == 503
    assert by_mail(grace, link, mine) == 200
    grace.fill(note="finished in the downtime")
    assert grace.press("Save and finish") == 200
    assert (grace.path, task_of(control, id=mine).state) == ("/worklist", "done")
    assert grace.says("1 closed" if scope == "HOTEL" else "2 closed")
    assert by_mail(grace, link, other) == 503
    assert task_of(control, id=other).state == "open"


def by_mail(somebody, link, task):
    """Follow a mail's link, and log in as it asks; give the status of where that leads."""
    assert somebody.go(link(task, "grace")) == 200
    assert somebody.path == f"/login?next=/task/{task}"
    return somebody.log_in("grace", go=False)


@pytest.mark.parametrize("scope", ["site", "HOTEL", "OTHER"])
def test_links_of_mails(person, plan, tasks, link, scope):
    """The e-mail link to the log-in screen with a live session and level `low`: administrators in, users denied."""
    ada, grace = person("ada"), person("grace")
    ada.set("email_notification_security", "low", level="site")
    assert grace.go(link(tasks[0], "grace")) == 200
    assert grace.says("Open the task")
    plan(*() if scope == "site" else (scope,), end="now+PT2H")
    until(lambda: grace.go(link(tasks[0], "grace")) == 200 and grace.path == f"/login?next=/task/{tasks[0]}")
    assert grace.says("Log in", "You are logged in as grace. To go on, say once more who you are.")
    assert grace.log_in("grace", go=False) == (200 if scope == "OTHER" else 503)
    assert grace.says("Open the task" if scope == "OTHER" else "not available for administrative reasons")
    assert ada.go(link(tasks[0], "ada")) == 200
    assert ada.path == f"/login?next=/task/{tasks[0]}"
    assert ada.log_in("ada", go=False) == 200
    assert ada.path == f"/task/{tasks[0]}"
    assert ada.press("Open the task") == 200
    assert ada.says("Save and finish")
