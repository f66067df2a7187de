"""Inventory: what can be sold of each room type on each day. It is kept up to date, and it can be made anew.

It derives from rooms, rooms out of order, the nights of reservations that hold a room (`reserved` and
`in house`, without sharers) and the rooms of definite blocks that are not picked up. Whoever changes one of
these tells the difference by `change`, in the same transaction. `check` shows where the two have come apart;
`resync` makes it anew.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import msgspec

from slacktide.core.errors import UsageError
from slacktide.postgres.connection import connect, shown
from slacktide.postgres.sql import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import Connection

_SQL = load(__package__, "inventory.sql")


class UnknownProperty(UsageError):
    """The database {address} has no property {property!r}. See: select code from hotel.property."""


class Line(msgspec.Struct, frozen=True, order=True):
    """One room type on one day: rooms there are, out of order, sold, held for blocks, and left."""

    room_type: str
    stay_date: date
    physical: int
    out_of_order: int
    sold: int
    held: int
    available: int

    @property
    def is_idle(self) -> bool:
        """Tell whether nothing happens to that type on that day; then a line need not be kept."""
        return not (self.out_of_order or self.sold or self.held)


class Difference(msgspec.Struct, frozen=True):
    """A room type and day whose kept inventory is not what it derives from; None: there is no line."""

    stored: Line | None
    derived: Line | None


class Change(msgspec.Struct, frozen=True):
    """So many rooms more (or fewer) of a type on a day."""

    room_type: str
    stay_date: date
    sold: int = 0
    held: int = 0
    out_of_order: int = 0


def check(*, address: str, property_code: str) -> list[Difference]:
    """Compare a property's inventory with what it derives from, in one snapshot. Raises UnknownProperty."""
    with connect(address, name="hotel inventory", autocommit=False) as connection:
        connection.execute("set transaction isolation level repeatable read, read only")
        require_property(connection, address=address, property_code=property_code)
        return differences(connection, property_code=property_code)


def differences(connection: Connection[Any], *, property_code: str) -> list[Difference]:
    """Compare a property's inventory with what it derives from, in the connection's snapshot."""
    rows = connection.execute(_SQL["stored"], {"property": property_code}).fetchall()
    stored = {(row[0], row[1]): Line(*row) for row in rows}
    derived = lines(connection, property_code=property_code)
    return [
        Difference(stored=stored.get(key), derived=derived.get(key))
        for key in sorted(stored.keys() | derived.keys())
        if stored.get(key) != derived.get(key) and not (key not in stored and key in derived and derived[key].is_idle)
    ]


def kept(connection: Connection[Any], *, property_code: str) -> dict[tuple[str, date], Line]:
    """Give a property's inventory as it is kept, by room type and day, without the lines on which nothing happens."""
    rows = [Line(*row) for row in connection.execute(_SQL["stored"], {"property": property_code})]
    return {(line.room_type, line.stay_date): line for line in rows if not line.is_idle}


def lines(connection: Connection[Any], *, property_code: str) -> dict[tuple[str, date], Line]:
    """Derive a property's inventory, by room type and day from the business date onwards."""
    rows = connection.execute(_SQL["derived"], {"property": property_code}).fetchall()
    return {(row[1], row[2]): Line(*row[1:]) for row in rows}


def resync(connection: Connection[Any], *, property_code: str) -> int:
    """Make a property's inventory anew, in the connection's transaction; give the number of lines.

    What it derives from is locked meanwhile, so that no change is counted twice or missed.
    """
    with connection.transaction():
        connection.execute(_SQL["lock"])
        connection.execute(_SQL["clear"], {"property": property_code})
        return connection.execute(_SQL["fill"] + _SQL["derived"], {"property": property_code}).rowcount


def clear(connection: Connection[Any], *, property_code: str) -> int:
    """Take a property's inventory away, in the connection's transaction; give the number of lines."""
    return connection.execute(_SQL["clear"], {"property": property_code}).rowcount


def change(connection: Connection[Any], *, property_code: str, changes: Sequence[Change]) -> None:
    """Add to a property's inventory what a transaction has changed, in order of type and day."""
    facts: dict[str, object] = {
        "property": property_code,
        "types": [item.room_type for item in changes],
        "days": [item.stay_date for item in changes],
        "sold": [item.sold for item in changes],
        "held": [item.held for item in changes],
        "out_of_order": [item.out_of_order for item in changes],
    }
    if changes:
        connection.execute(_SQL["change"], facts)


def require_property(connection: Connection[Any], *, address: str, property_code: str) -> None:
    """Raise UnknownProperty unless the property is there."""
    if connection.execute("select from hotel.property where code = %s", [property_code]).fetchone() is None:
        raise UnknownProperty(address=shown(address), property=property_code)
