"""What the guard costs on the hotel's own postings: `python -m bench.guard --rows 300000`.

The hotel is loaded (the published bookings where they are, else the sample), and folios and postings are guarded as its
plan says. The same statement is measured without and with the guard, in turns: a bulk insert of so many postings that
are copied from those that there are, and single postings, each in a transaction of its own and many in one. Beside the
time on the clock stands the time that the database's own process computes, for others work on the machine, too.
Goals: 1.5 times for the bulk, 80 microseconds for a single row.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from bench.setting import BOOKINGS
from slacktide.guard.install import install, remove
from slacktide.guard.table import GuardedTable
from slacktide.hotel import loading, schema
from slacktide.hotel.property_plan import PLAN_FILE
from slacktide.plan.load import load_plan
from slacktide.postgres.connection import connect
from slacktide.postgres.server import Server
from slacktide.transfer.prepare import guarded_tables

MOST_TIMES, MOST_MICROSECONDS = 1.5, 80.0
_SINGLES = 3_000
_COLUMNS = "folio_id, window_no, transaction_code, currency_code, amount, business_date, cashier_no, description"
_BULK = f"""
insert into hotel.posting ({_COLUMNS}) select {_COLUMNS} from hotel.posting, generate_series(1, %(times)s)
limit %(rows)s
"""
_SINGLE = f"""
do $$
declare given hotel.posting;
begin
    select * into given from hotel.posting limit 1;
    for n in 1..{_SINGLES} loop
        insert into hotel.posting ({_COLUMNS}) values (given.folio_id, given.window_no, given.transaction_code,
            given.currency_code, given.amount, given.business_date, given.cashier_no, given.description);
        {{each}}
    end loop;
end $$
"""


class Took(NamedTuple):
    """How long a statement took on the clock, and how long its process computed."""

    clock: float
    computed: float


class Hotel:
    """A hotel whose postings are measured."""

    def __init__(self, connection: psycopg.Connection[Any], tables: list[GuardedTable]) -> None:
        """Take a connection to a loaded hotel."""
        self.connection, self.tables = connection, tables
        connection.execute("set synchronous_commit = off")  # the disk is not what is measured
        (self.count,) = connection.execute("select count(*) from hotel.posting").fetchone()

    def took(self, statement: str, *, alone: bool, **facts: Any) -> Took:
        """Run a statement; unless it has to be `alone`, take back what it wrote."""
        self.connection.execute("vacuum hotel.posting")
        computed, begun = self._computed(), time.monotonic()
        with contextlib.nullcontext() if alone else self.connection.transaction(force_rollback=True):
            self.connection.execute(statement, facts or None)
            return Took(time.monotonic() - begun, self._computed() - computed)

    def compare(
        self, statement: str, *, rounds: int, alone: bool = False, **facts: Any
    ) -> tuple[list[Took], list[Took]]:
        """Measure without and with the guard, in turns."""
        without, guarded = [], []
        for _ in range(rounds):
            remove(self.connection, tables=self.tables)
            without.append(self.took(statement, alone=alone, **facts))
            install(self.connection, tables=self.tables)
            guarded.append(self.took(statement, alone=alone, **facts))
        return without, guarded

    def _computed(self) -> float:
        user, system = (
            Path(f"/proc/{self.connection.info.backend_pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
        )
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def bulk(hotel: Hotel, *, rows: int, rounds: int) -> float:
    """Say what a bulk costs; give how many times as much as without, by what is computed."""
    facts = {"rows": rows, "times": rows // hotel.count + 1}
    without, guarded = hotel.compare(_BULK, rounds=rounds, **facts)
    times = [after.computed / before.computed for before, after in zip(without, guarded, strict=True)]
    print(f"{rows} postings in one statement: without {_seconds(without)}, guarded {_seconds(guarded)}:")
    print(f"  {statistics.median(times):.2f} times what is computed ({min(times):.2f} to {max(times):.2f}),")
    print(f"  {min(g.clock for g in guarded) / min(w.clock for w in without):.2f} times on the clock, best of {rounds}")
    return statistics.median(times)


def single(hotel: Hotel, *, what: str, each: str, rounds: int) -> float:
    """Say what a single row costs; give the microseconds, by what is computed."""
    without, guarded = hotel.compare(_SINGLE.format(each=each), rounds=rounds, alone=bool(each))
    more = [(after.computed - before.computed) / _SINGLES * 1e6 for before, after in zip(without, guarded, strict=True)]
    clock = (min(g.clock for g in guarded) - min(w.clock for w in without)) / _SINGLES * 1e6
    print(f"one posting, {what}: {statistics.median(more):.0f} µs more computed ({min(more):.0f} to {max(more):.0f}),")
    print(f"  {clock:.0f} µs more on the clock, best of {rounds}")
    return statistics.median(more)


def _seconds(found: list[Took]) -> str:
    computed = [each.computed for each in found]
    return f"{statistics.median(computed):.2f} s ({min(computed):.2f} to {max(computed):.2f})"


def main(arguments: list[str] | None = None) -> int:
    """Measure all of it on a server of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args(arguments)
    server = Server(Path(tempfile.mkdtemp(prefix="slacktide-guard-")))
    try:
        with server:
            server.create_database("hotel")
            address = server.address("hotel")
            schema.create(address=address)
            loading.load(address=address, bookings=BOOKINGS.resolve() if BOOKINGS.exists() else None)
            tables = [each for each in guarded_tables(load_plan(path=PLAN_FILE)) if each.table in ("folio", "posting")]
            with connect(address, name="bench") as connection:
                hotel = Hotel(connection, tables)
                times = bulk(hotel, rows=asked.rows, rounds=asked.rounds)
                ways = {"in a transaction of its own": "commit;", "in one transaction with others": ""}
                more = [single(hotel, what=what, each=each, rounds=asked.rounds) for what, each in ways.items()]
    finally:
        server.destroy()
    return 0 if times <= MOST_TIMES and max(more) <= MOST_MICROSECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
