"""What administrators look at while a downtime runs, and the calendar."""

from __future__ import annotations

import re

import psycopg
import pytest
from django.urls import get_resolver

from slacktide.control.lease import leases_of
from slacktide.control.session import list_sessions
from slacktide.control.token import revoke_token
from slacktide.holding.place import Place, set_place
from slacktide.holding.store import list_items
from slacktide.server.pages.gate import JUDGED
from tests.server.pages.conftest import WHO


def test_overview(browser, plan, tasks):
    """It shows the site and each organization with state, reason and who is waited for, by the organization's clock."""
    grace = browser("grace")
    grace.post(f"/task/{tasks[0]}/open")
    plan("HOTEL", end="2036-12-01T22:00")
    shown = browser("ada").get("/overview")
    assert shown.says("closing (1 leases, 1 sessions, 0 transactions)")
    assert shown.says("a test")
    assert shown.says("2036-12-01 22:00 +01:00")


def test_holders(browser, tasks, control):
    """A lease and a session are shown and ended, with a reason."""
    grace, ada = browser("grace"), browser("ada")
    grace.post(f"/task/{tasks[0]}/open")
    lease = leases_of(control, user="grace")[0]
    assert ada.get("/holders").says("grace")
    assert ada.post("/holders", what="lease", id=lease.id, reason=" ").status == 400
    assert ada.post("/holders", what="lease", id=lease.id, reason="cutover").status == 302
    assert leases_of(control, user="grace") == []
    assert ada.post("/holders", what="session", id=lease.session, reason="cutover").status == 302
    assert [one.user for one in list_sessions(control)] == ["ada"]
    assert ada.get("/audit").says("session end")


def test_transaction(browser, clerk):
    """A transaction that holds a closing up is shown with its statement, and ended, with a reason."""
    ada = browser("ada")
    shown = ada.get("/holders")
    assert shown.says("insert into public.stay")
    id_ = re.search(r'name="what" value="transaction"><input type="hidden" name="id" value="([^"]+)"', shown.text)[1]
    assert ada.post("/holders", what="transaction", id=id_, reason=" ").status == 400
    assert ada.post("/holders", what="transaction", id=id_, reason="in the way").status == 302
    with pytest.raises(psycopg.OperationalError):
        clerk.execute("select 1")
    assert ada.get("/audit").says("transaction end")
    assert ada.post("/holders", what="transaction", id=id_, reason="again").says("is open in this database any more")


def test_held(browser, tasks, plan, control, database):
    """A finished task's invoice is handed in, and shown as waiting while a downtime is in effect, for anybody."""
    set_place(control, Place("erp", "env:ERP", None), **WHO)
    plan("HOTEL", users="in")
    ada = browser("ada")
    ada.post(f"/task/{tasks[0]}/open")
    assert ada.post(f"/task/{tasks[0]}/save", note="ok", version=1, finish="").status == 302
    assert [item.key for item in list_items(control)] == [f"HOTEL/task-{tasks[0]}"]
    assert ada.get("/held").says("waiting")
    assert ada.get(f"/task/{tasks[0]}").says("next check at")
    assert ada.post("/held").status == 302


def test_calendar(browser, plan, token, control):
    """The feed has the downtimes that its token may see, with a name that stays; a revoked token leads nowhere."""
    plan("HOTEL", start="now+PT1H", end="now+PT2H", message="Linen")
    plan("OTHER", start="now+PT1H", end="now+PT2H")
    secret = token("calendar", name="cal", organizations=("HOTEL",))
    visitor = browser()
    feed = visitor.get(f"/calendar/{secret}.ics")
    assert feed.headers["content-type"] == "text/calendar; charset=utf-8"
    assert feed.text.count("BEGIN:VEVENT") == 1
    assert visitor.get(f"/calendar/{secret}/HOTEL.ics").text.count("BEGIN:VEVENT") == 1
    assert visitor.get(f"/calendar/{secret}/OTHER.ics").status == 404
    assert visitor.get(f"/calendar/{token('schedule')}.ics").status == 404
    revoke_token(control, name="cal", **WHO)
    assert visitor.get(f"/calendar/{secret}.ics").status == 404


@pytest.mark.parametrize("path", ["/nothing", "/files/../house.py", "/files/house.py", "/task/link/x", "/%2e%2e/login"])
def test_nothing_there(browser, path):
    """What is not there is not found."""
    assert browser().get(path).status == 404


def test_every_view_is_judged(site):
    """Each address leads to a view that says how it is judged."""
    assert all(hasattr(each.callback, JUDGED) for each in get_resolver().url_patterns)
