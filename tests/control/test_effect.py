from __future__ import annotations

import pytest

from slacktide.control.downtime import end_downtime, list_downtimes, show_downtime
from slacktide.control.user import Change, change_user
from tests.control.working import WHO, Office


@pytest.fixture
def office(control):
    """Give a control database with people in it."""
    return Office(control)


def effect(office, key):
    return tuple(show_downtime(office.connection, id=key)["effect"].values())


def test_effect(office):
    """A downtime counts the normal users, live leases and open tasks of its scope; one that is over none."""
    ada = office.user()
    office.user("root", admin=True)
    office.user("grace")
    change_user(office.connection, name="grace", change=Change(disabled=True), **WHO)
    office.user("eve")
    change_user(office.connection, name="eve", change=Change(organizations={"HOTEL": None}), **WHO)
    task, _, other = office.task(), office.task(), office.task("OTHER")
    office.take(ada, task)
    office.take(ada, other)
    own, elsewhere, site = office.down("HOTEL"), office.down("OTHER", start="now+P1D"), office.down()
    assert effect(office, own) == (1, 1, 2, 0)
    assert effect(office, elsewhere) == (0, 1, 1, 0)
    assert effect(office, site) == (2, 2, 3, 0)
    end_downtime(office.connection, id=own, **WHO)
    assert effect(office, own) == (0, 0, 0, 0)
    assert [one["effect"]["leases"] for one in list_downtimes(office.connection)] == [0, 2, 1]
