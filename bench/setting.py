"""What the benchmarks of moves share: a stage with the published hotels, and a move that is prepared."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import psycopg

from slacktide.demo.stage import Stage
from slacktide.postgres.server import Server

BOOKINGS = Path(os.environ.get("SLACKTIDE_BENCH_BOOKINGS", "../shared/data/hotel/hotel_bookings.csv.zip"))
WAIVED = ("--waive", "contingency=Bench", "--waive", "prediction=Bench", "--waive", "partners=Bench")
# What the night audit does with packages that were sold and not used on the day: the watch period asks for a zero.
BALANCE = """
insert into hotel.posting (
    folio_id, window_no, transaction_code, currency_code, amount, business_date, cashier_no, description)
select b.* from (
    select distinct on (p.currency_code) p.folio_id, p.window_no, '7010', p.currency_code,
        -sum(p.amount) over (partition by p.currency_code) as amount, p.business_date, p.cashier_no, 'balanced'
    from hotel.folio f join hotel.posting p using (folio_id)
    where f.property_code = 'RESORT' and p.transaction_code in ('7000', '7010')) b
where b.amount <> 0
"""


class Setting:
    """RESORT on a source, an empty target, a worker, and a prepared move."""

    def __init__(self, stage: Stage, *, scale: int = 1) -> None:
        """Load the published bookings where they are, else the sample."""
        self.stage = stage
        self.control = stage.server("control")
        self.servers: list[Server] = [stage.server("source"), stage.server("target")]
        for server in self.servers:
            server.create_database("hotel")
        self.source, self.target = (server.address("hotel") for server in self.servers)
        for address in (self.source, self.target):
            stage.run("hotel", "create", address)
        given = ["--bookings", str(BOOKINGS.resolve())] if BOOKINGS.exists() else []
        stage.run("hotel", "load", self.source, *given, "--scale", str(scale))
        stage.run("hotel", "cashiers", "close", self.source, "--property", "RESORT")
        self.worker = stage.start("worker")
        stage.run("move", "create", "m", "--plan", "hotel", "--property", "RESORT", "--source", self.source,
                  "--target", self.target)  # fmt: skip
        stage.run("move", "configure", "m")
        stage.run("move", "convert", "m")
        stage.run("move", "prepare", "m", "--apply")

    def connect(self, address: str) -> psycopg.Connection[Any]:
        """Open a plain connection."""
        return psycopg.connect(address, autocommit=True)

    def pass_seconds(self) -> float:
        """Start the processes and give the seconds until the last range of the pass is applied."""
        with self.connect(self.control.address("slacktide")) as control:
            self.stage.run("move", "processes", "start", "m")
            begun = time.monotonic()
            while not control.execute(
                "select exists (select from slacktide.pass_range) "
                "and not exists (select from slacktide.pass_range where batch is null) "
                "and not exists (select from slacktide.batch where state <> 'processed')"
            ).fetchone()[0]:
                time.sleep(0.02)
            return time.monotonic() - begun

    def wait_verified(self) -> None:
        """Wait until everything was verified ahead and the transfer is steady."""
        while True:
            seen = self.stage.run("move", "status", "m", show=False)
            verified = self.stage.run("move", "verify", "m", show=False, accept=(0, 1))["verified"]
            if seen["errors"]:
                raise SystemExit("; ".join(seen["errors"]))
            if seen["steady"] and verified:
                return
            time.sleep(0.5)
