"""Two hundred gates are told of a change: `python -m bench.told --gates 200 --processes 4 --changes 20`.

A server runs as `slacktide up` does; the gates are keepers over HTTP, each with its own stream and its own fetches, in
a few other processes. A downtime that starts now is scheduled, and ended, in turn. Measured is the time from before the
command until each gate decides by it, on the one clock of seconds of the machine. Goal: the last one within a second.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import sys
import time
from contextlib import ExitStack
from multiprocessing.connection import Connection, wait
from typing import Any

from bench.site import running_site
from slacktide.control.database import open_control
from slacktide.control.downtime import Wish, end_downtime, schedule_downtime
from slacktide.downtime.table import Action
from slacktide.gates.ask import Ask
from slacktide.gates.http_source import HttpSource
from slacktide.gates.keeper import Keeper

LONGEST_SECONDS = 1.0
_WAIT_SECONDS = 30.0
_WHO = {"who": "bench", "reason": "bench"}
_OPEN = Ask(action=Action.OPEN_TASK, organization="HOTEL")


class _Gate:
    """One gate, that tells of each new schedule when it had it and how it decides by it."""

    def __init__(self, url: str, secret: str, tell: Any) -> None:
        source = HttpSource(url, token=secret, name=f"gate of {os.getpid()}")
        self.keeper, self._tell = Keeper(source, changed=self._changed), tell

    def _changed(self) -> None:
        refused = self.keeper.refusal(_OPEN) is not None
        self._tell((time.monotonic(), refused))


def _gates(url: str, secret: str, count: int, told: Connection) -> None:
    """Run so many gates until the other end of the pipe is closed."""
    tells: list[tuple[float, bool]] = []
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(_Gate(url, secret, tells.append).keeper)
        while not told.poll(0.005):
            while tells:
                told.send(tells.pop(0))
    told.close()


class Fleet:
    """Gates in other processes."""

    def __init__(self, url: str, secret: str, *, gates: int, processes: int) -> None:
        """Start them, and wait until each has its first schedule."""
        self.count = gates
        context, self.pipes, self.processes = multiprocessing.get_context("spawn"), [], []
        for number in range(processes):
            here, there = context.Pipe()
            share = gates // processes + (number < gates % processes)
            process = context.Process(target=_gates, args=(url, secret, share, there))
            process.start()
            there.close()
            self.pipes.append(here)
            self.processes.append(process)
        self.told(refused=False)

    def told(self, *, refused: bool) -> list[float]:
        """Wait until each gate has told that it decides so; give when, in order."""
        found: list[float] = []
        limit = time.monotonic() + _WAIT_SECONDS
        while len(found) < self.count:
            ready = wait(self.pipes, timeout=1.0)
            if time.monotonic() > limit:
                said = f"only {len(found)} of {self.count} gates were told"
                raise SystemExit(said)
            tells = [pipe.recv() for pipe in ready]
            found += [at for at, decided in tells if decided is refused]
        return sorted(found)

    def close(self) -> None:
        """End the gates."""
        for pipe in self.pipes:
            pipe.send(None)
        for process in self.processes:
            process.join()


def race(fleet: Fleet, control: Any, *, changes: int) -> list[list[float]]:
    """Start and end a downtime in turn; give for each change after how many seconds each gate decided by it."""
    found, key = [], ""
    for number in range(changes):
        begun = time.monotonic()
        if number % 2 == 0:
            wish = Wish(until_ended=True, users="out")
            key = schedule_downtime(control, wish=wish, organizations=["HOTEL"], **_WHO).downtimes[0]["id"]
        else:
            end_downtime(control, id=key, **_WHO)
        found.append([at - begun for at in fleet.told(refused=number % 2 == 0)])
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run a server with the gates, and say how soon they were told."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--gates", type=int, default=200)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--changes", type=int, default=20)
    asked = parser.parse_args(arguments)
    with running_site(scope="schedule") as site:
        fleet = Fleet(site.url, site.token, gates=asked.gates, processes=asked.processes)
        try:
            with open_control(site.environment) as control, control.connect(name="bench") as connection:
                found = race(fleet, connection, changes=asked.changes)
        finally:
            fleet.close()
    last = [seconds[-1] for seconds in found]
    middle = statistics.median(statistics.median(seconds) for seconds in found)
    print(f"{asked.gates} gates in {asked.processes} processes, {asked.changes} changes: half of the gates told after")
    print(f"  {middle * 1000:.0f} ms, the last after {statistics.median(last) * 1000:.0f} ms (median of the changes),")
    print(f"  {max(last) * 1000:.0f} ms at the most")
    return 0 if max(last) < LONGEST_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
