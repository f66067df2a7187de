"""The bookings that a hotel is loaded from, and how they are read from the published file.

The file is that of Antonio, Almeida and Nunes, "Hotel booking demand datasets", Data in Brief 22 (2019)
41-49: one row for each booking of two hotels, 32 columns, NULL written out, no key. Rows that are alike are
separate bookings. Nothing is mended: what is odd is counted and kept.
"""

from __future__ import annotations

import csv
import io
import zipfile
from contextlib import contextmanager
from datetime import date
from sys import intern
from typing import TYPE_CHECKING

import msgspec

from slacktide.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HOTELS = {"City Hotel": "CITY", "Resort Hotel": "RESORT"}
_MONTHS = {date(2000, month, 1).strftime("%B"): month for month in range(1, 13)}
_ABSENT = frozenset({"NULL", "NA", ""})
_COLUMNS = [
    "hotel",
    "is_canceled",
    "lead_time",
    "arrival_date_year",
    "arrival_date_month",
    "arrival_date_week_number",
    "arrival_date_day_of_month",
    "stays_in_weekend_nights",
    "stays_in_week_nights",
    "adults",
    "children",
    "babies",
    "meal",
    "country",
    "market_segment",
    "distribution_channel",
    "is_repeated_guest",
    "previous_cancellations",
    "previous_bookings_not_canceled",
    "reserved_room_type",
    "assigned_room_type",
    "booking_changes",
    "deposit_type",
    "agent",
    "company",
    "days_in_waiting_list",
    "customer_type",
    "adr",
    "required_car_parking_spaces",
    "total_of_special_requests",
    "reservation_status",
    "reservation_status_date",
]

_ABSURD_CENTS = 500_000  # a rate of 5,000 a night: the file has one of 5,400 in hotels that take about 100


class BookingsUnreadable(UsageError):
    """The bookings {file} cannot be read: {reason}. Give the published file, as .csv or .zip."""


class BadBooking(UsageError):
    """Row {row} of {file} is no booking: {reason}. Mend the row; nothing was loaded."""


class Booking(msgspec.Struct, gc=False):
    """One booking as the file has it: days as ordinals (`date.toordinal`), money in cents, `row` from 1."""

    row: int
    hotel: str
    arrival: int
    nights: int
    weekend_nights: int
    lead_days: int
    adults: int
    children: int | None
    babies: int
    meal: str
    country: str | None
    market: str
    channel: str
    repeated: bool
    previous_cancellations: int
    previous_stays: int
    reserved_type: str
    assigned_type: str
    changes: int
    deposit: str
    agent: str | None
    company: str | None
    waiting_days: int
    customer: str
    rate_cents: int
    parking_spaces: int
    special_requests: int
    status: str
    status_day: int
    duplicate: bool = False

    @property
    def departure(self) -> int:
        """The day of departure; of a stay of no night that of arrival."""
        return self.arrival + self.nights

    def odd(self) -> list[str]:
        """Name what is odd about the booking itself."""
        found = {
            "duplicate": self.duplicate,
            "no_night": self.nights == 0,
            "no_guest": not (self.adults or self.children or self.babies),
            "negative_rate": self.rate_cents < 0,
            "absurd_rate": self.rate_cents > _ABSURD_CENTS,
            "unknown_children": self.children is None,
            "no_country": self.country is None,
        }
        return [name for name, is_so in found.items() if is_so]

    def status_on(self, day: int) -> str:
        """Tell the reservation's status at the start of a day; what came later is still ahead."""
        if self.status == "Check-Out":
            if self.status_day < day:
                return "checked out"
            return "in house" if self.arrival < day else "reserved"
        if self.status == "No-Show":
            return "no show" if self.arrival < day else "reserved"
        return "cancelled" if self.status_day < day or self.arrival < day else "reserved"


def read(path: Path) -> Iterator[Booking]:
    """Read all bookings of a .csv, or of the only .csv in a .zip: BookingsUnreadable, BadBooking."""
    seen: set[int] = set()
    with _opened(path) as lines:
        rows = csv.reader(lines)
        header = next(rows, [])
        if header != _COLUMNS:
            missing = ", ".join(sorted(set(_COLUMNS) - set(header))) or "their order differs"
            raise BookingsUnreadable(file=path, reason=f"its columns are not the published ones ({missing})")
        for number, row in enumerate(rows, 1):
            mark = hash(tuple(row))
            try:
                yield _booking(number, row, duplicate=mark in seen)
            except (ValueError, KeyError) as error:
                raise BadBooking(file=path, row=number, reason=f"{type(error).__name__} {error}") from error
            seen.add(mark)


@contextmanager
def _opened(path: Path) -> Iterator[io.TextIOBase]:
    try:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive, archive.open(_member(path, archive)) as file:
                yield io.TextIOWrapper(file, encoding="utf-8", newline="")
        else:
            with path.open(encoding="utf-8", newline="") as text:
                yield text
    except (OSError, zipfile.BadZipFile, UnicodeDecodeError, csv.Error) as error:
        raise BookingsUnreadable(file=path, reason=str(error)) from error


def _member(path: Path, archive: zipfile.ZipFile) -> str:
    """Find the bookings in an archive; what a Mac adds for itself is none."""
    members = [name for name in archive.namelist() if name.endswith(".csv") and not name.startswith("__MACOSX/")]
    if len(members) != 1:
        raise BookingsUnreadable(file=path, reason=f"it holds {len(members)} .csv files, and one is expected")
    return members[0]


def _booking(number: int, row: list[str], *, duplicate: bool) -> Booking:
    (
        hotel, canceled, lead, year, month, _week, day, weekend, week, adults, children, babies, meal,
        country, market, channel, repeated, cancellations, stays, reserved, assigned, changes, deposit,
        agent, company, waiting, customer, rate, parking, requests, status, status_date,
    ) = row  # fmt: skip
    if status not in {"Check-Out", "Canceled", "No-Show"} or (status == "Check-Out") == (canceled == "1"):
        reason = f"reservation_status {status!r} with is_canceled {canceled!r}"
        raise ValueError(reason)
    return Booking(
        row=number,
        hotel=_HOTELS[hotel],
        arrival=date(int(year), _MONTHS[month], int(day)).toordinal(),
        nights=int(weekend) + int(week),
        weekend_nights=int(weekend),
        lead_days=int(lead),
        adults=int(adults),
        children=None if children in _ABSENT else int(children),
        babies=int(babies),
        meal=intern(meal.strip()),
        country=None if country in _ABSENT else intern(country),
        market=intern(market),
        channel=intern(channel),
        repeated=repeated == "1",
        previous_cancellations=int(cancellations),
        previous_stays=int(stays),
        reserved_type=intern(reserved.strip()),
        assigned_type=intern(assigned.strip()),
        changes=int(changes),
        deposit=intern(deposit.strip()),
        agent=None if agent in _ABSENT else intern(agent),
        company=None if company in _ABSENT else intern(company),
        waiting_days=int(waiting),
        customer=intern(customer),
        rate_cents=round(float(rate) * 100),
        parking_spaces=int(parking),
        special_requests=int(requests),
        status=intern(status),
        status_day=date.fromisoformat(status_date).toordinal(),
        duplicate=duplicate,
    )
