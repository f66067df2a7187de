"""Writes profiles and reservations with their nights: what the bookings say, and names that are made.

As of the business date a stay is past, in house, ahead, or came to nothing. A guest who has a room sleeps
in a room of the type that was assigned in the end; who is still to come is booked in the type that was
reserved.
"""

from __future__ import annotations

from collections import Counter
from datetime import date
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from slacktide.hotel import person
from slacktide.hotel.dice import Dice
from slacktide.hotel.occupancy import Occupancy, room_number
from slacktide.hotel.spool import money, text

if TYPE_CHECKING:
    from slacktide.hotel.booking import Booking
    from slacktide.hotel.spool import Spool

_REPEATERS = 1200  # guests who have been there before are so many people, in both hotels
_FOREIGN = {"GBR": "GBP", "USA": "USD"}  # one in five of these countries keeps an own currency
_GUARANTEES = {"No Deposit": "none", "Refundable": "refundable", "Non Refund": "non refundable"}
_FIRST_CONFIRMATION = 100_001
_FIRST_MEMBERSHIP = 7_000_000
_BLOCK_ROOMS = 5  # so many bookings of one group on the same days make a block


@cache
def day(ordinal: int) -> str:
    """Write a day."""
    return date.fromordinal(ordinal).isoformat()


class Hotel(msgspec.Struct):
    """One hotel that is being loaded: its bookings in the order of the file, and its rooms."""

    code: str
    business_day: int
    bookings: list[Booking]
    occupancy: Occupancy
    copies: int
    seed: int


class Stay(msgspec.Struct):
    """One reservation as it was written, for those who write what belongs to it."""

    booking: Booking
    reservation_id: int
    status: str
    profile_id: int
    payer_id: int | None  # the company or tour operator that pays for the room, by window 2
    currency: str
    dice: Dice


class Group(msgspec.Struct):
    """One block, and what was picked up of it so far: rooms by day and room type."""

    block_id: int
    first: Booking
    size: int
    master_id: int | None = None
    picked_up: Counter[tuple[int, str]] = msgspec.field(default_factory=Counter)


class Profiles:
    """Writes each profile once; both hotels share them."""

    def __init__(self, spool: Spool) -> None:
        """Take where the rows go."""
        self._spool = spool
        self._firms: dict[tuple[str, str], int] = {}
        self._repeaters: dict[tuple[int, int], int] = {}

    def guest(self, booking: Booking, *, copy: int, dice: Dice) -> int:
        """Give the guest's profile: one of a repeater, or a new one."""
        if not booking.repeated:
            return self._guest(booking, dice, member=dice.one_in(20))
        who = (copy, dice.below(_REPEATERS))
        if who not in self._repeaters:
            self._repeaters[who] = self._guest(booking, dice, member=True)
        return self._repeaters[who]

    def former(self, booking: Booking, *, dice: Dice) -> int:
        """Give a new profile, of somebody like a booking's guest who has no booking any more."""
        return self._guest(booking, dice, member=False)

    def firm(self, kind: str, number: str | None, *, seed: int) -> int | None:
        """Give the profile of a company or an agent by its number in the bookings."""
        if number is None:
            return None
        if (kind, number) not in self._firms:
            key = self._firms[kind, number] = self._spool.draw("profile")
            dice = Dice(seed, int(number), len(kind))
            name = person.firm(dice, number=number)
            self._spool.add("profile", key, kind, text(name), None, None, number, None, None, "f", None)
            self._spool.add("profile_communication", key, "telephone", person.telephone(dice))
        return self._firms[kind, number]

    def _guest(self, booking: Booking, dice: Dice, *, member: bool) -> int:
        key = self._spool.draw("profile")
        born = day(date(1996, 1, 1).toordinal() - dice.below(18_000)) if dice.one_in(3) else None
        note = text(person.note(dice)) if dice.one_in(60) else None
        last_name, first_name = text(person.last_name(dice)), person.first_name(dice)
        membership_no = _FIRST_MEMBERSHIP + key if member else None
        self._spool.add(
            "profile", key, "guest", last_name, first_name, membership_no, None, booking.country, born,
            "t" if dice.one_in(40) else "f", note,
        )  # fmt: skip
        if dice.one_in(2):
            self._spool.add("profile_communication", key, "email", person.email(dice, number=key))
        if dice.one_in(3):
            self._spool.add("profile_communication", key, "address", text(person.address(dice)))
        return key


class Reservations:
    """Writes one copy of one hotel's reservations."""

    def __init__(
        self, *, spool: Spool, hotel: Hotel, copy: int, profiles: Profiles, groups: dict[object, Group]
    ) -> None:
        """Take the hotel, the number of the copy from 0, and the blocks by their key."""
        self._spool, self._hotel, self._copy, self._profiles = spool, hotel, copy, profiles
        self._groups = groups
        self._first_rooms = hotel.occupancy.first_rooms()
        self._confirmation = _FIRST_CONFIRMATION + copy * len(hotel.bookings)
        self._before: Stay | None = None

    def write(self, booking: Booking) -> Stay:
        """Write a booking's profile, reservation, nights and routing."""
        hotel = self._hotel
        dice = Dice(hotel.seed, self._copy, booking.row, len(hotel.code))
        status = booking.status_on(hotel.business_day)
        foreign = _FOREIGN.get(booking.country or "")
        stay = Stay(
            booking=booking,
            reservation_id=self._spool.draw("reservation"),
            status=status,
            profile_id=self._profiles.guest(booking, copy=self._copy, dice=dice),
            payer_id=self._payer(booking, dice),
            currency=foreign if foreign and dice.one_in(5) else "EUR",
            dice=dice,
        )
        group = self._groups.get(block_key(booking)) if status == "reserved" else None
        sharer_of = self._sharer_of(stay) if group is None else None
        room_no = self._room_no(booking) if status in {"in house", "checked out"} else None
        self._reservation(stay, group, sharer_of, room_no)
        self._nights(stay, group, room_no)
        self._before = None if sharer_of else stay
        return stay

    def _reservation(self, stay: Stay, group: Group | None, sharer_of: int | None, room_no: str | None) -> None:
        b, dice, hotel = stay.booking, stay.dice, self._hotel
        if group is not None and group.master_id is None:
            group.master_id = stay.reservation_id
        booked = b.arrival - b.lead_days
        odd = [*b.odd(), "booked_later"] if booked > hotel.business_day else b.odd()
        self._spool.add(
            "reservation", stay.reservation_id, hotel.code, self._confirmation, stay.status,
            stay.profile_id, self._profiles.firm("agent", b.agent, seed=hotel.seed),
            self._profiles.firm("company", b.company, seed=hotel.seed), group.block_id if group else None,
            sharer_of, day(b.arrival), day(b.departure), b.reserved_type, room_no, b.customer, b.market,
            b.channel, b.meal, b.country, b.adults, b.children, b.babies, money(b.rate_cents),
            stay.currency, _GUARANTEES[b.deposit], day(booked), "t" if b.repeated else "f",
            b.previous_cancellations, b.previous_stays, b.changes, b.waiting_days, b.parking_spaces,
            b.special_requests, text(person.note(dice)) if dice.one_in(50) else None, b.row, b.status,
            day(b.status_day), b.assigned_type, b.weekend_nights, " ".join(odd) or None,
        )  # fmt: skip
        self._confirmation += 1
        if stay.payer_id and stay.status in {"reserved", "in house", "checked out"}:
            self._spool.add("routing_instruction", stay.reservation_id, 1, 2, "1000", stay.payer_id)

    def _nights(self, stay: Stay, group: Group | None, room_no: str | None) -> None:
        b = stay.booking
        sold = b.assigned_type if stay.status in {"in house", "checked out"} else b.reserved_type
        rate = money(b.rate_cents)
        for night in range(b.arrival, b.departure):
            self._spool.add("reservation_night", stay.reservation_id, day(night), self._hotel.code, sold, room_no, rate)
            if group is not None:
                group.picked_up[night, sold] += 1

    def _payer(self, booking: Booking, dice: Dice) -> int | None:
        """Let a company pay for its guests, and every other tour operator for his."""
        if booking.company is None and booking.market == "Offline TA/TO" and dice.one_in(2):
            return self._profiles.firm("agent", booking.agent, seed=self._hotel.seed)
        return self._profiles.firm("company", booking.company, seed=self._hotel.seed)

    def _room_no(self, booking: Booking) -> str | None:
        index = self._hotel.occupancy.given.get(booking.row)
        if index is None:  # a stay of no night
            return None
        first = self._first_rooms[booking.assigned_type] + self._copy * self._first_rooms[""]
        return room_number(first + index)

    def _sharer_of(self, stay: Stay) -> int | None:
        """Let one in four who come as a party, like the one before, share that one's room."""
        a, b = self._before, stay.booking
        if a is None or stay.status != "reserved" or a.status != "reserved" or not b.nights:
            return None
        alike = (
            a.booking.arrival,
            a.booking.nights,
            a.booking.reserved_type,
            a.booking.customer,
            a.booking.agent,
        )
        party = alike == (b.arrival, b.nights, b.reserved_type, "Transient-Party", b.agent)
        return a.reservation_id if party and stay.dice.one_in(4) else None


def block_key(booking: Booking) -> object:
    """Tell which block a booking would be of, if there are enough."""
    if booking.market != "Groups" or not booking.nights:
        return None
    return (booking.arrival, booking.nights, booking.agent, booking.company)


def groups(spool: Spool, hotel: Hotel) -> dict[object, Group]:
    """Find the blocks of one copy of a hotel: groups that are still to come."""
    found: dict[object, list[Booking]] = {}
    for booking in hotel.bookings:
        key = block_key(booking)
        if key is not None and booking.status_on(hotel.business_day) == "reserved":
            found.setdefault(key, []).append(booking)
    return {
        key: Group(block_id=spool.draw("block"), first=members[0], size=len(members))
        for key, members in found.items()
        if len(members) >= _BLOCK_ROOMS
    }
