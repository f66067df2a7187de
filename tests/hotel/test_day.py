"""The hotel's day: cashiers, no shows, room charges, and the next business date."""

from __future__ import annotations

import threading
from datetime import date

import pytest

from slacktide.hotel import inventory
from slacktide.hotel.day import CashiersClosed, EndOfDayUnderWay, cashiers_close, end_of_day
from slacktide.postgres.connection import connect


def test_cashiers_close(hotel, connection):
    """Closing closes every cashier and settles every card batch of that property, once."""
    assert cashiers_close(address=hotel, property_code="CITY") == CashiersClosed(cashiers=2, card_batches=1)
    assert cashiers_close(address=hotel, property_code="CITY") == CashiersClosed(cashiers=0, card_batches=0)
    left = connection.execute("select count(*) from hotel.cashier where open_since is not null").fetchone()
    assert left == (2,)


def test_end_of_day(hotel, connection):
    """The date rolls; who did not come is a no show; tonight's rates are posted once; inventory still holds."""
    expected = connection.execute(
        "select count(*) from hotel.reservation where property_code = 'RESORT' and status = 'reserved' "
        "and arrival <= '2016-08-15'"
    ).fetchone()[0]
    rates = connection.execute(
        "select count(*), sum(n.rate_amount) from hotel.reservation r join hotel.reservation_night n "
        "using (reservation_id) where r.property_code = 'RESORT' and status = 'in house' and stay_date = '2016-08-15'"
    ).fetchone()
    report = end_of_day(address=hotel, property_code="RESORT")
    assert (report.business_date, report.no_shows) == (date(2016, 8, 16), expected)
    posted = connection.execute(
        "select count(*), sum(amount) from hotel.posting where description = 'End of Day'"
    ).fetchone()
    assert posted == rates
    assert rates[0] == report.room_charges > 0
    properties = "select code, business_date, end_of_day_running from hotel.property order by 1"
    assert connection.execute(properties).fetchall() == [
        ("CITY", date(2016, 8, 15), False),
        ("RESORT", date(2016, 8, 16), False),
    ]
    assert inventory.check(address=hotel, property_code="RESORT") == []


def test_a_week(hotel):
    """A week of days runs, and inventory holds after each."""
    for number in range(7):
        report = end_of_day(address=hotel, property_code="CITY")
        assert report.business_date == date(2016, 8, 16 + number)
        assert inventory.check(address=hotel, property_code="CITY") == []


def test_after_a_killed_one(hotel, connection):
    """The flag of a killed End of Day does not keep the next from doing the whole."""
    connection.execute("update hotel.property set end_of_day_running = true where code = 'CITY'")
    assert end_of_day(address=hotel, property_code="CITY").business_date == date(2016, 8, 16)


def test_two_at_once(hotel):
    """Of two at the same time one is refused, and the date rolls once."""
    with connect(hotel, name="test", autocommit=False) as first:
        first.execute("select from hotel.property where code = 'CITY' for no key update")
        with pytest.raises(EndOfDayUnderWay, match="CITY"):
            end_of_day(address=hotel, property_code="CITY")


def test_bookings_go_on(hotel, connection):
    """A booking that is being made does not hold End of Day up."""
    with connection.transaction():
        connection.execute(
            "insert into hotel.telephone_entry (property_code, category, name, number) values ('CITY', '', '', '')"
        )
        thread = threading.Thread(target=end_of_day, kwargs={"address": hotel, "property_code": "CITY"})
        thread.start()
        thread.join(timeout=60)
        assert not thread.is_alive()
