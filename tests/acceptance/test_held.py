"""The original's behaviour, sentence by sentence: nothing goes into the ERP while a downtime is in effect."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from slacktide.control.setting import control_now
from slacktide.control.setting_change import Whose, add_setting
from slacktide.core.errors import SQLSTATE_CLOSED
from slacktide.holding.store import queue_of
from tests.acceptance import deaf
from tests.acceptance.person import until
from tests.server.pages.conftest import WHO

ROW = "(key, organization, number, amount) values ('x', 'HOTEL', 'x', 1)"
CHANGES = (
    f"insert into payables.invoice_header {ROW}",
    "update payables.invoice_header set amount = 2",
    "delete from payables.invoice_line",
    "truncate payables.invoice_header, payables.invoice_line, ledger.request, ledger.invoice",
)


def finish(somebody, task):
    """Open a task and finish it."""
    assert somebody.open(task) == 200
    assert somebody.press("Save and finish") == 200
    assert somebody.path == "/worklist"


def recheck(control, every):
    add_setting(control, parameter="hold_recheck_interval", value=every, whose=Whose(site=True), **WHO)


def instant(text):
    """Read an instant as pages show it."""
    return datetime.fromisoformat(text.replace(" ", "T", 1).replace(" ", "")).astimezone(UTC)


def held(somebody):
    """Give what the page of held work shows, as rows of cells."""
    assert somebody.go("/held") == 200
    listed = somebody.page.get_by_role("region", name="Held work").locator("tbody tr")
    return [row.locator("td").all_inner_texts() for row in listed.all()]


@pytest.mark.parametrize("scope", ["site", "HOTEL"])
def test_nothing_is_imported(person, plan, tasks, erp, worker, scope):
    """No import and no change of the interface table while active, for anybody."""
    ada, grace = person("ada"), person("grace")
    finish(ada, tasks[0])
    until(lambda: erp.imported() == [f"task-{tasks[0]}"])
    assert grace.open(tasks[1]) == 200
    plan(*() if scope == "site" else (scope,), end="now+PT2H")
    until(lambda: erp.refusal(CHANGES[0]))
    assert [erp.refusal(change) for change in CHANGES] == [SQLSTATE_CLOSED] * len(CHANGES)
    assert grace.press("Save and finish") == 200
    finish(ada, tasks[2])
    because = f"downtime ({'site' if scope == 'site' else 'organization HOTEL'})"
    mine = until(lambda: [row for row in held(ada) if row[3] == f"HOTEL/task-{tasks[1]}" and because in row[6]])
    assert (mine[0][2], mine[0][5]) == ("insert", "waiting")
    wanted = [f"task-{tasks[0]}"] + ([] if scope == "site" else [f"task-{tasks[2]}"])
    until(lambda: erp.imported() == wanted)
    assert ada.press("Look again now") == 200
    until(lambda: [row for row in held(ada) if because in row[6]])
    assert erp.imported() == wanted
    assert ada.go(f"/task/{tasks[1]}") == 200
    assert ada.says("It is finished.", "waiting", because, "next check at")


def test_continues_by_itself(person, plan, tasks, erp, worker, control):
    """It continues by itself."""
    ada, grace = person("ada"), person("grace")
    assert grace.open(tasks[0]) == 200
    key = plan("HOTEL", end="now+PT20S")
    assert grace.press("Save and finish") == 200
    until(lambda: erp.written() == [f"task-{tasks[0]}"])
    (ended,) = control.execute("select ends_at from slacktide.setting where id = %s", [key]).fetchone()
    assert erp.written_at(f"task-{tasks[0]}") >= ended
    until(lambda: erp.imported() == [f"task-{tasks[0]}"])
    until(lambda: held(ada) == [])
    assert ada.says("Nothing waits.")
    ada.go(f"/task/{tasks[0]}")
    assert ada.says("done", "waiting: downtime (organization HOTEL) until", "continue")
    assert re.search(r"\+0[12]:00, next check at", ada.text)


def test_rechecked_every_five_minutes(person, plan, tasks, erp, worker, control):
    """The recheck every 5 minutes."""
    ada = person("ada")
    plan("HOTEL")
    finish(ada, tasks[0])
    until(lambda: (queue := queue_of(control, organization="HOTEL")) is not None and queue.kind == "hold")
    left = queue_of(control, organization="HOTEL").next_check - control_now(control)
    assert timedelta() < left <= timedelta(minutes=5)
    (row,) = held(ada)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)? \+0[12]:00", row[8])
    assert abs(instant(row[8]) - control_now(control)) <= timedelta(minutes=6)


def test_the_recheck_alone(person, plan, end, tasks, erp, database, control):
    """The recheck alone: no message and no count of changes comes through, and it goes on at the next check."""
    recheck(control, "PT10S")
    ada, key, number = person("ada"), plan("HOTEL"), f"task-{tasks[0]}"
    finish(ada, tasks[0])
    with deaf_releaser(database):
        until(lambda: seconds_to_check(control) > 6)
        check = queue_of(control, organization="HOTEL").next_check
        end(key)
        assert control_now(control) < check - timedelta(seconds=2)
        until(erp.written)
    assert (erp.written(), erp.written_at(number) >= check) == ([number], True)


@contextmanager
def deaf_releaser(database):
    """Let a releaser run that hears of nothing."""
    process = subprocess.Popen([sys.executable, deaf.__file__, database])
    try:
        yield
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def seconds_to_check(control):
    queue = queue_of(control, organization="HOTEL")
    if queue is None or queue.kind != "hold":
        return 0
    return (queue.next_check - control_now(control)).total_seconds()


def test_the_wake_alone(person, plan, end, tasks, erp, worker, control):
    """The wake alone: the next check is nearly an hour away, and it goes on when the downtime is ended."""
    recheck(control, "PT1H")
    ada, key, number = person("ada"), plan("HOTEL"), f"task-{tasks[0]}"
    finish(ada, tasks[0])
    until(lambda: seconds_to_check(control) > 3000)
    check = queue_of(control, organization="HOTEL").next_check
    assert ada.go(f"/downtime/{key}") == 200
    ada.fill(reason="done earlier")
    assert ada.press("End it") == 200
    assert ada.press("Confirm") == 200
    until(lambda: erp.written() == [number])
    assert erp.written_at(number) < check - timedelta(minutes=50)


def test_users_in(person, plan, end, tasks, erp, worker):
    """Users in (N): all log in and work, imports still wait."""
    ada = person("ada")
    ada.set("disable_user_access", "N", level="site")
    ada.set("site_scheduled_downtime", "Y", level="site")
    until(lambda: erp.refusal(CHANGES[0]))
    grace = person()
    until(lambda: grace.go("/login") == 200 and grace.says("Users may work on meanwhile"))
    assert grace.log_in("grace") == 200
    assert grace.says("3 open", "Pay the linen", "Pay the rent")
    finish(grace, tasks[0])
    finish(ada, tasks[2])
    until(lambda: [row[6] for row in held(ada)] == ["downtime (site)"] * 2)
    assert erp.written() == []
    ada.go("/downtimes")
    assert ada.follow(ada.page.locator("tbody a").first.inner_text()) == 200
    ada.fill(reason="over")
    assert ada.press("End it") == 200
    assert ada.press("Confirm") == 200
    until(lambda: sorted(erp.imported()) == [f"task-{tasks[0]}", f"task-{tasks[2]}"])
