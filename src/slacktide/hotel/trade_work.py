"""One transaction of a clerk: what it says to the database, and what it will have changed if it commits.

Every object has a `version`, raised by whoever changes the object or one of its parts. So each action first changes, or
at least touches, the root row: from then on the object is the transaction's own, and what it does to the parts is
counted by the same version. `changes` is what the transaction may promise once it has committed.

Inventory is told at the end, in one statement that locks its lines in order: were it told on the way, every two
bookings of a day would wait for each other in any order.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

from psycopg import sql
from psycopg.rows import dict_row

from slacktide.hotel import inventory
from slacktide.hotel.promise import Change
from slacktide.postgres.sql import load

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from psycopg import Connection

    from slacktide.hotel.dice import Dice
    from slacktide.hotel.trade_hotel import HotelFacts, Numbers

_SQL = load(__package__, "trade.sql")
Row = dict[str, Any]


class NothingToDoError(Exception):
    """No object is as the action needs it; the clerk does something else."""


class Work:
    """One transaction. `today` is the property's business date, `dice` are the throws of this action."""

    def __init__(
        self, *, connection: Connection[Any], hotel: HotelFacts, numbers: Numbers, dice: Dice, today: date
    ) -> None:
        """Begin with nothing changed."""
        self.hotel, self._numbers, self.dice, self.today = hotel, numbers, dice, today
        self.changes: dict[tuple[str, str], Change] = {}
        self.transaction = ""  # its number, by which its outcome can be asked; known with the first change
        self._connection = connection
        self._cursor = connection.cursor(row_factory=dict_row)
        self._inventory: list[inventory.Change] = []

    # -- statements ---------------------------------------------------------------------------------------------------

    def rows(self, name: str, **facts: object) -> list[Row]:
        """Run a named statement and give its rows; `property` and `today` are known to each."""
        return self._cursor.execute(
            _SQL[name], {"property": self.hotel.property, "today": self.today, **facts}
        ).fetchall()

    def run(self, name: str, **facts: object) -> int:
        """Run a named statement without rows, and tell how many rows it touched."""
        given = {"property": self.hotel.property, "today": self.today, **facts}
        return self._cursor.execute(_SQL[name], given).rowcount

    def one(self, name: str, **facts: object) -> Row:
        """Run a named statement and give its first row. Raises NothingToDoError."""
        found = self.rows(name, **facts)
        if not found:
            raise NothingToDoError
        return found[0]

    def pick(self, entity: str) -> int:
        """Pick an object of the property anywhere among those there are. Raises NothingToDoError."""
        given = {"property": self.hotel.property, "first": self.first(entity)}
        row = self._cursor.execute(_statement("pick", entity, ()), given).fetchone()
        if row is None:
            raise NothingToDoError
        return int(row["key"])

    def first(self, entity: str) -> int:
        """Throw a key from which on to look; a little past the last one there was, for the new ones."""
        least, greatest = self.hotel.bounds[entity]
        return least + self.dice.below((greatest - least) * 5 // 4 + 1)

    # -- objects ------------------------------------------------------------------------------------------------------

    def add(self, entity: str, **values: object) -> int:
        """Add an object and give its key."""
        row = self._cursor.execute(_statement("add", entity, tuple(values)), values).fetchall()[0]
        self.changed(entity, [row])
        self.transaction = row["transaction"]
        return int(row["key"])

    def change(self, entity: str, key: int, **values: object) -> Row:
        """Change an object and give its row as it is now. Raises NothingToDoError if it is gone."""
        row = self._cursor.execute(_statement("change", entity, tuple(values)), {**values, "key": key}).fetchone()
        if row is None:
            raise NothingToDoError
        self.changed(entity, [{"key": key, "version": row["version"]}])
        self.transaction = row["transaction"]
        return row

    def touch(self, entity: str, key: int, **expected: object) -> Row:
        """Make an object the transaction's own. Raises NothingToDoError if it is not as expected."""
        row = self.change(entity, key)
        if any(row[column] != value for column, value in expected.items()):
            raise NothingToDoError
        return row

    def remove(self, entity: str, key: int) -> None:
        """Delete an object, whose parts are gone already. Raises NothingToDoError if it is gone too."""
        row = self._cursor.execute(_statement("remove", entity, ()), {"key": key}).fetchone()
        if row is None:
            raise NothingToDoError
        self.changes[entity, str(key)] = Change(version=row["version"], deleted=True)
        self.transaction = row["transaction"]

    def put(self, table: str, **values: object) -> None:
        """Add a row to a part of an object that is the transaction's own."""
        self._cursor.execute(_statement("put", table, tuple(values)), values)

    def changed(self, entity: str, rows: Iterable[Row]) -> None:
        """Note what a statement changed: rows of key and version."""
        for row in rows:
            self.changes[entity, str(row["key"])] = Change(version=row["version"])

    # -- inventory ----------------------------------------------------------------------------------------------------

    @contextmanager
    def counting(self, *, reservations: Sequence[int] = (), blocks: Sequence[int] = ()) -> Iterator[None]:
        """Count what these objects hold of the inventory before and after; lists may grow inside.

        The objects have to be the transaction's own already, else others change them between the count and the change.
        """
        self._count(-1, reservations, blocks)
        yield
        self._count(1, reservations, blocks)

    def out_of_order(self, room_type: str, days: Iterable[date], rooms: int) -> None:
        """Count rooms of a type as out of order, or as in order again."""
        self._inventory += [inventory.Change(room_type, day, out_of_order=rooms) for day in days]

    def _count(self, sign: int, reservations: Sequence[int], blocks: Sequence[int]) -> None:
        rows = self.rows("sold", reservations=list(reservations)) if reservations else []
        rows += self.rows("held", blocks=list(blocks)) if blocks else []
        self._inventory += [
            inventory.Change(row["room_type"], row["stay_date"], sold=sign * row["sold"], held=sign * row["held"])
            for row in rows
        ]

    def finish(self) -> None:
        """Tell the inventory, last of all."""
        inventory.change(self._connection, property_code=self.hotel.property, changes=self._inventory)

    # -- throws -------------------------------------------------------------------------------------------------------

    def code(self, name: str) -> str:
        """Choose a code of a list of the property. Raises NothingToDoError if it has none."""
        if name not in self.hotel.codes:
            raise NothingToDoError
        return self.dice.choice(self.hotel.codes[name])

    def money(self, most: int) -> Decimal:
        """Throw an amount from 0.01 up."""
        return Decimal(self.dice.below(most * 100) + 1) / 100

    def number(self, name: str) -> int:
        """Take the next number of a range. Raises NothingToDoError before any is drawn."""
        number = self._numbers.take(name)
        if number is None:
            raise NothingToDoError
        return number

    def soon(self, days: int = 200) -> date:
        """Throw a day from today on; the nearer the likelier, so that clerks meet."""
        return self.today + timedelta(self.dice.below(self.dice.below(days) + 1))


@cache
def _statement(name: str, table: str, columns: tuple[str, ...]) -> bytes:
    """Make a statement for a table and some of its columns."""
    changes = sql.SQL("").join(sql.SQL("{} = {}, ").format(sql.Identifier(c), sql.Placeholder(c)) for c in columns)
    text = sql.SQL(_SQL[name]).format(
        table=sql.Identifier(table),
        key=sql.Identifier(f"{table}_id"),
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        values=sql.SQL(", ").join(map(sql.Placeholder, columns)),
        changes=changes,
    )
    return text.as_bytes(None)
