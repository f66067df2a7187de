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
    """One clerk's numbers, drawn in a transaction of their own, so that no clerk waits for another's booking."""

    def __init__(self, *, property_code: str) -> None:
        """Begin without any."""
        self._property = property_code
        self._drawn: dict[str, list[int]] = {name: [] for name in _RANGES}

    def fill(self, connection: Connection[Any]) -> None:
        """Draw where few are left, and commit that. Raises NumberRangeMissing."""
        for name, numbers in self._drawn.items():
            if len(numbers) < _LEAST:
                given = {"property": self._property, "name": name, "count": _AHEAD}
                row = connection.execute(_SQL["draw"], given).fetchone()
                connection.commit()
                if row is None:
                    raise NumberRangeMissing(property=self._property, name=name)
                numbers.extend(range(row[0], row[0] - _AHEAD, -1))

    def next(self, name: str) -> int:
        """Take the next number of a range. It is gone even if nothing comes of it."""
        return self._drawn[name].pop()
