"""Drains that are carried out with nobody watching."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta

import pytest

from slacktide.control.audit import list_audit
from slacktide.control.downtime import end_downtime, show_downtime
from slacktide.control.drain import drain_of, set_drain, with_drains
from slacktide.control.organization import add_organization, set_side
from slacktide.control.setting import control_now
from slacktide.cutover import drain as drains
from slacktide.cutover.bulkhead import Bulkhead
from slacktide.cutover.drain import QUIET_IN_TIME
from slacktide.postgres.connection import connect
from tests.control.working import WHO, Office, at_once
from tests.cutover.moving import until
from tests.migrated import migrate

NOW, LATER = timedelta(), timedelta(hours=1)


@pytest.fixture
def office(database):
    """Give a control database with an open task of ada's, whose organization a downtime has just closed."""
    migrate(address=database)
    with connect(database, name="test") as connection:
        for code in ("HOTEL", "OTHER"):
            add_organization(connection, code=code, **WHO)
        office = Office(connection)
        office.take(office.user(), office.task())
        yield office


def drain(office, key, then, after=NOW, **more):
    set_drain(office.connection, id=key, after=after, then=then, **WHO | more)


def carry_out(connection):
    return drains.carry_out(connection, bulkhead=Bulkhead("drain"))


def audited(office):
    return [row["what"] for row in list_audit(office.connection)]


def test_the_leases_end(office):
    """At the deadline the leases of the scope end, once, and everything is audited under who set the drain."""
    other = office.task("OTHER")
    office.take(office.session(), other)
    key = office.down("HOTEL", users="out")
    drain(office, key, "end", LATER)
    assert carry_out(office.connection) == []
    drain(office, key, "end")
    assert carry_out(office.connection) == ["ended 1 leases"]
    assert carry_out(office.connection) == []
    assert office.left() == (0, 1, True)
    assert office.left("OTHER")[0] == 1
    assert audited(office)[-4:] == ["downtime drain", "downtime drain", "lease end", "downtime drained"]
    row = list_audit(office.connection)[-1]
    assert (row["who"], row["reason"]) == ("the drain of tester", "a test")
    assert row["after"]["state"] == {"leases": 1, "sessions": 1, "transactions": 0, "state": "closing"}


def test_it_goes_on_waiting(office):
    """With `wait` nothing ends, and it is noted who was left."""
    key = office.down("HOTEL", users="out")
    drain(office, key, "wait")
    assert carry_out(office.connection) == ["goes on waiting for 1 leases, 1 sessions, 0 transactions"]
    assert office.left() == (1, 1, True)


def test_it_is_given_up(office):
    """With `give-up` the downtime ends, and its leases live on."""
    key = office.down("HOTEL", users="out")
    drain(office, key, "give-up")
    assert carry_out(office.connection) == ["given up: the downtime was ended"]
    assert not show_downtime(office.connection, id=key)["commands"]["end"]
    assert office.left()[0] == 1
    assert audited(office)[-2:] == ["downtime end", "downtime drained"]


@pytest.mark.parametrize("then", ["end", "give-up"])
def test_quiet_in_time(office, then):
    """Where nobody is left in time nothing is done; the downtime goes on."""
    key = office.down("OTHER", users="out")
    drain(office, key, then)
    assert carry_out(office.connection) == [QUIET_IN_TIME]
    assert show_downtime(office.connection, id=key)["commands"]["end"]


def test_users_in(office):
    """While users stay no lease is waited for, and none ends."""
    drain(office, office.down("HOTEL", users="in"), "end")
    assert carry_out(office.connection) == [QUIET_IN_TIME]
    assert office.left()[0] == 1


def test_the_site(office):
    """The drain of the site's downtime ends the leases of all organizations."""
    office.take(office.session(), office.task("OTHER"))
    drain(office, office.down(users="out"), "end")
    assert carry_out(office.connection) == ["ended 2 leases"]


def test_not_under_a_move(office):
    """A downtime under which a move has closed its property for good is not given up."""
    key = office.down("HOTEL", users="out")
    drain(office, key, "give-up")
    set_side(office.connection, organization="HOTEL", side="source", state="closed", **WHO)
    assert carry_out(office.connection)[0].startswith("goes on waiting")
    assert show_downtime(office.connection, id=key)["commands"]["end"]


def test_ended_before(office):
    """A downtime that is over, or has not begun, has nothing carried out."""
    key, ahead = office.down("HOTEL", users="out"), office.down("OTHER", start="now+P1D")
    drain(office, key, "end")
    drain(office, ahead, "end")
    end_downtime(office.connection, id=key, **WHO)
    assert carry_out(office.connection) == []
    assert office.left()[0] == 1


def test_from_now(office):
    """Set while the downtime is in effect it counts from then, else from the start; and it is shown."""
    begun = (control_now(office.connection) - timedelta(hours=2)).isoformat()
    key, ahead = office.down("HOTEL", start=begun, until_ended=True), office.down("OTHER", start="now+P1D")
    for one in (key, ahead):
        drain(office, one, "wait", LATER, from_now=True)
    assert drain_of(office.connection, id=ahead).after == LATER
    assert drain_of(office.connection, id=key).after > timedelta(hours=2.9)
    assert carry_out(office.connection) == []
    answer = show_downtime(office.connection, id=ahead)
    with_drains(office.connection, [answer])
    assert (answer["drain"]["then"], answer["drain"]["outcome"]) == ("wait", None)
    assert answer["drain"]["deadline"] > answer["start"]


def test_two_workers(office, database):
    """Two workers at one deadline carry it out once."""
    key = office.down("HOTEL", users="out")
    drain(office, key, "end")

    def one():
        with connect(database, name="worker") as connection:
            return carry_out(connection)

    assert sorted(at_once(one, one, one)) == [[], [], ["ended 1 leases"]]
    assert audited(office).count("downtime drained") == 1


KILLED = """
import os, signal, sys
from slacktide.cutover import drain
from slacktide.cutover.bulkhead import Bulkhead
from slacktide.postgres.connection import connect
original = getattr(drain, sys.argv[2])
def dying(*arguments, **named):
    original(*arguments, **named)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(drain, sys.argv[2], dying)
with connect(sys.argv[1], name="dies") as connection:
    drain.carry_out(connection, bulkhead=Bulkhead("drain"))
"""


@pytest.mark.parametrize("moment", ["end_leases", "note_done", "record_audit"])
def test_killed(office, database, moment):
    """A worker that is killed half way has done nothing, and the next one does it once."""
    key = office.down("HOTEL", users="out")
    drain(office, key, "end")
    died = subprocess.run([sys.executable, "-c", KILLED, database, moment], check=False, timeout=60)
    assert died.returncode == -signal.SIGKILL
    until(lambda: not office.connection.execute(OTHERS).fetchone()[0], what="the end of its connection")
    assert (office.left()[0], drain_of(office.connection, id=key).outcome) == (1, None)
    assert carry_out(office.connection) == ["ended 1 leases"]
    assert audited(office).count("lease end") == 1


BROKEN = """
create function slacktide.broken() returns trigger language plpgsql as $$ begin raise 'this one is broken'; end $$;
create trigger broken before update on slacktide.lease for each row when (new.organization = 'HOTEL')
    execute function slacktide.broken();
"""


def test_one_that_cannot_be_carried_out(office, capsys):
    """A drain that fails keeps no other one from its deadline, has done nothing, and is done once it can be."""
    office.take(office.session(), office.task("OTHER"))
    first, second = (office.down(code, users="out") for code in ("HOTEL", "OTHER"))
    for key in (first, second):
        drain(office, key, "end")
    office.connection.execute(BROKEN)
    assert carry_out(office.connection) == ["ended 1 leases"]
    assert (office.left("OTHER")[0], drain_of(office.connection, id=first).outcome) == (0, None)
    assert f"downtime {first} drain: this one is broken" in capsys.readouterr().err
    office.connection.execute("drop trigger broken on slacktide.lease")
    assert carry_out(office.connection) == ["ended 1 leases"]


OTHERS = "select count(*) from pg_stat_activity where application_name = 'slacktide dies'"


def test_a_worker_does_it(office, database, server):
    """The process that every worker keeps carries it out, though no command runs."""
    key = office.down("HOTEL", users="out")
    drain(office, key, "end", timedelta(seconds=1))
    environment = os.environ | {"SLACKTIDE_DATABASE_URL": database, "SLACKTIDE_DATA": str(server.folder)}
    with subprocess.Popen(
        [sys.executable, "-m", "slacktide.worker.release"], stdin=subprocess.PIPE, env=environment
    ) as process:
        try:
            until(lambda: drain_of(office.connection, id=key).outcome == "ended 1 leases", what="the drain")
        finally:
            process.terminate()
    assert process.returncode == 0
