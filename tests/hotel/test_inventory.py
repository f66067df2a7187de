"""Inventory: equal to what it derives from, shown where it is not, and made anew."""

from __future__ import annotations

import pytest

from slacktide.hotel.inventory import Change, UnknownProperty, change, check, resync

LINE = ("RESORT", "A", "2016-08-20")


def stored(connection):
    return connection.execute(
        "select sold, held, out_of_order, available from hotel.inventory "
        "where (property_code, room_type, stay_date) = (%s, %s, %s)",
        LINE,
    ).fetchone()


def test_loaded(hotel):
    """After a load nothing differs, in either property."""
    assert check(address=hotel, property_code="CITY") == []
    assert check(address=hotel, property_code="RESORT") == []


def test_unknown_property(hotel):
    """An unknown property is refused."""
    with pytest.raises(UnknownProperty, match="MOTEL"):
        check(address=hotel, property_code="MOTEL")


def test_difference_is_shown_and_mended(hotel, connection):
    """A wrong line and a lost line are each shown with both sides, and `resync` mends them."""
    connection.execute("update hotel.inventory set sold = sold + 5, available = available - 5 where room_type = 'A' "
                       "and property_code = 'RESORT' and stay_date = '2016-08-20'")  # fmt: skip
    connection.execute("delete from hotel.inventory where room_type = 'A' and property_code = 'RESORT' "
                       "and stay_date = '2016-08-16'")  # fmt: skip
    lost, wrong = check(address=hotel, property_code="RESORT")
    assert (lost.stored, wrong.stored.sold - wrong.derived.sold) == (None, 5)
    resync(connection, property_code="RESORT")
    assert check(address=hotel, property_code="RESORT") == []


def test_status_counts(hotel, connection):
    """Only nights of reservations that hold a room are sold: a cancellation without a change is a difference."""
    count = connection.execute(
        "select count(*) from hotel.reservation_night n join hotel.reservation r using (reservation_id) "
        "where r.property_code = 'RESORT' and status = 'reserved' and sharer_of_id is null "
        "and stay_date = '2016-08-20' and n.room_type = 'A'"
    ).fetchone()[0]
    connection.execute("update hotel.reservation set status = 'cancelled' where status = 'reserved'")
    differences = {
        d.derived.stay_date.isoformat() + d.derived.room_type: d for d in check(address=hotel, property_code="RESORT")
    }
    found = differences["2016-08-20A"]
    assert found.stored.sold - found.derived.sold == count > 0


def test_change(connection):
    """A change adds to the line and keeps it in balance; days that are over are left alone."""
    sold, held, broken, available = stored(connection)
    item = Change("A", "2016-08-20", sold=2, held=-1, out_of_order=1)
    change(connection, property_code="RESORT", changes=[item, Change("A", "2016-08-14", sold=1)])
    assert stored(connection) == (sold + 2, held - 1, broken + 1, available - 2)
    lines = connection.execute("select count(*) from hotel.inventory where stay_date < '2016-08-15'").fetchone()
    assert lines == (0,)


def test_change_of_a_day_that_is_not_kept_yet(hotel, connection):
    """A change far ahead makes the line, with the type's rooms."""
    (profile,) = connection.execute("select profile_id from hotel.profile limit 1").fetchone()
    assert profile
    change(connection, property_code="RESORT", changes=[Change("A", "2019-01-01", sold=1)])
    physical, available = connection.execute(
        "select physical, available from hotel.inventory where stay_date = '2019-01-01'"
    ).fetchone()
    rooms = connection.execute(
        "select count(*) from hotel.room where property_code = 'RESORT' and room_type = 'A'"
    ).fetchone()
    assert (physical,) == rooms
    assert available == physical - 1
    assert [d.stored.sold for d in check(address=hotel, property_code="RESORT")] == [1]
