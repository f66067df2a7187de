"""Hold the target against the source after every batch, while eight writers trade.

    python -m bench.equality --batches 1000 --seed 1

Each batch is read in one snapshot of the source; after it was applied, the whole target is compared, row by row and
key by key, with all of the source as of that very snapshot. The bench ends with a table, and with 1 if anything
differed.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from slacktide.postgres.server import Server
from tests.transfer.conftest import SEED
from tests.transfer.line import Databases, Line
from tests.transfer.writers import Writers


def main() -> int:
    """Run until so many batches were compared."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--batches", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--writers", type=int, default=8)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="slacktide-equality-"))
    try:
        with Server(folder / "server", settings={"fsync": "off"}) as server:
            line = Line(**Databases(server).addresses(), folder=folder / "spool")
            try:
                table = run(line, batches=arguments.batches, seed=arguments.seed, count=arguments.writers)
            finally:
                line.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for name, value in table.items():
        print(f"{name:<28} {value:>12}")
    return 0 if table["batches that differ"] == 0 and table["objects not arrived"] == 0 else 1


def run(line: Line, *, batches: int, seed: int, count: int) -> dict[str, object]:
    """Make and compare batches while the writers trade; give the closing table."""
    line.sql(SEED)
    line.start()
    begun, compared, objects, differ, passed_at = time.monotonic(), 0, 0, 0, 0
    with Writers(line.addresses[0], seed=seed, count=count) as writers:
        while compared < batches:
            try:
                applied = line.step()
            except AssertionError as difference:
                differ += 1
                print(f"seed {seed}, batch {compared + 1}: {difference}", file=sys.stderr)
                print(*line.problems(), sep="\n", file=sys.stderr)
                break
            if line.problems():
                print(*line.problems(), sep="\n", file=sys.stderr)
                break
            if applied is not None:
                compared, objects = compared + 1, objects + applied.written
                left = line.journal().ranges_left(incarnation=line.incarnation.incarnation)
                passed_at = passed_at or (0 if left else compared)
    if not differ and not line.problems():
        compared += line.drain()
        line.check()
    return {
        "seed": seed,
        "batches compared": compared,
        "of them in the pass": passed_at,
        "batches that differ": differ,
        "objects written": objects,
        "objects not arrived": len(line.problems()),
        "transactions committed": writers.total("committed"),
        "rolled back": writers.total("rolled_back"),
        "refused by the source": writers.total("refused"),
        "seconds": round(time.monotonic() - begun, 1),
    }


if __name__ == "__main__":
    sys.exit(main())
