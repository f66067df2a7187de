"""Writes what the front desk and the sales office keep.

Blocks, events, messages, traces, telephone book, rooms out of order: but for the blocks' rooms, which are the
bookings' own, all of it is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from slacktide.hotel import person
from slacktide.hotel.spool import money, text
from slacktide.hotel.stay import day

if TYPE_CHECKING:
    from collections.abc import Iterable

    from slacktide.hotel.dice import Dice
    from slacktide.hotel.spool import Spool
    from slacktide.hotel.stay import Group, Hotel, Profiles, Stay

SPACES = {
    "BALL": ("Ballroom", 300),
    "ATLAN": ("Atlantic", 80),
    "TEJO": ("Tejo", 40),
    "BOARD": ("Boardroom", 12),
}
_CATEGORIES = ("Taxi", "Doctor", "Restaurant", "Airline", "Embassy", "Pharmacy", "Theatre", "Car hire")
_EVENTS = (
    "Breakfast meeting",
    "Gala dinner",
    "Wedding",
    "Board meeting",
    "Training",
    "Product launch",
    "Reception",
)
_ITEMS = ("Projector", "Flip chart", "Coffee break", "Lunch buffet", "Microphone", "Flowers", "Red wine")
_SETUPS = ("theatre", "classroom", "banquet", "u-shape")
_STATUSES = ("definite", "definite", "definite", "tentative", "inquiry", "cancelled")
_REASONS = ("Water damage", "Renovation", "Broken lock", "Air conditioning", "Painting")
_DEPARTMENTS = ("FRONT", "HSK", "CONCIERGE", "FB", "ACCOUNTS")
_ENTRIES, _LONE_EVENTS = 150, 60
_SOON_DAYS, _LATELY_DAYS = 30, 7


class Desk:
    """Writes one hotel's papers."""

    def __init__(self, *, spool: Spool, hotel: Hotel, profiles: Profiles) -> None:
        """Take where the rows go and whose they are."""
        self._spool, self._hotel, self._profiles = spool, hotel, profiles
        self._today = hotel.business_day

    # -- of one stay --------------------------------------------------------------------------------

    def write(self, stay: Stay) -> None:
        """Write messages and traces of a stay that is on, near or just over."""
        dice, b = stay.dice, stay.booking
        ahead = b.arrival - self._today
        if stay.status == "in house":
            if dice.one_in(4):
                self._message(stay, delivered=dice.one_in(2))
            if dice.one_in(3):
                self._trace(stay, due=self._today, resolved=dice.one_in(2))
        elif stay.status == "reserved" and ahead <= _SOON_DAYS:
            if ahead == 0 and dice.one_in(4):
                self._message(stay, delivered=False)
            if dice.one_in(12):
                self._trace(stay, due=b.arrival, resolved=False)
        elif stay.status == "checked out" and self._today - b.status_day <= _LATELY_DAYS and dice.one_in(6):
            self._message(stay, delivered=True)

    def _message(self, stay: Stay, *, delivered: bool) -> None:
        dice = stay.dice
        on = day(min(stay.booking.status_day, self._today) - 1)
        minute = dice.below(60)
        sender, body = text(person.last_name(dice)), text(person.message(dice))
        received, read = f"{on} 09:{minute:02}:00+00", f"{on} 18:{minute:02}:30+00" if delivered else None
        self._spool.add("guest_message", self._hotel.code, stay.reservation_id, sender, body, received, read)

    def _trace(self, stay: Stay, *, due: int, resolved: bool) -> None:
        dice = stay.dice
        self._spool.add(
            "trace", self._hotel.code, stay.reservation_id, dice.choice(_DEPARTMENTS), day(due),
            text(person.task(dice)), f"{day(due)} 07:15:00.123456+00" if resolved else None,
        )  # fmt: skip

    # -- of the hotel -------------------------------------------------------------------------------

    def blocks(self, groups: Iterable[Group], dice: Dice) -> None:
        """Write blocks with the rooms that their reservations picked up, and some more that are held."""
        for group in groups:
            b, code = group.first, self._hotel.code
            profile_id = self._profiles.firm("company", b.company, seed=self._hotel.seed)
            profile_id = profile_id or self._profiles.firm("agent", b.agent, seed=self._hotel.seed)
            name, status = text(person.last_name(dice)), "tentative" if dice.one_in(6) else "definite"
            self._spool.add(
                "block", group.block_id, code, f"{day(b.arrival)}-{group.block_id}", name, status, profile_id,
                b.market, day(b.arrival), day(b.departure), day(max(self._today, b.arrival - 21)),
            )  # fmt: skip
            more = dice.below(4)
            for (night, room_type), rooms in sorted(group.picked_up.items()):
                self._spool.add("block_room", group.block_id, day(night), room_type, code, rooms + more, rooms)
            if dice.one_in(2):
                self._event(dice, on=b.arrival, block_id=group.block_id, profile_id=profile_id)

    def papers(self, dice: Dice) -> None:
        """Write the telephone book, events without a block, and rooms out of order."""
        for _ in range(_ENTRIES):
            name = text(f"{person.last_name(dice)} {dice.choice(_CATEGORIES)}")
            note = text(person.note(dice)) if dice.one_in(10) else None
            category = dice.choice(_CATEGORIES)
            number = person.telephone(dice)
            self._spool.add("telephone_entry", self._hotel.code, category, name, number, note)
        for _ in range(_LONE_EVENTS):
            self._event(dice, on=self._today - 10 + dice.below(90))
        self._out_of_order(dice)

    def _event(self, dice: Dice, *, on: int, block_id: int | None = None, profile_id: int | None = None) -> None:
        key = self._spool.draw("event")
        hour = 8 + dice.below(11)
        space = dice.choice(tuple(SPACES))
        name, status = dice.choice(_EVENTS), dice.choice(_STATUSES)
        start, end = f"{day(on)} {hour:02}:30:00+00", f"{day(on)} {hour + 3:02}:00:00+00"
        attendees = dice.below(SPACES[space][1]) + 1
        note = text(person.note(dice)) if dice.one_in(8) else None
        self._spool.add("event", key, self._hotel.code, block_id, profile_id, name, status, start, end, attendees, note)
        self._spool.add("event_space", key, space, self._hotel.code, dice.choice(_SETUPS))
        for _ in range(dice.below(4)):
            price = money(500 + dice.below(20_000))
            self._spool.add("event_resource", key, dice.choice(_ITEMS), dice.below(40) + 1, "EUR", price)

    def _out_of_order(self, dice: Dice) -> None:
        """Put the spare rooms out of order, before, on and after the business date."""
        for room in self._hotel.occupancy.rooms(copies=self._hotel.copies):
            for start in (-30, -2, 20) if room.spare else ():
                first = self._today + start
                reason = dice.choice(_REASONS)
                last = first + 3 + dice.below(8)
                self._spool.add("out_of_order", self._hotel.code, room.room_no, day(first), day(last), reason)
