"""A sample ERP with an interface that is guarded, and the program that writes invoices to it.

An invoice has two wait points: before the insert into the interface, and before the import, which follows from it. The
insert is made in the passage's own transaction. The import is asked for, and done by the ERP itself, some time later.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from psycopg import Connection
from psycopg.rows import TupleRow

from slacktide.guard.install import install
from slacktide.guard.table import GuardedTable, Mode
from slacktide.holding.item import Arrival, Item
from slacktide.holding.work import Outcome, Result
from slacktide.postgres.sql import load, script

_sql = load(__package__, "sample_work.sql")
NAME = "sample-invoice"
TABLES = tuple(
    GuardedTable(schema="payables", table=table, organization="r.organization", mode=Mode.INTERFACE)
    for table in ("invoice_header", "invoice_line")
)


def create(connection: Connection[TupleRow]) -> None:
    """Make the sample ERP in a database, and guard its interface tables."""
    with connection.transaction():
        connection.execute(script(__package__, "sample.sql"))
    install(connection, tables=TABLES)


def invoice(
    *, organization: str, number: str, lines: Sequence[str] = ("1",), imported: bool = False, **dates: date | None
) -> Arrival:
    """Give the insert of an invoice; with `imported` its import follows. `dates` are `due_on` and `discount_until`."""
    amount = sum(map(Decimal, lines), Decimal())
    payload = {"number": number, "amount": str(amount), "lines": [*lines], "imported": imported}
    key = f"{organization}/{number}"
    return Arrival(organization=organization, step="insert", work=NAME, key=key, payload=payload, **dates)


def run_importer(connection: Connection[TupleRow]) -> int:
    """Let the ERP do what it has accepted; give how many that were."""
    (count,) = connection.execute(_sql["run_importer"]).fetchone() or (0,)
    return int(count)


class InvoiceWork:
    """The program: see `work.Work`."""

    def takes(self, connection: Connection[TupleRow]) -> bool:
        """Tell whether this database has the interface."""
        return connection.execute(_sql["takes"]).fetchone() == (True,)

    def find(self, connection: Connection[TupleRow], *, key: str) -> bool:
        """Tell whether the invoice is in the interface."""
        return connection.execute(_sql["find"], {"key": key}).fetchone() == (True,)

    def write(self, connection: Connection[TupleRow], *, item: Item) -> None:
        """Insert the invoice with its lines."""
        connection.execute(_sql["write"], item.payload | {"key": item.key, "organization": item.organization})

    def follow(self, item: Item) -> Sequence[Arrival]:
        """Give the import that follows from an insert."""
        if item.step == "import" or not item.payload.get("imported"):
            return ()
        payload = {"header_key": item.key}
        key = f"{item.key}/import"
        dates = {"due_on": item.due_on, "discount_until": item.discount_until}
        return [Arrival(organization=item.organization, step="import", work=NAME, key=key, payload=payload, **dates)]

    def send(self, connection: Connection[TupleRow], *, item: Item) -> None:
        """Ask the ERP to import it."""
        connection.execute(_sql["send"], item.payload | {"key": item.key})

    def result(self, connection: Connection[TupleRow], *, key: str) -> Result:
        """Read what the ERP says of it."""
        row = connection.execute(_sql["result"], {"key": key}).fetchone()
        return Result(Outcome.ABSENT) if row is None else Result(Outcome(row[0]), row[1])
