"""What the contingency pack holds: the house as it stands, read in one snapshot of the hotel's database.

A hotel that is down goes on by this paper. So everything in it is of one instant: a guest who checks out while it is
read is in every list or in none, and what the lists add up to is what the ledgers hold. The values are here, the pages
that show them in `contingency_page`.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from slacktide.hotel import inventory
from slacktide.postgres.sql import load

if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg import Connection

_SQL = load(__package__, "contingency.sql")
DAYS = 180


class House(msgspec.Struct, frozen=True):
    """The property, its business date, and the instant that everything else was read at."""

    code: str
    name: str
    zone: str
    business_date: date
    instant: datetime


class Guest(msgspec.Struct, frozen=True):
    """A guest in house."""

    reservation_id: int
    confirmation_no: int
    room_no: str
    shares: bool
    last_name: str
    first_name: str
    vip: bool
    arrival: date
    departure: date
    persons: int
    meal_code: str
    rate: Decimal
    currency: str
    note: str


class Window(msgspec.Struct, frozen=True):
    """A window of a guest's folio in one currency; the payee is named where it is not the guest."""

    reservation_id: int
    window_no: int
    currency: str
    balance: Decimal
    payee: str
    credit_limit: Decimal | None


class Deposit(msgspec.Struct, frozen=True):
    """What was paid beforehand for a reservation: `held`, or `applied` to the folio and so in its balance."""

    reservation_id: int
    status: str
    currency: str
    amount: Decimal


class OpenFolio(msgspec.Struct, frozen=True):
    """A folio with a balance of nobody in house; without a confirmation number it is a house account."""

    title: str
    confirmation_no: int | None
    window_no: int
    currency: str
    balance: Decimal


class Stay(msgspec.Struct, frozen=True):
    """Somebody who is expected."""

    reservation_id: int
    confirmation_no: int
    room_no: str
    shares: bool
    last_name: str
    first_name: str
    vip: bool
    arrival: date
    departure: date
    persons: int
    room_type: str
    meal_code: str
    rate: Decimal
    currency: str
    through: str
    guarantee: str
    note: str


class Room(msgspec.Struct, frozen=True):
    """A room: who is in it and until when, who has it next, and until when it is out of order."""

    room_no: str
    room_type: str
    floor: int
    departure: date | None
    guest: str
    next_arrival: date | None
    next_guest: str
    out_of_order_until: date | None


class RoomType(msgspec.Struct, frozen=True):
    """A room type and its rooms."""

    code: str
    name: str
    rooms: int


class OutOfOrder(msgspec.Struct, frozen=True):
    """A room that cannot be sold."""

    room_no: str
    first_date: date
    last_date: date
    reason: str


class Trace(msgspec.Struct, frozen=True):
    """Something that a department has to do."""

    due_on: date
    department: str
    room_no: str
    confirmation_no: int
    guest: str
    body: str


class Message(msgspec.Struct, frozen=True):
    """A message that its guest does not have yet."""

    received_at: datetime
    room_no: str
    confirmation_no: int
    guest: str
    sender: str
    body: str


class TelephoneEntry(msgspec.Struct, frozen=True):
    """A line of the telephone book."""

    category: str
    name: str
    number: str
    note: str


class Ledger(msgspec.Struct, frozen=True):
    """What a ledger holds in a currency."""

    name: str
    currency: str
    amount: Decimal


class Account(msgspec.Struct, frozen=True):
    """An account receivable and what is open on it in a currency."""

    account_no: int
    name: str
    credit_limit: Decimal | None
    currency: str
    open_amount: Decimal


class Contents(msgspec.Struct, frozen=True):
    """Everything of one pack."""

    house: House
    in_house: list[Guest]
    windows: dict[int, list[Window]]
    deposits: dict[int, list[Deposit]]
    open_folios: list[OpenFolio]
    arrivals: list[Stay]
    reservations: list[Stay]
    rooms: list[Room]
    room_types: list[RoomType]
    out_of_order: list[OutOfOrder]
    traces: list[Trace]
    messages: list[Message]
    telephone_book: list[TelephoneEntry]
    availability: dict[date, dict[str, inventory.Line]]
    ledgers: list[Ledger]
    accounts: list[Account]

    @property
    def departures(self) -> list[Guest]:
        """Give those who leave on the business date, or should have left before it."""
        return [guest for guest in self.in_house if guest.departure <= self.house.business_date]


def read(connection: Connection[Any], *, property_code: str) -> Contents | None:
    """Read a property in the connection's transaction, which has to be one snapshot; None where it is not there."""
    found = connection.execute(_SQL["property"], {"property": property_code}).fetchone()
    if found is None:
        return None
    house = House(*found)
    last = house.business_date + timedelta(days=DAYS - 1)
    facts = {"property": property_code, "business_date": house.business_date, "last": last}

    def rows(name: str) -> list[Any]:
        return connection.execute(_SQL[name], facts).fetchall()

    stays = [Stay(*row) for row in rows("stays")]
    return Contents(
        house=house,
        in_house=[Guest(*row) for row in rows("in_house")],
        windows=_by_reservation(Window(*row) for row in rows("windows")),
        deposits=_by_reservation(Deposit(*row) for row in rows("deposits")),
        open_folios=[OpenFolio(*row) for row in rows("open_folios")],
        arrivals=[stay for stay in stays if stay.arrival <= house.business_date],
        reservations=[stay for stay in stays if stay.arrival > house.business_date],
        rooms=[Room(*row) for row in rows("rooms")],
        room_types=[RoomType(*row) for row in rows("room_types")],
        out_of_order=[OutOfOrder(*row) for row in rows("out_of_order")],
        traces=[Trace(*row) for row in rows("traces")],
        messages=[Message(*row) for row in rows("messages")],
        telephone_book=[TelephoneEntry(*row) for row in rows("telephone_book")],
        availability=_availability(connection, house, last),
        ledgers=[Ledger(*row[:3]) for row in rows("ledgers")],
        accounts=[Account(*row) for row in rows("accounts")],
    )


def _by_reservation(found: Iterable[Any]) -> dict[int, list[Any]]:
    grouped: dict[int, list[Any]] = {}
    for one in found:
        grouped.setdefault(one.reservation_id, []).append(one)
    return grouped


def _availability(connection: Connection[Any], house: House, last: date) -> dict[date, dict[str, inventory.Line]]:
    """Give what can be sold by day and room type."""
    found: dict[date, dict[str, inventory.Line]] = {}
    for (room_type, day), line in inventory.lines(connection, property_code=house.code).items():
        if day <= last:
            found.setdefault(day, {})[room_type] = line
    return dict(sorted(found.items()))
