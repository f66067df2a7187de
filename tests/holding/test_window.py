"""The copy of the windows: a place closes by itself, for whoever writes its interface tables."""

from __future__ import annotations

import threading
import time

import psycopg
import pytest

from slacktide.control.downtime import Wish, schedule_downtime
from slacktide.control.organization import leave_organization
from slacktide.control.setting import setting_of
from slacktide.core.errors import SQLSTATE_CLOSED, SQLSTATE_REFERENCE_ONLY
from slacktide.guard import closing
from slacktide.guard.window import windows
from slacktide.holding import sample, window
from slacktide.holding.place import Place, place_answers, set_place
from slacktide.holding.window import Copier
from slacktide.postgres.connection import connect
from tests.clock import until_past
from tests.frozen import frozen

WHO = {"who": "tester", "reason": "a test"}
WITHOUT_A_WORD = 60  # seconds until a copier looks by itself


@pytest.fixture
def copier(site):
    """Give a copier of the site's windows."""
    with connect(site.address, name="copy") as connection:
        copier = Copier(connection)
        yield copier
        copier.close()


def refused(site, organization="SOUTH"):
    """Tell the SQLSTATE with which the ERP refuses a writer who asks nobody, or None."""
    try:
        with psycopg.connect(site.erp_address) as other:
            other.execute("insert into payables.invoice_header (key, organization, number, amount) "
                          "values ('x', %s, 'x', 1)", [organization])  # fmt: skip
            other.rollback()
    except psycopg.Error as error:
        return error.sqlstate
    return None


def lasting(site):
    return [(one.organization, one.reason) for one in windows(site.erp)]


def test_for_reference_only(site, copier):
    """Who asks nobody cannot write an organization that lives elsewhere now, once whoever was writing has ended."""
    with connect(site.erp_address, name="clerk", autocommit=False) as clerk:
        clerk.execute("insert into payables.invoice_header (key, organization, number, amount) "
                      "values ('y', 'SOUTH', 'y', 1)")  # fmt: skip
        leave_organization(site.control, code="SOUTH", place="https://new.example", who="tester")
        assert not copier.copy()
        assert "is still written in this place" in place_answers(site.control)[0]["problem"]
        clerk.commit()
    assert copier.copy()
    assert (refused(site), refused(site, "NORTH")) == (SQLSTATE_REFERENCE_ONLY, None)
    assert closing.state(site.erp, organization="SOUTH").lives_at == "https://new.example"
    leave_organization(site.control, code="SOUTH", place="https://other.example", who="tester")
    assert copier.copy()
    assert closing.state(site.erp, organization="SOUTH").lives_at == "https://other.example"


def test_closes_by_itself(site, copier):
    """What is known beforehand refuses from its start to its end, though nobody is there any more."""
    downtime = setting_of(site.control, id=site.down("SOUTH", start="now+PT2S", end="start+PT3S"))
    assert copier.copy()
    assert refused(site) is None
    until_past(site.erp, downtime.start)
    assert (refused(site), refused(site, "NORTH")) == (SQLSTATE_CLOSED, None)
    until_past(site.erp, downtime.end)
    assert refused(site) is None


def test_follows_the_schedule(site, copier):
    """Windows come, change and go with the schedule; the site's are there for all, and what is the same stays."""
    first = site.down("SOUTH", end="now+PT1H")
    site.down(None, start="now+PT2H", end="start+PT1H")
    assert copier.copy()
    before = windows(site.erp)
    assert [one.organization for one in before] == ["SOUTH", ""]
    epoch = site.erp.execute("select sum(epoch) from slacktide.guard_closing").fetchone()
    assert copier.copy()
    assert (windows(site.erp), site.erp.execute("select sum(epoch) from slacktide.guard_closing").fetchone()) == (
        before,
        epoch,
    )
    site.extend(first, "PT1H")
    assert copier.copy()
    assert windows(site.erp)[0].period.end > before[0].period.end
    site.end(first)
    assert copier.copy()
    assert lasting(site) == [("", "a test")]


def test_recurring(site, copier):
    """The occurrences of a series are copied as far as the schedule knows them."""
    wish = Wish(start="2030-01-06T02:00", duration="PT2H", rrule="FREQ=WEEKLY;COUNT=3")
    schedule_downtime(site.control, wish=wish, organizations=["SOUTH"], **WHO)
    assert copier.copy()
    assert [one.start.day for one in windows(site.erp)] == [6, 13]


def test_each_place_its_own(site, copier, server):
    """A place of one organization has that one's windows and the site's; the place of all has the others'."""
    name = f"{site.erp_address.partition('?')[0].rpartition('/')[2]}_south"
    server.create_database(name)
    set_place(site.control, Place("south", server.address(name), "SOUTH"), **WHO)
    site.down("SOUTH")
    site.down("NORTH")
    assert copier.copy()
    assert [one.organization for one in windows(site.erp)] == ["NORTH"]


def test_a_place_of_its_own_later(site, copier, server):
    """What was copied into a database goes when it is the organization's place no more, unless that is away."""
    name = f"{site.erp_address.partition('?')[0].rpartition('/')[2]}_later"
    downtime = site.down("SOUTH")
    site.down("NORTH")
    assert copier.copy()
    set_place(site.control, Place("south", "host=/nowhere dbname=erp", "SOUTH"), **WHO)
    assert not copier.copy()
    assert [one.organization for one in windows(site.erp)] == ["SOUTH", "NORTH"]
    server.create_database(name)
    set_place(site.control, Place("south", server.address(name), "SOUTH"), **WHO)
    site.end(downtime)
    copier.copy()
    copier.copy()
    assert [one.organization for one in windows(site.erp)] == ["NORTH"]


def test_two_addresses_of_one_place(site, copier):
    """Where an organization's own place is the same database by another address, its windows stay."""
    set_place(site.control, Place("before erp", f"{site.erp_address}&connect_timeout=9", "SOUTH"), **WHO)
    site.down("SOUTH")
    for _ in range(2):
        assert copier.copy()
        assert [one.organization for one in windows(site.erp)] == ["SOUTH"]


def test_a_place_that_is_away(site, copier):
    """A place that cannot be reached keeps nothing from the others, and says why it has no windows."""
    set_place(site.control, Place("away", "host=/nowhere dbname=erp", "NORTH"), **WHO)
    site.down("SOUTH")
    assert not copier.copy()
    assert [one.organization for one in windows(site.erp)] == ["SOUTH"]
    problems = dict(site.control.execute("select name, problem from slacktide.held_place").fetchall())
    assert (problems["erp"], "cannot be reached" in problems["away"]) == (None, True)


def test_a_place_that_answers_no_more(site, copier, server, monkeypatch):
    """A place that answers no more is left after a while, says so, and keeps nothing from the others."""
    name = f"{site.erp_address.partition('?')[0].rpartition('/')[2]}_frozen"
    server.create_database(name)
    monkeypatch.setattr(window, "_ANSWER_SECONDS", 1.0, raising=False)
    with connect(server.address(name), name="test") as place:
        sample.create(place)
        set_place(site.control, Place("a frozen one", server.address(name), "NORTH"), **WHO)
        assert copier.copy()
        with frozen(place, name="slacktide windows"):
            site.down("SOUTH")
            copying = threading.Thread(target=copier.copy)
            copying.start()
            copying.join(30.0)
            ended = not copying.is_alive()
        copying.join()
    assert (ended, [one.organization for one in windows(site.erp)]) == (True, ["SOUTH"])
    problems = dict(site.control.execute("select name, problem from slacktide.held_place").fetchall())
    assert (problems["erp"], "has not answered" in problems["a frozen one"]) == (None, True)


def test_who_comes_last_has_read_last(site, copier):
    """Two that copy at once come one after the other, and the one that comes last has read the schedule last."""
    with connect(site.erp_address, name="other") as other:
        other.execute("select pg_advisory_lock(hashtextextended('slacktide windows', 0))")
        copying = threading.Thread(target=copier.copy)
        copying.start()
        time.sleep(0.2)
        site.down("SOUTH")
        other.execute("select pg_advisory_unlock_all()")
        copying.join()
    assert [one.organization for one in windows(site.erp)] == ["SOUTH"]


def test_copied_at_once(site):
    """A running copier follows a change when it is told, and not at its next look."""
    ended = threading.Event()

    def run():
        with connect(site.address, name="copy") as connection:
            Copier(connection).run(ended=ended.is_set)

    copying = threading.Thread(target=run)
    copying.start()
    try:
        time.sleep(0.5)
        begun = time.monotonic()
        site.down("SOUTH")
        while refused(site) is None:
            assert time.monotonic() - begun < WITHOUT_A_WORD / 4
            time.sleep(0.01)
    finally:
        ended.set()
        copying.join()
