"""Bookings without the file: a City and a Resort made from the figures that the data's authors published.

Shares and means are those of the two hotels as a whole (Data in Brief 22, 2019, 41-49: tables of means and
of categories). No row of the file is in it. Arrivals lie around the business date, so that a small sample
has guests in house.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from slacktide.hotel.booking import Booking
from slacktide.hotel.dice import Dice, purpose

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_BOOKINGS_A_DAY = 5  # at the least; a large sample is denser, not longer
_LONGEST_DAYS = 180
_GROUP_SIZE = 8


class Figures(msgspec.Struct, frozen=True):
    """What was published of one hotel; shares are in parts of a thousand."""

    code: str
    cancelled: int
    no_show: int
    mean_rate_cents: int
    mean_nights_tenths: int
    mean_lead_days: int
    repeated: int
    other_type: int
    room_types: tuple[tuple[str, int], ...]
    countries: tuple[tuple[str, int], ...]
    markets: tuple[tuple[str, int], ...]
    meals: tuple[tuple[str, int], ...]
    deposits: tuple[tuple[str, int], ...]
    customers: tuple[tuple[str, int], ...]
    agent: int
    company: int


_CUSTOMERS_CITY = (("Transient", 750), ("Transient-Party", 219), ("Contract", 29), ("Group", 2))
_CUSTOMERS_RESORT = (("Transient", 754), ("Transient-Party", 195), ("Contract", 44), ("Group", 7))
_MARKETS_CITY = (
    ("Online TA", 488),
    ("Offline TA/TO", 211),
    ("Groups", 177),
    ("Direct", 77),
    ("Corporate", 38),
    ("Complementary", 6),
    ("Aviation", 3),
)
_MARKETS_RESORT = (
    ("Online TA", 443),
    ("Offline TA/TO", 186),
    ("Direct", 163),
    ("Groups", 146),
    ("Corporate", 57),
    ("Complementary", 5),
)
_COUNTRIES_CITY = (
    ("PRT", 390),
    ("FRA", 111),
    ("DEU", 77),
    ("GBR", 67),
    ("ESP", 58),
    ("ITA", 42),
    ("BEL", 24),
    ("BRA", 24),
    ("USA", 20),
    ("NLD", 19),
    ("", 1),
    ("CN", 11),
    ("IRL", 16),
)
_COUNTRIES_RESORT = (
    ("PRT", 441),
    ("GBR", 170),
    ("ESP", 99),
    ("IRL", 54),
    ("FRA", 40),
    ("DEU", 30),
    ("", 12),
    ("CN", 18),
    ("NLD", 13),
    ("USA", 12),
    ("BEL", 11),
)
FIGURES = (
    Figures(
        code="CITY",
        cancelled=405,
        no_show=12,
        mean_rate_cents=10_530,
        mean_nights_tenths=30,
        mean_lead_days=110,
        repeated=26,
        other_type=90,
        countries=_COUNTRIES_CITY,
        markets=_MARKETS_CITY,
        customers=_CUSTOMERS_CITY,
        room_types=(("A", 792), ("D", 148), ("F", 23), ("E", 20), ("B", 14), ("G", 6)),
        meals=(("BB", 786), ("SC", 133), ("HB", 81)),
        deposits=(("No Deposit", 837), ("Non Refund", 162), ("Refundable", 1)),
        agent=897,
        company=47,
    ),
    Figures(
        code="RESORT",
        cancelled=270,
        no_show=7,
        mean_rate_cents=9_495,
        mean_nights_tenths=43,
        mean_lead_days=93,
        repeated=44,
        other_type=190,
        countries=_COUNTRIES_RESORT,
        markets=_MARKETS_RESORT,
        customers=_CUSTOMERS_RESORT,
        room_types=(("A", 584), ("D", 186), ("E", 124), ("G", 40), ("F", 28), ("C", 23), ("H", 15)),
        meals=(("BB", 750), ("HB", 201), ("Undefined", 29), ("FB", 18), ("SC", 2)),
        deposits=(("No Deposit", 953), ("Non Refund", 43), ("Refundable", 4)),
        agent=795,
        company=77,
    ),
)


def sample(*, bookings_per_property: int, business_day: int, seed: int) -> Iterator[Booking]:
    """Make the bookings of both hotels; days are ordinals."""
    row = 0
    days = min(_LONGEST_DAYS, bookings_per_property // _BOOKINGS_A_DAY + 9)
    for figures in FIGURES:
        made = 0
        dice = Dice(seed, purpose(f"sample {figures.code}"))
        while made < bookings_per_property:
            booking = _booking(figures, dice, arrival=business_day - days // 3 + dice.below(days))
            rooms = _GROUP_SIZE if booking.market == "Groups" and dice.one_in(3) else 1
            for _ in range(min(rooms, bookings_per_property - made)):
                row, made = row + 1, made + 1
                yield msgspec.structs.replace(booking, row=row)


def chain(*, codes: Sequence[str], bookings_per_property: int, business_day: int, seed: int) -> Iterator[Booking]:
    """Make the bookings of small hotels with these codes, by the figures of both in turn."""
    for number, code in enumerate(codes):
        made = list(sample(bookings_per_property=bookings_per_property, business_day=business_day, seed=seed + number))
        half = len(made) // len(FIGURES)
        first = number % len(FIGURES) * half
        for row, booking in enumerate(made[first : first + half], start=number * half + 1):
            yield msgspec.structs.replace(booking, hotel=code, row=row)


def _booking(figures: Figures, dice: Dice, *, arrival: int) -> Booking:
    nights = 0 if dice.below(1000) < 6 else 1 + _about(dice, (figures.mean_nights_tenths - 10) / 10)  # noqa: PLR2004 -- 715 of 119,390
    lead = _about(dice, figures.mean_lead_days)
    status, status_day = _outcome(figures, dice, arrival=arrival, nights=nights, lead=lead)
    reserved = _share(dice, figures.room_types)
    other = dice.below(1000) < figures.other_type
    market = _share(dice, figures.markets)
    return Booking(
        row=0,
        hotel=figures.code,
        arrival=arrival,
        nights=nights,
        weekend_nights=sum((arrival + night) % 7 in {6, 0} for night in range(nights)),
        lead_days=lead,
        adults=0 if dice.one_in(650) else 1 + dice.below(2) + dice.one_in(20),
        children=None if dice.one_in(2000) else 1 + dice.below(2) if dice.one_in(14) else 0,
        babies=int(dice.one_in(130)),
        meal=_share(dice, figures.meals),
        country=_share(dice, figures.countries) or None,
        market=market,
        channel={"Direct": "Direct", "Corporate": "Corporate"}.get(market, "TA/TO"),
        repeated=dice.below(1000) < figures.repeated,
        previous_cancellations=int(dice.one_in(18)),
        previous_stays=int(dice.one_in(32)),
        reserved_type=reserved,
        assigned_type=_share(dice, figures.room_types) if other else reserved,
        changes=int(dice.one_in(7)),
        deposit=_share(dice, figures.deposits),
        agent=str(1 + dice.below(40)) if dice.below(1000) < figures.agent else None,
        company=str(1 + dice.below(25)) if dice.below(1000) < figures.company else None,
        waiting_days=0,
        customer=_share(dice, figures.customers),
        rate_cents=figures.mean_rate_cents * (50 + dice.below(101)) // 100,
        parking_spaces=int(dice.one_in(16)),
        special_requests=int(dice.one_in(3)) + int(dice.one_in(9)),
        status=status,
        status_day=status_day,
    )


def _outcome(figures: Figures, dice: Dice, *, arrival: int, nights: int, lead: int) -> tuple[str, int]:
    throw = dice.below(1000)
    if throw < figures.cancelled:
        return "Canceled", arrival - dice.below(lead + 1)
    if throw < figures.cancelled + figures.no_show:
        return "No-Show", arrival
    return "Check-Out", arrival + nights


def _share(dice: Dice, shares: tuple[tuple[str, int], ...]) -> str:
    throw = dice.below(sum(share for _, share in shares))
    for name, share in shares:
        throw -= share
        if throw < 0:
            return name
    return shares[-1][0]


def _about(dice: Dice, mean: float) -> int:
    """Throw a number with a mean: the smaller the likelier, and at most four times the mean."""
    return int(dice.below(1001) * dice.below(1001) * mean * 4 / 1_000_000)
