"""The memory of each process of ours, at its largest: the pass, every object changed at once, trading, the down time.

`python -m bench.memory` moves RESORT and prints the largest resident size of each, and ends with 1 if one of them
passed 300 MB. The system keeps the largest size of a process for as long as it lives; it is read ten times a second.
"""

from __future__ import annotations

import re
import sys
import threading
from pathlib import Path

from bench.setting import WAIVED, Setting
from slacktide.demo.stage import Stage

MOST_MEGABYTES = 300
_EVERY_SECONDS = 0.1
_LARGEST = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)
_PARENT = re.compile(r"^PPid:\s+(\d+)$", re.MULTILINE)
_OURS = re.compile(r"import main; main\(\)\0(.*)|slacktide\.worker\.child\0[^\0]+\0(.*)", re.DOTALL)
# Every object of the property that has rows of its own to touch, in one transaction each.
_EVERYTHING = (
    "update hotel.reservation set version = version + 1 where property_code = 'RESORT'",
    "update hotel.profile set version = version + 1",
)


class Watch(threading.Thread):
    """Looks at all of our processes, and keeps the largest size of each kind, in MB."""

    def __init__(self) -> None:
        """Look at nothing yet."""
        super().__init__(daemon=True)
        self.largest: dict[str, float] = {}
        self._enough = threading.Event()

    def run(self) -> None:
        """Look until it is enough."""
        while not self._enough.wait(_EVERY_SECONDS):
            for folder in Path("/proc").glob("[0-9]*"):
                self._look(folder)

    def _look(self, folder: Path) -> None:
        try:
            command, status = (folder / "cmdline").read_text(), (folder / "status").read_text()
        except OSError:
            return  # it has ended
        found, size = _OURS.search(command), _LARGEST.search(status)
        if found and size:
            words = [word for word in (found[1] or found[2]).split("\0") if word and "/" not in word][:3]
            name = " ".join(words)
            self.largest[name] = max(self.largest.get(name, 0.0), int(size[1]) / 1024)

    def stop(self) -> None:
        """Stop looking."""
        self._enough.set()
        self.join()


def night(stage: Stage) -> None:
    """Move RESORT, with everything changed at once on the way."""
    setting = Setting(stage)
    setting.pass_seconds()
    setting.wait_verified()
    stage.run("move", "processes", "stop", "m")
    with setting.connect(setting.source) as source:
        for statement in _EVERYTHING:
            source.execute(statement)
    stage.run("move", "processes", "start", "m")
    setting.wait_verified()
    trader = stage.start("hotel", "trade", setting.source, "--property", "RESORT", "--rate", "100", "--for", "PT10S")
    trader.wait()
    setting.wait_verified()
    stage.run("downtime", "schedule", "--organization", "RESORT", "--for", "PT1H", "--users", "out",
              "--reason", "bench")  # fmt: skip
    stage.run("move", "processes", "stop", "m")
    stage.run("hotel", "cashiers", "close", setting.source, "--property", "RESORT")
    with setting.connect(setting.source) as source:
        source.execute(_EVERYTHING[0])
        (today,) = source.execute("select business_date from hotel.property where code = 'RESORT'").fetchone()
    stage.run("move", "downtime", "start", "m", "--business-date", str(today), "--go", "operations=Bench",
              *WAIVED, "--reason", "bench")  # fmt: skip


def main() -> int:
    """Run it and print a table; 1 where a process is too large."""
    watch = Watch()
    watch.start()
    with Stage(lambda line: print(line, flush=True)) as stage:
        night(stage)
    watch.stop()
    for name, size in sorted(watch.largest.items(), key=lambda each: -each[1]):
        print(f"{size:>7.0f} MB  {name}")
    return 1 if max(watch.largest.values()) > MOST_MEGABYTES else 0


if __name__ == "__main__":
    sys.exit(main())
