"""The hotel's day: closing the cashiers, and End of Day, which rolls the business date.

End of Day is one transaction, but for the flag that says, before it begins, that it is under way. A killed one leaves
the flag and nothing else: the next one does the whole again. Two at once: the property's row tells them apart.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
from psycopg.errors import LockNotAvailable

from slacktide.core.errors import InputError
from slacktide.hotel import inventory
from slacktide.postgres.connection import connect
from slacktide.postgres.sql import load

if TYPE_CHECKING:
    from psycopg import Connection

_SQL = load(__package__, "day.sql")


class EndOfDayUnderWay(InputError):
    """End of Day of {property!r} is under way already: wait for it."""


class CashiersClosed(msgspec.Struct, frozen=True):
    """How many cashiers were closed and card batches settled."""

    cashiers: int
    card_batches: int


class EndOfDayReport(msgspec.Struct, frozen=True):
    """What End of Day did: the date that began, no shows, room charges, and who should have left and has not."""

    business_date: date
    no_shows: int
    room_charges: int
    overdue: list[int]
    closed: CashiersClosed


def cashiers_close(*, address: str, property_code: str) -> CashiersClosed:
    """Close a property's cashiers and settle its card batches. Raises UnknownProperty."""
    with connect(address, name="hotel cashiers", autocommit=False) as connection:
        inventory.require_property(connection, address=address, property_code=property_code)
        return _close(connection, property_code)


def end_of_day(*, address: str, property_code: str) -> EndOfDayReport:
    """Roll a property's business date by a day. Raises UnknownProperty and EndOfDayUnderWay."""
    with connect(address, name="hotel end-of-day") as connection:
        inventory.require_property(connection, address=address, property_code=property_code)
        try:
            with connection.transaction():
                _held(connection, property_code)
                connection.execute(_SQL["begin"], {"property": property_code})
            with connection.transaction():
                return _roll(connection, property_code, _held(connection, property_code))
        except LockNotAvailable as error:
            raise EndOfDayUnderWay(property=property_code) from error


def _held(connection: Connection[Any], property_code: str) -> date:
    """Take the property's row and give the business date."""
    row = connection.execute(_SQL["hold"], {"property": property_code}).fetchone()
    assert row is not None  # noqa: S101 -- the property was there, and properties are not deleted
    found: date = row[0]
    return found


def _roll(connection: Connection[Any], property_code: str, today: date) -> EndOfDayReport:
    facts = {"property": property_code, "business_date": today}
    closed = _close(connection, property_code)
    no_shows = _no_shows(connection, facts)
    connection.execute(_SQL["folios"], facts)
    connection.execute(_SQL["windows"], facts)
    charges = connection.execute(_SQL["room_charges"], facts).rowcount
    overdue = [number for (number,) in connection.execute(_SQL["overdue"], facts)]
    connection.execute(_SQL["forget_inventory"], facts)
    connection.execute(_SQL["roll"], facts)
    return EndOfDayReport(
        business_date=today + timedelta(days=1),
        no_shows=no_shows,
        room_charges=charges,
        overdue=overdue,
        closed=closed,
    )


def _no_shows(connection: Connection[Any], facts: dict[str, Any]) -> int:
    """Let those be no shows who did not come, with what follows for inventory and deposits."""
    rows = connection.execute(_SQL["no_shows"], facts).fetchall()
    holding = [key for key, sharer_of in rows if sharer_of is None]
    freed = connection.execute(_SQL["freed_nights"], {**facts, "reservations": holding}).fetchall()
    changes = [inventory.Change(room_type, day, sold=-1) for room_type, day in freed]
    inventory.change(connection, property_code=facts["property"], changes=changes)
    connection.execute(_SQL["forfeit"], {"reservations": [key for key, _ in rows]})
    return len(rows)


def _close(connection: Connection[Any], property_code: str) -> CashiersClosed:
    facts = {"property": property_code}
    return CashiersClosed(
        cashiers=connection.execute(_SQL["close_cashiers"], facts).rowcount,
        card_batches=connection.execute(_SQL["settle_card_batches"], facts).rowcount,
    )
