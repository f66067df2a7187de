"""Tasks: opened by a deliberate act, finished in a downtime, and no other."""

from __future__ import annotations

import re

import pytest

from slacktide.control.draft import draft_of
from slacktide.control.lease import end_leases, leases_of
from slacktide.control.setting_change import Whose, add_setting
from slacktide.control.task import change_task, task_of
from slacktide.control.user import Change, change_user
from tests.server.pages.conftest import WHO


def test_open_save_and_finish(browser, tasks, control):
    """A GET opens nothing; the button does; saving and finishing are the task's."""
    grace, task = browser("grace"), tasks[0]
    assert "Open the task" in grace.get(f"/task/{task}").text
    assert leases_of(control, user="grace") == []
    assert grace.get(f"/task/{task}/open").status == 405
    assert grace.post(f"/task/{task}/open").status == 302
    assert [lease.task for lease in leases_of(control, user="grace")] == [task]
    assert grace.post(f"/task/{task}/save", note="half", version=1).location == f"/task/{task}"
    assert task_of(control, id=task).note == "half"
    assert grace.post(f"/task/{task}/save", note="whole", version=2, finish="").location == "/worklist"
    assert task_of(control, id=task).state == "done"
    assert leases_of(control, user="grace") == []


def without_token(page):
    """Give a page's text without the token that each form has."""
    return re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", page.text)


@pytest.mark.parametrize("scope", [(), ("HOTEL",)])
def test_the_open_one_and_no_other(browser, tasks, plan, soon, control, scope):
    """In a downtime the open task is gone on with, reloaded and finished; another is refused by every way."""
    grace, (mine, other, _) = browser("grace"), tasks
    grace.post(f"/task/{mine}/open")
    plan(*scope)
    soon(lambda: grace.get(f"/task/{other}").status == 503)
    assert grace.post(f"/task/{other}/open").status == 503
    assert grace.post(f"/task/{other}/save", note="x", version=1).status == 503
    assert grace.get(f"/task/{mine}").status == 200
    assert grace.post(f"/task/{mine}/open").status == 302
    assert grace.post(f"/task/{mine}/sign").status == 200
    bulk = grace.post("/worklist/act", task=[mine, other], do="finish")
    assert bulk.status == 207
    assert bulk.says(f"Task {mine}: done")
    assert bulk.says(f"Task {other}: The")
    assert [task_of(control, id=each).state for each in (mine, other)] == ["done", "open"]


def test_other_organizations_go_on(browser, tasks, plan, soon):
    """A closed organization's tasks are refused while others open."""
    grace, (hotel, _, other) = browser("grace"), tasks
    plan("HOTEL")
    soon(lambda: grace.get(f"/task/{hotel}").status == 503)
    assert grace.post(f"/task/{other}/open").status == 302
    assert browser("ada").post(f"/task/{hotel}/open").status == 302


def test_worklist_of_a_closed_organization(browser, tasks, plan, soon):
    """Of a closed organization's tasks it shows number and until when: in the list, a search, and the export."""
    grace = browser("grace")
    assert grace.get("/worklist").says("Pay the linen")
    plan("HOTEL", end="now+PT2H")
    soon(lambda: not grace.get("/worklist").says("Pay the linen"))
    shown = grace.get("/worklist")
    assert shown.says("2 closed")
    assert shown.says("closed until")
    assert shown.says("Pay the rent")
    assert grace.get("/worklist?q=linen").says("There is nothing to do")
    assert grace.get("/worklist?q=rent").says("Pay the rent")
    exported = grace.get("/worklist.csv").text
    assert "linen" not in exported
    assert exported.count("closed") == 2


def test_closed_foreign_absent(browser, tasks, plan, soon):
    """For who may not know of a task, closed, foreign and absent are one answer."""
    oscar = browser("oscar")
    before = oscar.get(f"/task/{tasks[0]}")
    plan("HOTEL")
    soon(lambda: browser("grace").get(f"/task/{tasks[0]}").status == 503)
    closed, absent = oscar.get(f"/task/{tasks[0]}"), oscar.get("/task/999999")
    assert {one.status for one in (before, closed, absent)} == {404}
    assert without_token(before) == without_token(closed) == without_token(absent)
    assert oscar.post(f"/task/{tasks[0]}/open").status == oscar.post("/task/999999/open").status == 404
    assert oscar.post(f"/task/{tasks[0]}/save", note="").status == 404


def test_a_refused_save_is_a_draft(browser, tasks, plan, end, soon, control):
    """What cannot be saved comes back, and is there as a draft when the downtime is over; a save ends it."""
    grace, task = browser("grace"), tasks[0]
    grace.post(f"/task/{task}/open")
    grace.post(f"/task/{task}/close")
    key = plan("HOTEL")
    soon(lambda: grace.get(f"/task/{task}").status == 503)
    refused = grace.post(f"/task/{task}/save", note="three pages <of> text", version=1)
    assert refused.status == 503
    assert "three pages &lt;of&gt; text" in refused.text
    assert task_of(control, id=task).note == ""
    end(key)
    soon(lambda: grace.get(f"/task/{task}").status == 200)
    assert "three pages &lt;of&gt; text" in grace.get(f"/task/{task}").text
    grace.post(f"/task/{task}/open")
    grace.post(f"/task/{task}/save", note="three pages", version=1)
    assert "Draft" not in grace.get(f"/task/{task}").text


def test_two_tabs(browser, tasks, control):
    """A save by what another tab has changed is refused, and kept; a second click finds the task finished."""
    grace, task = browser("grace"), tasks[0]
    grace.post(f"/task/{task}/open")
    assert grace.post(f"/task/{task}/save", note="first", version=1).status == 302
    late = grace.post(f"/task/{task}/save", note="second", version=1)
    assert (late.status, "second" in late.text) == (409, True)
    assert task_of(control, id=task).note == "first"
    assert grace.post(f"/task/{task}/save", note="done", version=2, finish="").status == 302
    assert grace.post(f"/task/{task}/save", note="done", version=2, finish="").status == 409


def test_the_session_ended(browser, tasks, control):
    """What is typed in a session that an administrator has ended is given back, and kept as the user's draft."""
    grace, ada, task = browser("grace"), browser("ada"), tasks[0]
    grace.post(f"/task/{task}/open")
    session = leases_of(control, user="grace")[0].session
    assert ada.post("/holders", what="session", id=session, reason="cutover").status == 302
    lost = grace.post(f"/task/{task}/save", note="typed offline", version=1)
    assert (lost.status, "typed offline" in lost.text) == (403, True)
    assert "typed offline" in browser("grace").get(f"/task/{task}").text


def test_log_in_to_finish(browser, tasks, plan, soon, control):
    """In a site downtime a user with an open task logs in to finish it, and does nothing else."""
    grace, (mine, other, _) = browser("grace"), tasks
    grace.post(f"/task/{mine}/open")
    plan()
    soon(lambda: grace.get(f"/task/{other}").status == 503)
    back = browser()
    assert back.log_in("grace").status == 302
    listed = back.get("/worklist")
    assert (listed.says("Pay the linen"), listed.says("Pay the eggs"), listed.says("Pay the rent")) == (
        True,
        False,
        False,
    )
    assert back.post(f"/task/{other}/open").status == 302  # to the log-in
    assert leases_of(control, user="grace")[-1].task == mine
    assert back.post(f"/task/{mine}/open").location == f"/task/{mine}"
    assert back.post(f"/task/{mine}/save", note="finished", version=1, finish="").status == 302
    assert browser().log_in("grace").status == 503


def test_a_limited_session_whose_lease_has_ended(browser, tasks, plan, soon, control):
    """What is typed in a session that was for one task alone is kept when that is not open any more."""
    grace, task = browser("grace"), tasks[0]
    grace.post(f"/task/{task}/open")
    plan()
    soon(lambda: grace.get(f"/task/{tasks[1]}").status == 503)
    back = browser()
    back.log_in("grace")
    end_leases(control, organization=None, **WHO)
    refused = back.post(f"/task/{task}/save", note="an hour of typing", version=1)
    assert (refused.status, "an hour of typing" in refused.text) == (403, True)
    kept = draft_of(control, user="grace", task=task)
    assert kept is not None
    assert kept.note == "an hour of typing"


def test_a_task_that_is_not_ones_own_any_more(browser, tasks, control):
    """What is typed into a task that its user may not know of any more comes back, and is kept for later."""
    grace, task = browser("grace"), tasks[0]
    grace.post(f"/task/{task}/open")
    change_user(control, name="grace", change=Change(organizations={"HOTEL": None}), **WHO)
    foreign, absent = (grace.post(f"/task/{one}/save", note="an hour of typing", version=1) for one in (task, "999999"))
    assert (foreign.status, "an hour of typing" in foreign.text) == (404, True)
    assert without_token(foreign) == without_token(absent)
    change_user(control, name="grace", change=Change(organizations={"HOTEL": "user"}), **WHO)
    assert "an hour of typing" in grace.get(f"/task/{task}").text


def test_a_tab_from_before_the_log_in(browser, tasks, control):
    """A form from before its user showed once more who it is is saved; of another session it gives the text back."""
    grace, task = browser("grace"), tasks[0]
    grace.post(f"/task/{task}/open")
    form = {"csrf": False, "csrfmiddlewaretoken": grace.token(), "version": 1}
    grace.log_in("grace")
    assert grace.post(f"/task/{task}/save", note="typed", **form).status == 302
    grace.post("/logout")
    grace.log_in("grace")
    lost = grace.post(f"/task/{task}/save", note="<typed>", **form)
    assert (lost.status, "&lt;typed&gt;" in lost.text) == (403, True)
    assert task_of(control, id=task).note == "typed"


def test_what_is_no_text(browser, tasks, control):
    """What no database keeps as text is refused, and comes back; a version that is no number is none that there is."""
    grace, task = browser("grace"), tasks[0]
    grace.post(f"/task/{task}/open")
    refused = grace.post(f"/task/{task}/save", note="typed\0", version=1)
    assert (refused.status, "typed" in refused.text) == (400, True)
    for version in ("²", "9" * 5000, "-1"):
        assert grace.post(f"/task/{task}/save", note="typed", version=version).status == 409
    assert task_of(control, id=task).note == ""
    assert grace.get(f"/task/{task}%00").status == 404
    assert browser().log_in("gra\0ce").status == 400


def test_limit(browser, tasks, control):
    """No more tasks of an organization are open at once than the limit says."""
    add_setting(control, parameter="task_lease_limit", value="1", whose=Whose(site=True), **WHO)
    grace = browser("grace")
    assert grace.post(f"/task/{tasks[0]}/open").status == 302
    full = grace.post(f"/task/{tasks[1]}/open")
    assert (full.status, full.says("no more are allowed at once")) == (409, True)


def test_another_organization(browser, tasks, plan, soon, control):
    """A task that goes to another organization while it is open is judged by that one; its lease has ended."""
    grace, task = browser("grace"), tasks[0]
    grace.post(f"/task/{task}/open")
    plan("OTHER")
    change_task(control, id=task, organization="OTHER", **WHO)
    soon(lambda: grace.get(f"/task/{task}").status == 503)
    assert grace.post(f"/task/{task}/save", note="x", version=2).status == 503
