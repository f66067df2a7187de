"""Fifty small hotels move in five waves over three workers; two workers are killed, and one hotel is made to fail.

    python -m bench.waves
    python -m bench.waves --properties 12 --waves 3

Most hotels share one source, a few have one of their own, all have one target. Each wave is started, becomes steady and
gets its window; the workers are killed with -9 while the second and the fourth wave go down, and nobody replaces them.
It ends with 1 unless all but the one are open, each equal to its source by content, none with a row of another's.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

from slacktide.postgres.server import Server
from tests.cutover.chain import Chain, a_chain
from tests.cutover.moving import until

SECONDS = 3600.0
_SETTINGS = {"fsync": "off", "max_connections": "500", "max_wal_senders": "128"}
_PSS = re.compile(r"^Pss:\s+(\d+) kB$", re.MULTILINE)


class Night:
    """All waves of a chain, one after the other, with what was measured."""

    def __init__(self, chain: Chain, waves: dict[str, list[str]], *, fails: str) -> None:
        """Take the chain, who moves in which wave, and who is to fail."""
        self.chain, self.waves, self.fails = chain, waves, fails
        self.dice = random.Random(1)  # noqa: S311 -- to be repeated, not to be secret
        self.down: list[float] = []
        self.megabytes: list[float] = []
        self.lines: dict[str, dict[str, object]] = {}

    def go(self, *, workers: int, kill_in: list[str]) -> None:
        """Carry every wave through its night."""
        self.chain.workers += [self.chain.moving.worker() for _ in range(workers)]
        for wave, codes in self.waves.items():
            began = time.monotonic()
            self.chain.start(wave)
            self.chain.until_steady(wave, seconds=SECONDS)
            steady = time.monotonic() - began
            self.megabytes.append(megabytes([code.lower() for code in codes]))
            if self.fails in codes:
                self.chain.spoil(self.fails)
                until(self._failed, seconds=SECONDS, what="the failure")
            self.chain.close(codes)
            if wave in kill_in:
                until(lambda wave=wave: self._goes_down(wave), seconds=SECONDS, what="the first down time")
                time.sleep(self.dice.uniform(0, 2))
                self._kill()
            until(lambda wave=wave: self._over(wave), seconds=SECONDS, what=f"the end of {wave}")
            self._say(wave, steady=steady, took=time.monotonic() - began)

    def _failed(self) -> bool:
        return bool(self.chain.moving.run("move", "messages", self.fails.lower()).json["counts"]["failed"])

    def _goes_down(self, wave: str) -> bool:
        return any(line["down_seconds"] for line in self.chain.board(wave).values())

    def _kill(self) -> None:
        worker = self.chain.workers.pop(0)
        worker.kill()
        worker.wait()
        print("  killed a worker with -9", flush=True)

    def _over(self, wave: str) -> bool:
        lines = self.chain.board(wave)
        self.lines |= lines
        return {line["state"] for code, line in lines.items() if code != self.fails} <= {"open", "failed"}

    def _say(self, wave: str, *, steady: float, took: float) -> None:
        down = [float(str(self.lines[code]["down_seconds"])) for code in self.waves[wave] if code != self.fails]
        self.down += down
        print(
            f"{wave}: steady after {steady:.0f} s, over after {took:.0f} s, down {statistics.median(down):.1f} s in "
            f"the median, {max(down):.1f} s at the most, {self.megabytes[-1]:.0f} MB in its processes",
            flush=True,
        )

    def wrong(self) -> list[str]:
        """Say what is not as it has to be."""
        codes = [code for codes in self.waves.values() for code in codes]
        states = {code: self.lines[code]["state"] for code in codes}
        found = [f"{code} is {states[code]}" for code in codes if states[code] != "open" and code != self.fails]
        if states[self.fails] != "cannot start" or not self.lines[self.fails]["error"]:
            found.append(f"{self.fails}, which has to fail, is {states[self.fails]}")
        if not self.chain.still_writable(self.fails):
            found.append(f"{self.fails} can no longer be written at its source")
        for code in codes:
            if states[code] == "open":
                found += self.chain.differences(code)
        return found + self.chain.foreign(codes)


def megabytes(moves: list[str]) -> float:
    """Add up the memory of the children of some moves, what they share by its share."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_text().split("\0")
            if "slacktide.worker.child" in words and words[-3] in moves:
                total += sum(int(size) for size in _PSS.findall((folder / "smaps_rollup").read_text()))
        except OSError:
            continue  # it has ended
    return total / 1024


def main() -> int:
    """Run the night; 1 if anything is not as it has to be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--properties", type=int, default=50)
    parser.add_argument("--waves", type=int, default=5)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--bookings", type=int, default=10)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is ended
    codes = [f"H{number:02}" for number in range(1, arguments.properties + 1)]
    waves = {f"wave-{n + 1}": codes[n :: arguments.waves] for n in range(arguments.waves)}
    names = [*waves]
    folder = Path(tempfile.mkdtemp(prefix="slacktide-waves-"))
    began = time.monotonic()
    try:
        with (
            Server(folder, settings=_SETTINGS) as server,
            a_chain(server, name="waves", shared=codes[:-4], alone=codes[-4:], bookings=arguments.bookings) as chain,
        ):
            chain.create(waves)
            print(
                f"{len(codes)} hotels of {arguments.bookings} bookings, after {time.monotonic() - began:.0f} s",
                flush=True,
            )
            night = Night(chain, waves, fails=waves[names[len(names) // 2]][0])
            night.go(workers=arguments.workers, kill_in=names[1::2][:2])
            wrong = night.wrong()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for text in wrong:
        print(f"    {text}")
    stopped = night.lines[night.fails]
    middle, most = statistics.median(night.down), max(night.down)
    print(f"{len(night.down)} of {len(codes)} opened; down seconds: median {middle:.1f}, most {most:.1f}")
    print(f"{time.monotonic() - began:.0f} s in all")
    print(f"{night.fails} {stopped['state']}: {stopped['error']}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
