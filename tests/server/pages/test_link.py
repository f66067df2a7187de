"""The links of mails."""

from __future__ import annotations

import pytest

from slacktide.control.lease import leases_of
from slacktide.control.session import list_sessions
from slacktide.control.setting_change import Whose, add_setting
from slacktide.control.user import Change, change_user
from tests.server.pages.conftest import WHO


@pytest.fixture
def level(control):
    """Give a function that sets the security level of links."""

    def set_level(value):
        add_setting(control, parameter="email_notification_security", value=value, whose=Whose(site=True), **WHO)

    return set_level


def follow(browser, path):
    """Follow a link to where it leads."""
    page = browser.get(path)
    assert (page.status, page.location) == (302, "/task/link")
    return browser.get(page.location)


def test_high(browser, tasks, link):
    """With the level `high`, the default, the log-in comes first, even with a live session, and leads to the task."""
    for visitor in (browser(), browser("grace")):
        led = follow(visitor, link(tasks[0], "grace"))
        assert led.location == f"/login?next=/task/{tasks[0]}"
        assert "Password" in visitor.get(led.location).text
        assert visitor.log_in("grace", next=f"/task/{tasks[0]}").location == f"/task/{tasks[0]}"


def test_low(browser, tasks, link, level, control):
    """With `low` a button opens the task without a log-in, and nothing but that task."""
    level("low")
    visitor = browser()
    shown = follow(visitor, link(tasks[0], "grace"))
    assert (shown.status, "Open the task" in shown.text) == (200, True)
    assert (list_sessions(control), leases_of(control, user="grace")) == ([], [])
    assert visitor.post("/task/link/open").location == f"/task/{tasks[0]}"
    assert visitor.post(f"/task/{tasks[0]}/save", note="by mail", version=1).status == 302
    assert visitor.get(f"/task/{tasks[1]}").location.startswith("/login")
    assert visitor.post(f"/task/{tasks[1]}/open").location.startswith("/login")
    assert not visitor.get("/worklist").says("Pay the eggs")
    assert visitor.get("/account").location.startswith("/login")


def test_low_in_the_browser_of_somebody_else(browser, tasks, link, level, control):
    """A link that makes somebody else of a browser ends the session that was there, with what is open in it."""
    level("low")
    shared = browser("oscar")
    shared.post(f"/task/{tasks[2]}/open")
    form = {"csrf": False, "csrfmiddlewaretoken": shared.token(), "version": 1}
    follow(shared, link(tasks[0], "grace"))
    assert shared.post("/task/link/open").location == f"/task/{tasks[0]}"
    assert ([one.user for one in list_sessions(control)], leases_of(control, user="oscar")) == (["grace"], [])
    assert shared.post(f"/task/{tasks[0]}/save", note="by a tab of oscar", **form).status == 403


def test_low_twice(browser, tasks, link, level, control):
    """A second link in the same browser opens its task beside the first one, in the same session, and nothing else."""
    level("low")
    visitor = browser()
    for task in tasks[:2]:
        assert follow(visitor, link(task, "grace")).status == 200
        assert visitor.post("/task/link/open").location == f"/task/{task}"
    assert len(list_sessions(control)) == 1
    assert [visitor.get(f"/task/{task}").status for task in tasks] == [200, 200, 302]


def test_medium(browser, tasks, link, level, control):
    """With `medium` one log-in is remembered by the browser, until role or password change."""
    level("medium")
    visitor = browser()
    assert follow(visitor, link(tasks[0], "grace")).location.startswith("/login")
    visitor.log_in("grace")
    visitor.post("/logout")
    assert follow(visitor, link(tasks[0], "grace")).status == 200
    assert visitor.post("/task/link/open").status == 302
    assert follow(browser(), link(tasks[0], "grace")).status == 302
    change_user(control, name="grace", change=Change(password="another one"), **WHO)
    assert follow(visitor, link(tasks[0], "grace")).location.startswith("/login")


@pytest.mark.parametrize("scope", [(), ("HOTEL",), ("OTHER",)])
def test_downtime(browser, tasks, link, level, plan, soon, scope):
    """While any downtime is in effect the log-in comes first, with a live session and `low`; then all are judged."""
    level("low")
    path, grace = link(tasks[0], "grace"), browser("grace")
    plan(*scope)
    soon(lambda: follow(grace, path).status == 302)
    assert follow(grace, path).location == f"/login?next=/task/{tasks[0]}"
    assert grace.post("/task/link/open").location == f"/login?next=/task/{tasks[0]}"
    entered = grace.log_in("grace", next=f"/task/{tasks[0]}")
    assert entered.status == (503 if not scope else 302)
    if scope:
        assert grace.get(entered.location).status == (503 if scope == ("HOTEL",) else 200)
    ada = browser()
    assert follow(ada, link(tasks[0], "ada")).location.startswith("/login")
    assert ada.log_in("ada", next=f"/task/{tasks[0]}").status == 302
    assert ada.post(f"/task/{tasks[0]}/open").location == f"/task/{tasks[0]}"


def test_scanners(browser, tasks, link, level, plan, end, control):
    """A scanner that fetches the link, follows it, and asks for its head, changes nothing and uses nothing up."""
    level("low")
    path = link(tasks[0], "grace")
    key = plan("HOTEL")
    scanner = browser()
    for _ in range(3):
        scanner.get(path, method="HEAD")
        follow(scanner, path)
        scanner.get("/task/link/open")
    assert (list_sessions(control), leases_of(control, user="grace")) == ([], [])
    end(key)


@pytest.mark.parametrize("scope", [(), ("HOTEL",)])
def test_the_open_task_by_mail(browser, tasks, link, level, plan, soon, control, scope):
    """The open task is gone on with by its link after the log-in, in the same session; another one is refused."""
    level("low")
    grace, (mine, other, _) = browser("grace"), tasks
    grace.post(f"/task/{mine}/open")
    plan(*scope)
    soon(lambda: grace.get(f"/task/{other}").status == 503)
    follow(grace, link(mine, "grace"))
    assert grace.log_in("grace", next=f"/task/{mine}").location == f"/task/{mine}"
    assert grace.get(f"/task/{mine}").says("Save and finish")
    assert len(list_sessions(control)) == 1
    follow(grace, link(other, "grace"))
    assert grace.get(grace.log_in("grace", next=f"/task/{other}").location).status == 503


def test_forged_and_forwarded(browser, tasks, link):
    """A changed token is none; a link of somebody who may not know of the task leads nowhere."""
    path = link(tasks[0], "grace")
    assert browser().get(path[:-2] + "AA").status == 404
    oscar = browser()
    assert follow(oscar, link(tasks[0], "oscar")).status == 404
    assert follow(oscar, path).status == 302
    assert oscar.get(oscar.log_in("oscar", next=f"/task/{tasks[0]}").location).status == 404


def test_token_leaves_the_address(browser, tasks, link):
    """The page that is shown has no token in its address, and nothing of it is stored."""
    path = link(tasks[0], "grace")
    page = browser().get(path)
    assert path.rpartition("/")[2] not in page.location
    assert page.headers["referrer-policy"] == "same-origin"
