"""What the guard notes of writes after a move: the first one at the target, and those that the source has refused."""

from __future__ import annotations

import psycopg
import pytest

from slacktide.guard import closing
from slacktide.guard.written import first_write, refused

WRITE = "update hotel.folio set note = 'x' where folio_id = 1"
OF_CITY = "update hotel.folio set note = 'x' where folio_id = 101"
READ = "select 1 from hotel.folio"


@pytest.fixture
def opened(guarded):
    """Give the operator's connection to a hotel that was opened as a target."""
    closing.prepare_target(guarded, organization="RESORT")
    closing.open_target(guarded, organization="RESORT")
    return guarded


def at(connection):
    return first_write(connection, organization="RESORT")


def test_the_first_write(opened, session):
    """The first write that commits is noted, with login and table; reading and others' rows are not."""
    clerk = session()
    clerk.execute(READ)
    clerk.execute(OF_CITY)
    assert at(opened) is None
    clerk.execute(WRITE)
    found = at(opened)
    assert found.relation == "hotel.folio"
    clerk.execute("update hotel.event set event_id = event_id where property_code = 'RESORT'")
    assert at(opened) == found


def test_rolled_back(opened, session):
    """A first write that is rolled back was none."""
    clerk = session()
    with clerk.transaction(force_rollback=True):
        clerk.execute(WRITE)
    assert at(opened) is None


def test_two_at_once(opened, session):
    """Two that write first at once do not wait for each other, and the earlier one counts."""
    one, other = session(), session()
    other.execute("set lock_timeout = '1s'")
    with one.transaction():
        one.execute(WRITE)
        other.execute("update hotel.folio set note = 'y' where folio_id = 2")
    assert at(opened) is not None
    assert opened.execute("select count(*) from slacktide.guard_first_write").fetchone() == (2,)


def test_opened_again(opened, session):
    """After a way there and back the first write is awaited anew."""
    session().execute(WRITE)
    assert at(opened) is not None
    closing.begin_closing(opened, organization="RESORT")
    assert closing.try_quiet(opened, organization="RESORT")
    closing.make_reference_only(opened, organization="RESORT", lives_at="elsewhere")
    closing.prepare_target(opened, organization="RESORT")
    closing.open_target(opened, organization="RESORT")
    assert at(opened) is None
    session().execute(WRITE)
    assert at(opened) is not None


def test_refused_writes_are_counted(guarded, session):
    """Each write that is refused because it lives elsewhere counts, though it is undone; a closing's do not."""
    clerk = session()
    closing.begin_closing(guarded, organization="RESORT")
    assert closing.try_quiet(guarded, organization="RESORT")
    with pytest.raises(psycopg.Error, match="closed to writes"):
        clerk.execute(WRITE)
    closing.make_reference_only(guarded, organization="RESORT", lives_at="elsewhere")
    for expected in (1, 2, 3):
        with pytest.raises(psycopg.Error, match="reference only"):
            clerk.execute(WRITE)
        assert refused(guarded, organization="RESORT") == expected
    clerk.execute(OF_CITY)
    assert refused(guarded, organization="CITY") == 0
    closing.release(guarded, organization="RESORT")
    assert refused(guarded, organization="RESORT") == 0
