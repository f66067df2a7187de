"""Rooms: as many as the busiest night needed, none given twice."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from slacktide.hotel.occupancy import Occupancy, occupancy
from slacktide.hotel.sample import sample

TODAY = 736_000


def test_sample_has_no_room_twice():
    """In a sample every guest who is or was there has a room, and no room has two in a night."""
    bookings = [b for b in sample(bookings_per_property=800, business_day=TODAY, seed=3) if b.hotel == "CITY"]
    found = occupancy(bookings, day=TODAY)
    nights = Counter(
        (booking.assigned_type, found.given[booking.row], night)
        for booking in bookings
        if booking.row in found.given
        for night in range(booking.arrival, booking.departure)
    )
    assert max(nights.values()) == 1
    there = [b for b in bookings if b.nights and b.status_on(TODAY) in {"in house", "checked out"}]
    assert len(there) == len(found.given) > 100


@given(st.dictionaries(st.sampled_from("ABCDEFG"), st.integers(1, 90)), st.integers(1, 4))
def test_room_numbers_are_unique(needed, copies):
    """Every room has a number of its own, in every copy, and types start where `first_rooms` says."""
    hotel = Occupancy(needed=needed, given={})
    rooms = list(hotel.rooms(copies=copies))
    assert len({room.room_no for room in rooms}) == len(rooms) == copies * hotel.first_rooms()[""]
    for room_type in needed:
        assert rooms[hotel.first_rooms()[room_type]].room_type == room_type
