"""Writes what a hotel keeps and can open without: statistics by day, old stays, attachments, work orders.

Statistics are counted from the bookings' own nights. Old stays are those that the bookings say their guests had before,
and some of guests who have no booking any more, so that nothing else of the hotel refers to them. The rest is made.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import TYPE_CHECKING

from slacktide.hotel import person
from slacktide.hotel.dice import Dice, purpose
from slacktide.hotel.spool import money, text
from slacktide.hotel.stay import day

if TYPE_CHECKING:
    from slacktide.hotel.booking import Booking
    from slacktide.hotel.spool import Spool
    from slacktide.hotel.stay import Hotel, Profiles, Stay

_PAPERS = (("registration.pdf", "application/pdf"), ("passport.png", "image/png"), ("e-mail.txt", "text/plain"))
_WORK = ("Tap drips", "Lamp is dark", "Door does not lock", "Air conditioning is loud", "Carpet is torn")
_MOST_STAYS = 3  # of those that a booking says its guest had before
_FORMER_GUESTS = 25  # one for so many bookings
_YEARS = 9


class Archive:
    """Writes one hotel's archive."""

    def __init__(self, *, spool: Spool, hotel: Hotel, profiles: Profiles) -> None:
        """Take where the rows go and whose they are."""
        self._spool, self._hotel, self._profiles = spool, hotel, profiles
        self._nights: dict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0, 0])
        self._dice = Dice(hotel.seed, purpose(f"archive {hotel.code}"))

    def write(self, stay: Stay) -> None:
        """Count a stay's nights that are over, and write its guest's earlier stays and its papers."""
        b, dice = stay.booking, self._dice
        if stay.status in {"in house", "checked out"}:
            for night in range(b.arrival, min(b.departure, self._hotel.business_day)):
                counted = self._nights[night, b.market]
                counted[:] = counted[0] + 1, counted[1] + b.adults + (b.children or 0), counted[2] + b.rate_cents
        for number in range(min(b.previous_stays, _MOST_STAYS)):
            self._old_stay(b, stay.profile_id, before=number)
        if dice.one_in(15):
            self._attachment(dice, reservation_id=stay.reservation_id)
        if dice.one_in(40):
            self._attachment(dice, profile_id=stay.profile_id)

    def papers(self) -> None:
        """Write the statistics, the stays of former guests, and the work orders."""
        code, dice = self._hotel.code, self._dice
        for (night, market), (rooms, guests, cents) in sorted(self._nights.items()):
            self._spool.add("statistic_day", code, day(night), market, rooms, guests, money(cents))
        for booking in self._hotel.bookings[::_FORMER_GUESTS]:
            self._old_stay(booking, self._profiles.former(booking, dice=dice), before=dice.below(_YEARS))
        for room in self._hotel.occupancy.rooms(copies=self._hotel.copies):
            if dice.one_in(2):
                reported = self._hotel.business_day - dice.below(60)
                done = None if dice.one_in(3) else day(reported + dice.below(5))
                self._spool.add("work_order", code, room.room_no, dice.choice(_WORK), day(reported), done)

    def _old_stay(self, b: Booking, profile_id: int, *, before: int) -> None:
        arrival = min(b.arrival, self._hotel.business_day) - 365 * (before + 1)
        note = text(person.note(self._dice)) if self._dice.one_in(30) else None
        self._spool.add(
            "stay_history", self._hotel.code, profile_id, day(arrival), day(arrival + b.nights), b.reserved_type,
            b.market, "EUR", money(b.rate_cents * b.nights), note,
        )  # fmt: skip

    def _attachment(self, dice: Dice, *, reservation_id: int | None = None, profile_id: int | None = None) -> None:
        """Write a paper of a few kilobytes; one in 50 is a hundred times as large."""
        name, media_type = dice.choice(_PAPERS)
        size = dice.below(2000) * (100 if dice.one_in(50) else 1)
        content = hashlib.shake_256(str(dice.below(1 << 30)).encode()).hexdigest(size)
        self._spool.add("attachment", self._hotel.code, reservation_id, profile_id, name, media_type, f"\\\\x{content}")
