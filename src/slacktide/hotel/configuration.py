"""Writes a property's configuration: rooms and codes as the bookings have them, staff that is made.

Both hotels get all codes of both, as hotels of one chain have, so that an object can go from one to the
other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from slacktide.hotel import person
from slacktide.hotel.desk import SPACES
from slacktide.hotel.spool import money, text
from slacktide.hotel.stay import day

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from slacktide.hotel.booking import Booking
    from slacktide.hotel.dice import Dice
    from slacktide.hotel.spool import Spool
    from slacktide.hotel.stay import Hotel

_PROPERTIES = {
    "CITY": ("City Hotel", "Europe/Lisbon"),
    "RESORT": ("Resort Hotel", "Europe/Lisbon"),
}
_MEALS = {
    "BB": "Bed and breakfast",
    "HB": "Half board",
    "FB": "Full board",
    "SC": "No meal",
    "Undefined": "Not defined",
}
_ROLES = (
    "front desk",
    "front desk",
    "front desk",
    "reservations",
    "cashier",
    "accounts",
    "sales",
    "administrator",
)
_CASHIERS = 6
_OPEN_CASHIERS = 2
_BATCH_DAYS = 30
_FIRST_BATCH = 501


class Codes:
    """The codes that the bookings use."""

    def __init__(self, bookings: Iterable[Booking]) -> None:
        """Collect them."""
        self.rates: set[str] = set()
        self.markets: set[str] = set()
        self.sources: set[str] = set()
        self.meals: set[str] = set()
        self.room_types: set[str] = set()
        for booking in bookings:
            self.rates.add(booking.customer)
            self.markets.add(booking.market)
            self.sources.add(booking.channel)
            self.meals.add(booking.meal)
            self.room_types.update((booking.reserved_type, booking.assigned_type))


def write_property(spool: Spool, hotel: Hotel, codes: Codes) -> None:
    """Write the property, its rooms and its codes."""
    name, zone = _PROPERTIES.get(hotel.code, (f"Hotel {hotel.code}", "Europe/Lisbon"))
    spool.add("property", hotel.code, name, zone, "EUR", day(hotel.business_day))
    for room_type in sorted(codes.room_types):
        spool.add("room_type", hotel.code, room_type, f"Type {room_type}", 2)
    for room in hotel.occupancy.rooms(copies=hotel.copies):
        spool.add("room", hotel.code, room.room_no, room.room_type, room.floor)
    for table, values in (
        ("rate_code", codes.rates),
        ("market_code", codes.markets),
        ("source_code", codes.sources),
    ):
        for code in sorted(values):
            spool.add(table, hotel.code, code, code)
    for code in sorted(codes.meals):
        spool.add("meal_code", hotel.code, code, _MEALS.get(code, code))
    for code, (space, seats) in SPACES.items():
        spool.add("function_space", hotel.code, code, space, seats)


def write_staff(spool: Spool, hotel: Hotel, dice: Dice) -> None:
    """Write cashiers, of whom some are at work, users, and card batches, of which today's is not settled."""
    today = hotel.business_day
    for number in range(1, _CASHIERS + 1):
        since = f"{day(today)} 06:00:00+00" if number <= _OPEN_CASHIERS else None
        spool.add("cashier", hotel.code, number, text(person.last_name(dice)), since)
    for number, role in enumerate(_ROLES):
        account = f"{hotel.code.lower()}.user{number}"
        name = text(f"{person.first_name(dice)} {person.last_name(dice)}")
        spool.add("app_user", hotel.code, f"user{number}", name, account, role, number % _CASHIERS + 1)
    for back in range(_BATCH_DAYS):
        on = day(today - back)
        amount = money(50_000 + dice.below(900_000))
        settled = f"{on} 23:50:00+00" if back else None
        spool.add("card_batch", hotel.code, _FIRST_BATCH + _BATCH_DAYS - back, on, "EUR", amount, settled)


def write_number_ranges(spool: Spool, hotel: Hotel, last_numbers: Mapping[str, int]) -> None:
    """Write the last number of each range."""
    for name, number in {**last_numbers, "card_batch": _FIRST_BATCH + _BATCH_DAYS}.items():
        spool.add("number_range", hotel.code, name, number)
