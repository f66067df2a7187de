"""Resort out, trade, back, trade, out again: every promise kept, nothing of either side lost.

    python -m bench.round_trip --trade 20 --rate 20

Moves RESORT of the published bookings (of a sample, where these are not there) between two servers of its own, while
it trades on whichever side it lives. After each leg every promise of that side is held against the other, and each
object is compared by the rules alone (`tests.cutover.planted`). It prints how long each leg was carried and down, ends
with 1 if anything differs, and leaves nothing running.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from bench.setting import BOOKINGS
from slacktide.cutover.fallback import name_of
from slacktide.hotel import day, loading, schema
from slacktide.hotel.promise_check import check_promises
from slacktide.postgres.server import Server
from tests.cutover import planted
from tests.cutover.moving import NAME, PROPERTY, CommandFailedError, Moving, Trading

_SIDES = ("control", "source", "target")
_STEADY_SECONDS = 1800.0


def main(arguments: list[str]) -> int:
    """Run the three legs; give 1 if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trade", type=float, default=20.0, help="seconds of trading before each leg")
    parser.add_argument("--rate", type=float, default=20.0, help="changes a second")
    options = parser.parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix="slacktide-round-trip-"))
    servers = {side: Server(folder / side) for side in _SIDES}
    try:
        for server in servers.values():
            server.attach()
            server.create_database("hotel")
        addresses = {side: server.address("hotel") for side, server in servers.items()}
        with Moving(**addresses, folder=folder) as moving:
            _load(moving)
            return _legs(moving, seconds=options.trade, rate=options.rate)
    finally:
        for server in servers.values():
            server.leave()
        shutil.rmtree(folder, ignore_errors=True)


def _load(moving: Moving) -> None:
    for address in (moving.source, moving.target):
        schema.create(address=address)
    loading.load(address=moving.source, bookings=BOOKINGS if BOOKINGS.exists() else None)
    moving.create()
    moving.worker()
    moving.run("move", "processes", "start", NAME)


def _legs(moving: Moving, *, seconds: float, rate: float) -> int:
    """Go out, back, and out again, and prove each leg."""
    there = replace(moving, running=moving.running)
    back = replace(there, source=there.target, target=there.source, name=name_of(NAME))
    again = replace(there, name=name_of(back.name))
    wrong: list[str] = []
    for leg, before in ((there, None), (back, there), (again, back)):
        promises = moving.folder / f"promises of {leg.name}"
        begun = time.monotonic()
        with Trading(leg.source, property_code=PROPERTY, promises=promises, rate=rate, seed=len(wrong) + 1) as trader:
            if before is None:
                leg.until_steady(seconds=_STEADY_SECONDS)
            else:
                leg.run(*_start(leg, before), accept=(1,))  # no downtime yet: it is carried while it trades
            time.sleep(seconds)
            changes = trader.stop().changes
        carried = time.monotonic() - begun
        refused = _down(leg, before)
        if refused:
            wrong += refused
            break
        wrong += _prove(leg, promises, carried=carried, changes=changes)
    for line in wrong:
        print(f"DIFFERS: {line}", flush=True)
    return 1 if wrong else 0


def _start(leg: Moving, before: Moving | None) -> list[str]:
    start = leg.start_arguments()
    return start if before is None else [*start[:2], "fallback", before.name, *start[4:]]


def _down(leg: Moving, before: Moving | None) -> list[str]:
    day.cashiers_close(address=leg.source, property_code=PROPERTY)
    leg.schedule()
    if before is None:
        leg.run("move", "processes", "stop", leg.name)
    try:
        result = leg.run(*_start(leg, before)).json
    except CommandFailedError as error:
        return [str(error.args[2]), *_situation(leg)]
    facts = {name: result[name] for name in ("result", "down_seconds", "work_seconds", "objects_moved", "differences")}
    print(f"{leg.name}: {facts}", flush=True)
    return [] if result["result"] == "open" else [f"{leg.name} is {result['result']}: {result['error']}"]


def _situation(leg: Moving) -> list[str]:
    """Say what does not fit, where a leg is refused."""
    errors = leg.run("move", "error", "list", leg.name).json["errors"]
    return [f"{one['entity']} {one['key']} {one['state']}: {one['reason']}" for one in errors]


def _prove(leg: Moving, promises: Path, *, carried: float, changes: int) -> list[str]:
    report = check_promises(address=leg.target, promises=promises)
    wrong = [] if report.kept else [f"{leg.name}: {report.promised - report.found} promises are not kept"]
    wrong += [f"{leg.name}: {text}" for text in planted.differing(leg)[:20]]
    kept = f"{report.found} of {report.promised} promises kept"
    print(f"{leg.name}: carried in {carried:.1f} s, {changes} changes, {kept}, {len(wrong)} differences", flush=True)
    return wrong


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
