"""Reading the published file: taken whole, and what is no booking refused with its row."""

from __future__ import annotations

import io
import zipfile
from datetime import date

import pytest

from slacktide.hotel.booking import BadBooking, BookingsUnreadable, read

TODAY = date(2016, 8, 15).toordinal()


def test_row(bookings, row):
    """A row is taken as it stands: what is absent stays unknown, what is odd stays and is named."""
    (booking,) = read(bookings(row))
    assert (booking.hotel, booking.nights, booking.children, booking.country) == ("CITY", 5, None, None)
    assert (booking.agent, booking.company, booking.rate_cents) == (None, "40", -638)
    assert booking.odd() == ["negative_rate", "unknown_children", "no_country"]
    assert date.fromordinal(booking.departure) == date(2016, 8, 15)


def test_duplicates_are_separate_bookings(bookings, row):
    """A row that was there before is a booking of its own, and is named."""
    found = list(read(bookings(row, row, row)))
    assert [booking.duplicate for booking in found] == [False, True, True]
    assert [booking.row for booking in found] == [1, 2, 3]


def test_zip_of_a_mac(tmp_path, bookings, row):
    """In a zip the bookings are found beside what a Mac adds."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("bookings.csv", bookings(row).read_text(encoding="utf-8"))
        archive.writestr("__MACOSX/._bookings.csv", b"\x00\x05\x16\x07")
    path = tmp_path / "b.zip"
    path.write_bytes(content.getvalue())
    assert len(list(read(path))) == 1


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "in house"),  # leaves today
        ({"2016-08-15": "2016-08-14"}, "checked out"),
        ({"August,33,10": "August,33,15"}, "reserved"),
        ({",0,7,": ",1,7,", "Check-Out,2016-08-15": "Canceled,2016-08-01"}, "cancelled"),
        (
            {",0,7,": ",1,7,", "August,33,10": "August,33,30", "Check-Out,2016-08-15": "Canceled,2016-08-20"},
            "reserved",
        ),
        ({",0,7,": ",1,7,", "Check-Out,2016-08-15": "No-Show,2016-08-10"}, "no show"),
    ],
)
def test_status_on_the_business_date(bookings, row, changes, status):
    """What became of a booking after the business date has not happened yet."""
    for old, new in changes.items():
        row = row.replace(old, new, 1)
    (booking,) = read(bookings(row))
    assert booking.status_on(TODAY) == status


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("City Hotel", "Motel"),
        ("2016,August", "2016,Brumaire"),
        ("33,10", "33,32"),
        ("-6.38", "much"),
        ("Check-Out", "Vanished"),
        (",0,7,", ",1,7,"),
        ("BB,", ""),
    ],
)
def test_bad_row(bookings, row, old, new):
    """A row that is no booking is refused with its number."""
    with pytest.raises(BadBooking, match="Row 2 of"):
        list(read(bookings(row, row.replace(old, new, 1))))


def test_other_columns(bookings, row):
    """A file with other columns is refused and names what is missing."""
    with pytest.raises(BookingsUnreadable, match="adr"):
        list(read(bookings(row, header="hotel,is_canceled")))


@pytest.mark.parametrize("content", [None, b"PK no zip", b""])
def test_no_zip(tmp_path, content):
    """What is no zip, or is not there, is refused."""
    path = tmp_path / "b.zip"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BookingsUnreadable, match="cannot be read"):
        list(read(path))


def test_not_text(tmp_path):
    """A file in another encoding is refused."""
    path = tmp_path / "b.csv"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(BookingsUnreadable, match="cannot be read"):
        list(read(path))
