"""How many rooms of each type a hotel has, and which room each past and present guest was given.

The bookings say the type of a guest's room, never the room. A hotel gets as many rooms of a type as its
stays needed in the busiest night, and some to spare. Rooms are then given in the order of arrival, each the
one that became free first, so that no room is given twice for a night: an interval graph needs no more
colours than its largest clique.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from itertools import accumulate
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from slacktide.hotel.booking import Booking

_SPARE_SHARE = 25  # one room in so many is to spare, and at least one of each type
_ROOMS_A_FLOOR = 40


class Room(msgspec.Struct, frozen=True):
    """One room of a hotel. `spare` says that no past or present guest was given it."""

    room_no: str
    room_type: str
    floor: int
    spare: bool


class Occupancy(msgspec.Struct):
    """The rooms needed of each type, and the room (its index among its type) of each booking that has one."""

    needed: dict[str, int]
    given: dict[int, int]

    def count(self, room_type: str) -> int:
        """Tell how many rooms of a type the hotel has."""
        needed = self.needed.get(room_type, 0)
        return needed + max(1, needed // _SPARE_SHARE) if needed else 0

    def rooms(self, *, copies: int) -> Iterator[Room]:
        """Give all rooms, in the order of types; `copies` multiplies them, one whole set after the other."""
        number = 0
        for _ in range(copies):
            for room_type in sorted(self.needed):
                for index in range(self.count(room_type)):
                    yield Room(room_number(number), room_type, floor(number), index >= self.needed[room_type])
                    number += 1

    def first_rooms(self) -> dict[str, int]:
        """Give the number of each type's first room within one set; and under "" the size of a set."""
        sizes = [(room_type, self.count(room_type)) for room_type in sorted(self.needed)]
        ends = list(accumulate((size for _, size in sizes), initial=0))
        return {**{room_type: end for (room_type, _), end in zip(sizes, ends, strict=False)}, "": ends[-1]}


def floor(number: int) -> int:
    """Tell the floor of the room with that number, counted from 0."""
    return number // _ROOMS_A_FLOOR + 1


def room_number(number: int) -> str:
    """Write the number of a room as on its door."""
    return f"{floor(number)}{number % _ROOMS_A_FLOOR + 1:02}"


def occupancy(bookings: Iterable[Booking], *, day: int) -> Occupancy:
    """Give rooms to the guests of one hotel who have been there or are there on the day."""
    changes: dict[str, Counter[int]] = defaultdict(Counter)
    stays: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    for booking in bookings:
        if booking.nights == 0 or booking.status != "Check-Out":
            continue
        changes[booking.assigned_type][booking.arrival] += 1
        changes[booking.assigned_type][booking.departure] -= 1
        if booking.status_on(day) != "reserved":
            stays[booking.assigned_type].append((booking.arrival, booking.departure, booking.row))
    given: dict[int, int] = {}
    for of_type in stays.values():
        given.update(_given(sorted(of_type)))
    return Occupancy(needed={kind: _peak(of_type) for kind, of_type in changes.items()}, given=given)


def _peak(changes: Counter[int]) -> int:
    return max(accumulate(change for _, change in sorted(changes.items())))


def _given(stays: list[tuple[int, int, int]]) -> Iterator[tuple[int, int]]:
    """Give each stay (arrival, departure, row), in the order of arrival, the room that became free first."""
    leaving: list[tuple[int, int]] = []  # departure, room
    for arrival, departure, row in stays:
        room = heapq.heappop(leaving)[1] if leaving and leaving[0][0] <= arrival else len(leaving)
        heapq.heappush(leaving, (departure, room))
        yield row, room
