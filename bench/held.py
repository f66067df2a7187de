"""Held work of many organizations goes on at the end of a site's downtime, while workers are killed with -9 in turn.

`python -m bench.held --items 100000 --organizations 50 --workers 3` prints when the first item of each organization
came, and items a second; it fails if one is lost, double, out of order or early. Goal: the first within a second.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg

from slacktide.control.downtime import Wish, end_downtime, schedule_downtime
from slacktide.control.migration import migrate
from slacktide.control.organization import add_organization
from slacktide.holding import sample, store
from slacktide.holding.place import Place, set_place
from slacktide.postgres.connection import connect
from slacktide.postgres.server import Server

_WHO = {"who": "bench", "reason": "bench"}
_WRONG = """
select organization from (
    select organization, number, row_number() over (partition by organization order by interface_id) - 1 as place
    from payables.invoice_header
) h where number::int <> place limit 1
"""
_FIRST = """
select extract(epoch from min(written_at) - %s)::float8 from payables.invoice_header group by organization order by 1
"""


class Run:
    """One run on a server of its own."""

    def __init__(self, server: Server, *, organizations: int, items: int, workers: int) -> None:
        """Make both databases and hand all work in, during a downtime of the site."""
        for name in ("control", "erp"):
            server.create_database(name)
        self.control, self.erp = (server.address(name) for name in ("control", "erp"))
        self.count = items - items % organizations
        migrate(address=self.control)
        with connect(self.erp, name="bench") as erp:
            sample.create(erp)
        with connect(self.control, name="bench") as control:
            set_place(control, Place("erp", self.erp), **_WHO)
            codes = [f"O{number:02}" for number in range(organizations)]
            for code in codes:
                add_organization(control, code=code, **_WHO)
            self.downtime = schedule_downtime(control, wish=Wish(until_ended=True), site=True, **_WHO).downtimes[0][
                "id"
            ]
            for number in range(self.count // organizations):
                with control.transaction():
                    for code in codes:
                        store.arrive(control, sample.invoice(organization=code, number=str(number)))
            control.execute("analyze slacktide.held_item")
        self.workers = [self.start() for _ in range(workers)]

    def start(self) -> subprocess.Popen[bytes]:
        """Start one release, as a worker does."""
        environment = os.environ | {"SLACKTIDE_DATABASE_URL": self.control}
        return subprocess.Popen(
            [sys.executable, "-m", "slacktide.worker.release"], stdin=subprocess.PIPE, env=environment
        )

    def release(self, *, seed: int) -> tuple[float, int]:
        """End the downtime, kill workers in turn until all is written; give the seconds and the number of kills."""
        dice = random.Random(seed)  # noqa: S311 -- to be repeated, not to be secret
        time.sleep(3)
        with connect(self.control, name="bench") as control, connect(self.erp, name="bench") as erp:
            must(count(erp) == 0, "written early")
            end_downtime(control, id=self.downtime, **_WHO)
            begun, kills = time.monotonic(), 0
            while store.held_count(control):
                time.sleep(dice.uniform(1, 3))
                number = kills % len(self.workers)
                self.workers[number].kill()
                self.workers[number].communicate()
                self.workers[number] = self.start()
                kills += 1
            return time.monotonic() - begun, kills

    def check(self) -> list[float]:
        """Fail if anything is lost, double or out of order; give when the first of each organization came."""
        with connect(self.erp, name="bench") as erp, connect(self.control, name="bench") as control:
            must(count(erp) == self.count, f"{count(erp)} of {self.count} written")
            must(erp.execute(_WRONG).fetchone() is None, "out of order")
            states = "select distinct state from slacktide.held_item"
            must(control.execute(states).fetchall() == [("done",)], "not done")
            (end,) = control.execute("select ends_at from slacktide.setting").fetchone()
            return [seconds for (seconds,) in erp.execute(_FIRST, [end])]

    def close(self) -> None:
        """End the workers."""
        for worker in self.workers:
            worker.kill()
            worker.communicate()


def must(holds: bool, what: str) -> None:  # noqa: FBT001 -- reads as the sentence that it is
    """End with what is wrong, unless it holds."""
    if not holds:
        raise SystemExit(what)


def count(erp: psycopg.Connection) -> int:
    """Count what is written."""
    (found,) = erp.execute("select count(*) from payables.invoice_header").fetchone()
    return int(found)


def main(arguments: list[str] | None = None) -> int:
    """Run once and print what came of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--organizations", type=int, default=50)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix="slacktide-held-"))
    server = Server(folder)
    try:
        with server:
            run = Run(server, organizations=asked.organizations, items=asked.items, workers=asked.workers)
            try:
                seconds, kills = run.release(seed=asked.seed)
                firsts = run.check()
            finally:
                run.close()
    finally:
        shutil.rmtree(server.cluster, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{run.count} held items of {asked.organizations} organizations, {asked.workers} workers, {kills} kills:")
    print(f"  first after {firsts[0]:.2f} s, of the last organization {firsts[-1]:.2f} s; all after {seconds:.1f} s,")
    print(f"  {run.count / seconds:.0f} a second; none lost, double, early or out of order")
    return 0 if 0 <= firsts[0] < 1 else 1


if __name__ == "__main__":
    sys.exit(main())
