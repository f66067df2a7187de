"""Inventory: what can be sold of each room type on each day. It is kept up to date, and it can be made anew.

It derives from rooms, rooms out of order, the nights of reservations that hold a room (`reserved` and `in house`, without
sharers) and the rooms of definite blocks that are not picked up. Whoever changes one of these tells the difference by
`change`, in the same transaction. `check` shows where the two have come apart; `resync` makes it anew.
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
    """The database {address} has no property {property!r}. See which there are: select code from hotel.property."""


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
    """A room type and day whose kept inventory is not what it derives from; None is a line that is not there."""

    stored: Line | None
    derived: Line | None


class Change(msgspec.Struct, frozen=True):
    """So many rooms more (or fewer) of a type on a day."""

    room_type: str
    stay_date: date
    sold: int = 0
    held: int = 0
    out_of_order: int = 0


def check(*, address: str, property: str) -> list[Difference]:  # noqa: A002 -- the field's own word
    """Compare a property's inventory with what it derives from, in one snapshot. Raises UnknownProperty."""
    with connect(address, name="hotel inventory", autocommit=False) as connection:
        connection.execute("set transaction isolation level repeatable read, read only")
        require_property(connection, address=address, property=property)
        return differences(connection, property=property)


def differences(connection: Connection[Any], *, property: str) -> list[Difference]:  # noqa: A002 -- the field's own word
    """Compare a property's inventory with what it derives from, in the connection's snapshot."""
    stored = _lines(connection, _SQL["stored"], property)
    derived = lines(connection, property=property)
    return [
        Difference(stored=stored.get(key), derived=derived.get(key))
        for key in sorted(stored.keys() | derived.keys())
        if stored.get(key) != derived.get(key)
        and not (key not in stored and key in derived and derived[key].is_idle)
    ]


def lines(connection: Connection[Any], *, property: str) -> dict[tuple[str, date], Line]:  # noqa: A002 -- the field's own word
    """Derive a property's inventory, by room type and day from the business date onwards."""
    statement = f"select room_type, stay_date, physical, out_of_order, sold, held, available from ({_SQL['derived']}) d"  # noqa: S608 -- our own statement
    return _lines(connection, statement, property)


def resync(connection: Connection[Any], *, property: str) -> int:  # noqa: A002 -- the field's own word
    """Make a property's inventory anew, in the connection's transaction; give the number of lines.

    What it derives from is locked meanwhile, so that no change is counted twice or missed.
    """
    with connection.transaction():
        connection.execute(_SQL["lock"])
        connection.execute(_SQL["clear"], {"property": property})
        return connection.execute(_SQL["fill"] + _SQL["derived"], {"property": property}).rowcount


def change(connection: Connection[Any], *, property: str, changes: Sequence[Change]) -> None:  # noqa: A002 -- the field's own word
    """Add to a property's inventory what a transaction has changed. Locks its lines in order of type and day."""
    facts: dict[str, object] = {
        "property": property,
        "types": [item.room_type for item in changes],
        "days": [item.stay_date for item in changes],
        "sold": [item.sold for item in changes],
        "held": [item.held for item in changes],
        "out_of_order": [item.out_of_order for item in changes],
    }
    if changes:
        connection.execute(_SQL["change"], facts)


def require_property(connection: Connection[Any], *, address: str, property: str) -> None:  # noqa: A002 -- the field's own word
    """Raise UnknownProperty unless the property is there."""
    if connection.execute("select from hotel.property where code = %s", [property]).fetchone() is None:
        raise UnknownProperty(address=shown(address), property=property)


def _lines(connection: Connection[Any], statement: Any, property: str) -> dict[tuple[str, date], Line]:  # noqa: A002 -- the field's own word
    rows = connection.execute(statement, {"property": property}).fetchall()
    return {(row[0], row[1]): Line(*row) for row in rows}
