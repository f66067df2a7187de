"""What a clerk knows of the hotel: its codes, which stay as they are, and numbers drawn ahead from its ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from psycopg import sql
from psycopg.rows import dict_row

from slacktide.core.errors import InputError
from slacktide.postgres.sql import load

if TYPE_CHECKING:
    from psycopg import Connection

_SQL = load(__package__, "trade.sql")
_PICKED = ("block", "deposit", "ar_account", "event", "out_of_order", "telephone_entry", "guest_message", "trace")
_RANGES = ("confirmation", "folio", "ar_invoice", "ar_account", "card_batch")
_AHEAD = 20  # numbers drawn at once
_LEAST = 4  # no action needs more of one range


class NumberRangeMissing(InputError):
    """The property {property!r} has no number range {name!r}: add it to hotel.number_range."""


class HotelFacts(msgspec.Struct, frozen=True):
    """A property as it was when trading began.

    `codes` are its codes by list, and `bounds` the least and greatest key of its objects by entity. `other` is another
    property of the same database, if there is one.
    """

    property: str
    currency: str
    other: str | None
    codes: dict[str, tuple[str, ...]]
    bounds: dict[str, tuple[int, int]]


def read_facts(connection: Connection[Any], *, property_code: str) -> HotelFacts:
    """Read what the clerks have to know of a property that is there."""
    given = {"property": property_code}
    with connection.cursor(row_factory=dict_row) as cursor:
        about = cursor.execute(_SQL["property"], given).fetchall()[0]
        codes: dict[str, list[str]] = {}
        for row in cursor.execute(_SQL["codes"], given):
            codes.setdefault(row["list"], []).append(row["code"])
        bounds = {}
        for entity in _PICKED:
            names = {"table": sql.Identifier(entity), "key": sql.Identifier(f"{entity}_id")}
            row = cursor.execute(sql.SQL(_SQL["bounds"]).format(**names), given).fetchall()[0]
            bounds[entity] = (row["least"], row["greatest"])
    return HotelFacts(
        property=property_code,
        currency=about["currency_code"],
        other=about["other"],
        codes={name: tuple(values) for name, values in codes.items()},
        bounds=bounds,
    )


class Numbers:
    """One clerk's numbers.

    They are drawn last of all in a transaction that does something else as well: so no clerk waits long for another,
    and where that is refused because the property is closed, no number is drawn either.
    """

    def __init__(self, *, property_code: str) -> None:
        """Begin without any."""
        self._property = property_code
        self._left: dict[str, list[int]] = {name: [] for name in _RANGES}

    def draw(self, connection: Connection[Any]) -> dict[str, list[int]]:
        """Draw where few are left; they count once the transaction has committed. Raises NumberRangeMissing."""
        drawn = {}
        for name, left in self._left.items():
            if len(left) < _LEAST:
                given = {"property": self._property, "name": name, "count": _AHEAD}
                row = connection.execute(_SQL["draw"], given).fetchone()
                if row is None:
                    raise NumberRangeMissing(property=self._property, name=name)
                drawn[name] = [*range(row[0], row[0] - _AHEAD, -1)]
        return drawn

    def keep(self, drawn: dict[str, list[int]]) -> None:
        """Take the numbers that a committed transaction has drawn."""
        for name, numbers in drawn.items():
            self._left[name] = numbers + self._left[name]

    def take(self, name: str) -> int | None:
        """Take the next number of a range, if one is left. It is gone even if nothing comes of it."""
        left = self._left[name]
        return left.pop() if left else None
