"""What has ended stays so, whatever the limits are later."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest

from slacktide.control.lease import UnknownLease, list_leases, record_ends, touch_lease
from slacktide.control.schedule import known_of
from slacktide.control.setting import control_now
from slacktide.control.setting_change import Times, Whose, add_setting, change_setting, settings_answer
from slacktide.core.duration import format_instant
from slacktide.postgres.connection import connect
from slacktide.worker.upkeep import tidy
from tests.control.working import WHO, Office


@pytest.fixture
def office(control):
    """Give a control database with people in it."""
    return Office(control)


def leases(office):
    return list_leases(office.connection, known=known_of(office.connection), now=control_now(office.connection))


def ended(office):
    return office.connection.execute(
        "select id::text, ended_because from slacktide.lease where ended_at is not null"
    ).fetchall()


@pytest.fixture
def silent(office):
    """Give a session and a task of HOTEL whose lease ended an hour ago, and nobody has recorded that."""
    ada, task = office.user(), office.task()
    office.take(ada, task)
    office.age("update slacktide.lease set opened_at = opened_at - interval '2 hours', "
               "last_sign_at = last_sign_at - interval '2 hours'")  # fmt: skip
    assert ended(office) == []
    return ada, task


@pytest.mark.parametrize("way", ["add", "change"])
def test_a_limit_that_changes_revives_nothing(office, silent, way):
    """A lease that has ended by the limit of then does not live again by the one of now."""
    if way == "change":
        office.set("task_lease_idle_limit", "PT90M")
        office.age("update slacktide.lease set ended_at = null, ended_because = null")
        key = settings_answer(office.connection, parameter="task_lease_idle_limit")[0]["id"]
        change_setting(office.connection, id=key, value="PT8H", **WHO)
    else:
        office.set("task_lease_idle_limit", "PT8H")
    assert leases(office) == []
    assert [because for _, because in ended(office)] == ["idle"]
    with pytest.raises(UnknownLease):
        touch_lease(office.connection, session=silent[0], task=silent[1])


@pytest.mark.parametrize("way", ["the downtime is switched off", "users may come in"])
def test_a_downtime_that_bars_nobody_any_more_revives_nothing(office, way):
    """A lease that a downtime's limit has ended stays so when the downtime is switched off, or lets users in."""
    ada, task = office.user(), office.task()
    office.take(ada, task)
    past = format_instant(control_now(office.connection) - timedelta(hours=9))
    facts = {"parameter": "disable_user_access", "value": "Y", "whose": Whose(organization="HOTEL")}
    add_setting(office.connection, **facts, times=Times(start=past), **WHO)
    key = office.down("HOTEL", start=past, duration="P1D")
    office.age("update slacktide.lease set opened_at = opened_at - interval '10 hours'")
    assert leases(office) == ended(office) == []
    if way == "users may come in":
        key = settings_answer(office.connection, parameter="disable_user_access")[0]["id"]
    change_setting(office.connection, id=key, value="N", **WHO)
    assert leases(office) == []
    assert [because for _, because in ended(office)] == ["downtime"]


def test_what_was_measured_quiet_stays_so(office, silent):
    """Whoever measures quiet records which leases have ended, so that none of them lives again."""
    office.down("HOTEL", users="out")
    assert office.left()[0] == 0
    assert [because for _, because in ended(office)] == ["idle"]


def test_ends_are_recorded_each_minute(office, silent, database):
    """A worker records which leases are over, long before they are kept no longer."""
    told = threading.Event()
    with connect(database, name="tidy") as other:
        worker = threading.Thread(target=tidy, args=[other, told])
        worker.start()
        while not ended(office):
            time.sleep(0.01)
        told.set()
        worker.join()
    assert [because for _, because in ended(office)] == ["idle"]


def test_a_sign_of_life_while_ends_are_recorded(office, silent, database):
    """A lease whose user gives a sign of life at this moment is left to that: it is judged there."""
    with connect(database, name="user") as other, other.transaction():
        other.execute("select from slacktide.lease for update")
        assert record_ends(office.connection) == 0
    assert record_ends(office.connection) == 1
