"""Loads the two hotels: from the published bookings, or from the sample, in one transaction.

What the bookings say is taken whole, dirt included. What they do not say is made, by dice that depend on
the seed, the copy and the row only: the same call loads the same hotels. `LoadingReport` says how much came
in, was odd, was made.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from psycopg import sql

from slacktide.core.errors import InputError, UsageError
from slacktide.hotel import inventory
from slacktide.hotel.archive import Archive
from slacktide.hotel.booking import Booking, read
from slacktide.hotel.configuration import Codes, write_number_ranges, write_property, write_staff
from slacktide.hotel.desk import Desk
from slacktide.hotel.dice import Dice, purpose
from slacktide.hotel.ledger import Ledger
from slacktide.hotel.occupancy import occupancy
from slacktide.hotel.sample import chain, sample
from slacktide.hotel.schema import SchemaMissing
from slacktide.hotel.spool import Spool
from slacktide.hotel.stay import Hotel, Profiles, Reservations, Stay, groups
from slacktide.postgres.connection import connect, copyable, shown
from slacktide.postgres.sql import load as load_sql

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from psycopg import Connection

BUSINESS_DATE = date(2016, 8, 15)
SAMPLE_BOOKINGS = 3000
_FIRST_CONFIRMATION = 100_001


class AlreadyLoaded(InputError):
    """The database {address} holds a hotel already: {held}. Load into a fresh one."""


class BadScale(UsageError):
    """A hotel cannot be loaded {scale} times: give a whole number from 1."""


class LoadingReport(msgspec.Struct):
    """What a load did.

    `read` is the number of bookings by property, before `scale` multiplied them; `odd` counts what is odd
    about them and `noted` what else is worth knowing; `statuses` are those on the business date, `rows` the
    rows written, by table.
    """

    origin: str
    business_date: date
    seed: int
    scale: int
    read: dict[str, int]
    odd: dict[str, int]
    noted: dict[str, int]
    source_statuses: dict[str, int]
    statuses: dict[str, int]
    rows: dict[str, int]


def load(
    *,
    address: str,
    bookings: Path | None = None,
    business_date: date = BUSINESS_DATE,
    scale: int = 1,
    seed: int = 1,
    bookings_per_property: int = SAMPLE_BOOKINGS,
    codes: Sequence[str] = (),
) -> LoadingReport:
    """Load CITY and RESORT from the file `bookings`, or from a sample of so many bookings each; or `codes`, a chain.

    Raises SchemaMissing, AlreadyLoaded, BadScale, BookingsUnreadable and BadBooking; then nothing is loaded.
    """
    if scale < 1:
        raise BadScale(scale=scale)
    with connect(address, name="hotel load", autocommit=False) as connection:
        _require_empty(connection, address)
        today = business_date.toordinal()
        facts: dict[str, Any] = {
            "bookings_per_property": bookings_per_property, "business_day": today, "seed": seed
        }  # fmt: skip
        made = chain(codes=codes, **facts) if codes else sample(**facts)
        found = list(read(bookings) if bookings is not None else made)
        with Spool() as spool:
            report = _Loader(spool=spool, found=found, today=today, scale=scale, seed=seed).load(connection)
        report.origin = bookings.name if bookings is not None else "sample"
        connection.commit()
        connection.autocommit = True
        for table in report.rows:
            connection.execute(sql.SQL("analyze hotel.{}").format(sql.Identifier(table)))
    return report


def _require_empty(connection: Connection[Any], address: str) -> None:
    if connection.execute("select to_regclass('hotel.property') is null").fetchone() == (True,):
        raise SchemaMissing(address=shown(address), url=copyable(address))
    connection.execute(
        "lock table hotel.property in exclusive mode"
    )  # two loads at once: the second one finds the first
    held = connection.execute(
        "select string_agg(code, ', ' order by code) from hotel.property having count(*) > 0"
    ).fetchone()
    if held is not None:
        raise AlreadyLoaded(address=shown(address), held=held[0])


@contextmanager
def _references_afterwards(connection: Connection[Any]) -> Iterator[None]:
    """Have foreign keys checked as a whole once all rows are in: twice as fast as row by row."""
    keys = connection.execute(load_sql(__package__, "loading.sql")["foreign_keys"]).fetchall()
    for drop, _ in keys:
        connection.execute(drop)
    yield
    for _, add in keys:
        connection.execute(add)


class _Loader:
    """Writes the hotels into a spool, and the spool into the database."""

    def __init__(self, *, spool: Spool, found: list[Booking], today: int, scale: int, seed: int) -> None:
        self._spool, self._found, self._today = spool, found, today
        self._scale, self._seed = scale, seed
        self._profiles = Profiles(spool)
        self._masters: list[tuple[int, int]] = []
        self._statuses: Counter[str] = Counter()

    def load(self, connection: Connection[Any]) -> LoadingReport:
        """Write everything; the caller commits."""
        codes = Codes(self._found)
        hotels = self._hotels()
        for hotel in hotels:
            write_property(self._spool, hotel, codes)
            self._write(hotel)
        with _references_afterwards(connection):
            self._spool.copy(connection)
            with connection.cursor() as cursor:
                statement = "update hotel.block set master_reservation_id = %s where block_id = %s"
                cursor.executemany(statement, self._masters)
        lines = sum(inventory.resync(connection, property_code=hotel.code) for hotel in hotels)
        return self._report(hotels, {**self._spool.rows, "inventory": lines})

    def _hotels(self) -> list[Hotel]:
        by_code: dict[str, list[Booking]] = defaultdict(list)
        for booking in self._found:
            by_code[booking.hotel].append(booking)
        return [
            Hotel(
                code=code,
                business_day=self._today,
                bookings=bookings,
                occupancy=occupancy(bookings, day=self._today),
                copies=self._scale,
                seed=self._seed,
            )
            for code, bookings in sorted(by_code.items())
        ]

    def _write(self, hotel: Hotel) -> None:
        dice = Dice(self._seed, purpose(f"hotel {hotel.code}"))
        ledger = Ledger(spool=self._spool, hotel=hotel)
        desk = Desk(spool=self._spool, hotel=hotel, profiles=self._profiles)
        archive = Archive(spool=self._spool, hotel=hotel, profiles=self._profiles)
        for copy in range(self._scale):
            self._write_copy(hotel, copy, ledger, desk, archive, dice)
        ledger.house_accounts(dice)
        desk.papers(dice)
        archive.papers()
        write_staff(self._spool, hotel, dice)
        write_number_ranges(
            self._spool,
            hotel,
            {
                "confirmation": _FIRST_CONFIRMATION + len(hotel.bookings) * self._scale - 1,
                "folio": ledger.last_folio_no,
                "ar_invoice": ledger.last_invoice_no,
                "ar_account": ledger.last_account_no,
            },
        )

    def _write_copy(self, hotel: Hotel, copy: int, ledger: Ledger, desk: Desk, archive: Archive, dice: Dice) -> None:
        blocks = groups(self._spool, hotel)
        reservations = Reservations(spool=self._spool, hotel=hotel, copy=copy, profiles=self._profiles, groups=blocks)
        for booking in hotel.bookings:
            stay: Stay = reservations.write(booking)
            self._statuses[stay.status] += 1
            ledger.write(stay)
            desk.write(stay)
            archive.write(stay)
        desk.blocks(blocks.values(), dice)
        self._masters += [(group.master_id, group.block_id) for group in blocks.values() if group.master_id]

    def _report(self, hotels: list[Hotel], rows: dict[str, int]) -> LoadingReport:
        found = self._found
        return LoadingReport(
            origin="",
            business_date=date.fromordinal(self._today),
            seed=self._seed,
            scale=self._scale,
            read={hotel.code: len(hotel.bookings) for hotel in hotels},
            odd=dict(Counter(name for booking in found for name in booking.odd())),
            noted={
                "no_agent": sum(b.agent is None for b in found),
                "company": sum(b.company is not None for b in found),
                "other_room_type": sum(b.assigned_type != b.reserved_type for b in found),
                "booked_after_the_business_date": sum(b.arrival - b.lead_days > self._today for b in found),
            },
            source_statuses=dict(Counter(b.status for b in found)),
            statuses=dict(self._statuses),
            rows=rows,
        )
