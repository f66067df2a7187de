from __future__ import annotations

import pytest

from slacktide.control import session
from slacktide.control.downtime import end_downtime
from slacktide.control.lease import end_lease
from slacktide.control.user import Change, change_user
from tests.control.working import WHO, Office


@pytest.fixture
def office(control):
    """Give a control database with people in it."""
    return Office(control)


def test_leases_and_sessions(office):
    """An organization waits for its live leases and for the sessions of normal users that have acted for it."""
    ada, root = office.user(), office.user("root", admin=True)
    office.session()  # has acted for nobody
    lease = office.take(ada, office.task()).lease
    second = office.take(root, office.task()).lease
    office.down("HOTEL", users="out")
    assert office.left() == (2, 1, True)
    assert office.left("OTHER") == (0, 0, True)
    for each in (lease, second):
        end_lease(office.connection, id=each.id, **WHO)
    assert office.left() == (0, 1, True)
    session.end_session(office.connection, id=ada, **WHO)
    assert office.left() == (0, 0, True)


def test_current_data_say_who_is_an_administrator(office):
    """A session counts by what its user is now, not by what it was at the log-in."""
    ada = office.user()
    session.act_for(office.connection, id=ada, organization="HOTEL")
    office.down("HOTEL", users="out")
    assert office.left() == (0, 1, True)
    change_user(office.connection, name="ada", change=Change(admin=True), **WHO)
    assert office.left() == (0, 0, True)
    change_user(office.connection, name="ada", change=Change(admin=False), **WHO)
    assert office.left() == (0, 1, True)


def test_since_it_was_last_open(office):
    """A session that acted before an earlier downtime and not since is not waited for; one that acted since is."""
    ada, grace = office.user(), office.user("grace")
    session.act_for(office.connection, id=ada, organization="HOTEL")
    first = office.down("HOTEL", users="out")
    assert office.left() == (0, 1, True)
    end_downtime(office.connection, id=first, **WHO)
    session.act_for(office.connection, id=grace, organization="HOTEL")
    office.down("HOTEL", users="out")
    assert office.left() == (0, 1, True)
    session.end_session(office.connection, id=grace, **WHO)
    assert office.left() == (0, 0, True)


def test_site(office):
    """The site waits for every live lease and every live session of a normal user."""
    ada = office.user()
    office.user("root", admin=True)
    office.take(ada, office.task("OTHER"))
    office.down()
    assert office.left(None) == (1, 1, True)
