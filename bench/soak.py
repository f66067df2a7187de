"""Kill everything at random while a property moves, prove each run, and add the runs up.

    python -m bench.soak --seed 1 --runs 20

Each run moves RESORT of a small sample hotel between servers of the soak's own, while it trades. At random moments the
children of the four processes, the worker, and the servers of control, source and target are killed with -9: at least
five of them before the down time, one to three in it. Then the procedure has to end `open`, and everything is proven:
every promise of the trader, every object by content, money to the last cent, and what `tests.cutover.proof` lists.

What is killed, and after which pause, depends on the seed and the number of the run; what that meets depends on the
machine. It ends with 1 if anything differed, and leaves nothing running.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psycopg
from psycopg.sql import SQL, Identifier

from bench.setting import BALANCE
from slacktide.core.errors import SlacktideError
from slacktide.cutover import result
from slacktide.cutover.attempt import WORKING
from slacktide.hotel import day, loading, schema
from slacktide.hotel.promise_check import check_promises
from slacktide.postgres.connection import connect
from slacktide.postgres.server import Server
from slacktide.transfer.journal import DOWN_TIME, PROCESSES
from tests.cutover import proof
from tests.cutover.moving import NAME, PROPERTY, Moving, Trading, until

BOOKINGS = 150
RATE, CITY_RATE = 40.0, 5.0
SERVERS = ("control", "source", "target")
KINDS = (*PROCESSES, "worker", *SERVERS)
IN_DOWN_TIME = (DOWN_TIME, DOWN_TIME, *SERVERS, "worker")
STEADY_SECONDS = OPEN_SECONDS = 120.0
_TEMPLATE = "hotel_template"
# Copied by the log, a sequence that has drawn values draws them again after a kill (seen with PostgreSQL 18): its page
# is newer than the checkpoint, so that the next draws are not logged. Copied as files it logs the first one.
_COPY = SQL("create database {} template {} strategy file_copy")


@dataclass
class Outcome:
    """What one run came to."""

    number: int
    kills: Counter[str] = field(default_factory=Counter)
    down_kills: Counter[str] = field(default_factory=Counter)
    changes: int = 0
    promised: int = 0
    found: int = 0
    verified: int = 0
    down_seconds: float = 0.0
    seconds: float = 0.0
    differences: list[str] = field(default_factory=list)

    def line(self) -> str:
        """Say it in a line."""
        killed = ", ".join(f"{kind} {n}" for kind, n in [*self.kills.items()])
        down = ", ".join(f"{kind} {n}" for kind, n in [*self.down_kills.items()])
        return (
            f"run {self.number:>3}: {'DIFFERS' if self.differences else 'equal'}; {self.changes} changes, "
            f"{self.found} of {self.promised} promised objects found, {self.verified} verified; "
            f"down {self.down_seconds:.1f} s of {self.seconds:.1f} s; killed {killed}; in the down time {down}"
        )


class House:
    """The three servers, and the sample hotel to be copied for each run."""

    def __init__(self, folder: Path, *, keep: bool) -> None:
        """Take a folder; nothing runs yet."""
        self.folder, self.keep = folder, keep
        self.servers = {name: Server(folder / name) for name in SERVERS}

    def __enter__(self) -> Self:
        """Start the servers and make the sample."""
        for server in self.servers.values():
            server.attach()
        for side in ("source", "target"):
            server = self.servers[side]
            server.create_database(_TEMPLATE)
            schema.create(address=server.address(_TEMPLATE))
        here = self.servers["source"].address(_TEMPLATE)
        loading.load(address=here, bookings_per_property=BOOKINGS)
        day.cashiers_close(address=here, property_code=PROPERTY)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop and remove them."""
        for server in self.servers.values():
            server.restart()
            server.leave()
            if not self.keep:
                server.destroy()

    def begin(self, number: int) -> Moving:
        """Make fresh databases for a run."""
        addresses = {}
        for side, server in self.servers.items():
            name, template = f"{side}_{number}", "template0" if side == "control" else _TEMPLATE
            with psycopg.connect(server.address(), autocommit=True) as connection:
                connection.execute(_COPY.format(Identifier(name), Identifier(template)))
            addresses[side] = server.address(name)
        folder = self.folder / f"run-{number}"
        folder.mkdir()
        return Moving(**addresses, folder=folder)

    def kill(self, side: str, *, pause: float) -> None:
        """Kill a server, and bring it back after a pause."""
        self.servers[side].kill()
        time.sleep(pause)
        self.servers[side].restart()

    def forget(self, number: int) -> None:
        """Drop the databases of a run."""
        for side, server in self.servers.items():
            with psycopg.connect(server.address(), autocommit=True) as connection:
                connection.execute(SQL("drop database {} with (force)").format(Identifier(f"{side}_{number}")))


class Run:
    """One run: its dice, its move, and what was killed."""

    def __init__(self, house: House, moving: Moving, *, dice: random.Random, number: int) -> None:
        """Take what the run works with."""
        self.house, self.moving, self.dice = house, moving, dice
        self.outcome = Outcome(number)

    def go(self) -> Outcome:
        """Move the property, kill on the way, prove it."""
        begun = time.monotonic()
        try:
            self._move()
        except (AssertionError, SlacktideError, psycopg.Error) as error:
            self.outcome.differences.append(f"{type(error).__name__}: {' '.join(str(error).split())}")
            self.outcome.differences += self._situation()
        self.outcome.seconds = time.monotonic() - begun
        return self.outcome

    def _situation(self) -> list[str]:
        """Say how the move stands, where something did not come."""
        try:
            seen = self.moving.status()
            said = [f"{name}: {panel['state']} {panel['waits_for'] or ''}" for name, panel in seen["processes"].items()]
            checks = self.moving.run(*self._check(), accept=(0, 1)).json["checks"]
            unmet = [f"not met: {check['title']}: {check['reason']}" for check in checks if not check["ok"]]
            return [*said, *seen["errors"], *unmet, f"down time: {self.moving.procedure()} {self.moving.steps()}"]
        except (AssertionError, SlacktideError, psycopg.Error) as error:
            return [f"nobody knows how it stands: {' '.join(str(error).split())}"]

    def _move(self) -> None:
        moving, folder = self.moving, self.moving.folder
        self.worker = moving.worker()
        moving.create()
        seed = self.dice.randrange(1_000_000)
        trader = Trading(moving.source, property_code=PROPERTY, promises=folder / "promises", rate=RATE, seed=seed)
        city = Trading(moving.source, property_code="CITY", promises=folder / "city", rate=CITY_RATE, seed=seed + 1)
        with trader, city:
            moving.run("move", "processes", "start", NAME)
            for kind in self._chosen():
                time.sleep(self.dice.uniform(0.05, 0.8))
                self._kill(kind, self.outcome.kills)
            moving.until_steady(seconds=STEADY_SECONDS)
            if self.dice.choice([True, False]):
                until(lambda: "verified" in moving.move().facts, seconds=STEADY_SECONDS, what="verification ahead")
            self._down_time()
            report = trader.stop()
            city.stop()
        self.outcome.changes = report.promises
        if report.ended not in {"closed", "reference only"}:
            self.outcome.differences.append(f"the trader ended by {report.ended}, not by the closing")
        self._prove()

    def _chosen(self) -> list[str]:
        """Choose what is killed: five to eight, no kind twice before the others had their turn in the runs."""
        return self.dice.sample(KINDS, self.dice.randint(5, len(KINDS)))

    def _kill(self, kind: str, counted: Counter[str]) -> None:
        pause = self.dice.uniform(0.0, 0.6)
        if kind in SERVERS:
            self.house.kill(kind, pause=pause)
        elif kind == "worker":
            self.worker.kill()
            self.worker.wait()
            time.sleep(pause)
            self.worker = self.moving.worker()
        else:
            killed = until(lambda: self._kill_child(kind), what=f"the child of {kind}")
            if killed == "over":
                return
        counted[kind] += 1

    def _kill_child(self, process: str) -> str | None:
        """Kill a process's child; the procedure may be over already."""
        if self.moving.kill_child(process):
            return "killed"
        return "over" if process == DOWN_TIME and self._over() else None

    # -- the down time --------------------------------------------------------------------------------------------

    def _down_time(self) -> None:
        moving, dice = self.moving, self.dice
        moving.schedule()
        until(self._stopped_steady, seconds=STEADY_SECONDS, what="the preconditions")
        moving.start(*moving.start_arguments("--json"))
        until(lambda: moving.procedure()[0] != "not started", what="the start")
        steps = sorted(dice.sample(range(len(moving.steps())), dice.randint(1, 3)))
        for kind, step in [(dice.choice(IN_DOWN_TIME), step) for step in steps]:
            until(lambda step=step: self._over() or self._at(step), seconds=OPEN_SECONDS, what=f"step {step}")
            time.sleep(dice.uniform(0.0, 0.1))
            self._kill(kind, self.outcome.down_kills)
        until(self._over, seconds=OPEN_SECONDS, what="the end of the down time")

    def _stopped_steady(self) -> bool:
        """Stop the processes; where it was not steady at that moment, go on as an operator would."""
        self.moving.run("move", "processes", "stop", NAME)
        found = self.moving.run(*self._check(), accept=(0, 1)).json
        if any(check["name"] == "steady" and not check["ok"] for check in found["checks"]):
            self.moving.run("move", "processes", "start", NAME)
            self.moving.until_steady(seconds=STEADY_SECONDS)
        return bool(found["ok"])

    @staticmethod
    def _check() -> list[str]:
        return ["move", "downtime", "check", NAME, "--business-date", "2016-08-15",
                *(f"--waive={name}=Ada Night" for name in ("contingency", "prediction", "partners"))]  # fmt: skip

    def _at(self, step: int) -> bool:
        states = [*self.moving.steps().values()]
        return states[step] != "waiting"

    def _over(self) -> bool:
        try:
            return self.moving.procedure()[0] not in ("not started", *WORKING)
        except (psycopg.OperationalError, SlacktideError):
            return False

    # -- the proof ------------------------------------------------------------------------------------------------

    def _prove(self) -> None:
        outcome, moving = self.outcome, self.moving
        state, error = moving.procedure()
        if state != "open":
            outcome.differences.append(f"the down time ended {state}: {error}")
            return
        outcome.differences += [*self._wrong_result(), *self._broken_promises()]
        found = proof.compared(moving)
        outcome.verified = found.read
        outcome.differences += proof.not_equal(found)
        outcome.differences += proof.not_whole(moving)
        outcome.differences += proof.not_refused(moving, role="soak_clerk")
        # Where the control database was killed at the end, no worker is seen until it has connected anew.
        until(lambda: moving.run("move", "miscellaneous", NAME, accept=(0, 1)).status == 0, what="a worker")
        moving.run("hotel", "end-of-day", moving.target, "--property", PROPERTY)
        moving.ask("target", BALANCE)
        moving.run("move", "clean", NAME, "--apply", "--reason", "the soak")
        outcome.differences += proof.left_behind(moving)
        outcome.differences += [f"after clean: {text}" for text in proof.not_refused(moving, role="soak_clerk")]

    def _wrong_result(self) -> list[str]:
        with connect(self.moving.control, name="soak") as control:
            found = result.of(control, move=self.moving.move())
        self.outcome.down_seconds = found["down_seconds"]
        wrong = [f"{found['differences']} differences in the result"] if found["differences"] else []
        for what in ("totals", "rows"):
            wrong += [f"{what} {n}: {both}" for n, both in found[what].items() if both["source"] != both["target"]]
        return wrong

    def _broken_promises(self) -> list[str]:
        folder, outcome = self.moving.folder, self.outcome
        report = check_promises(address=self.moving.target, promises=folder / "promises")
        outcome.promised, outcome.found = report.promised, report.found
        city = check_promises(address=self.moving.source, promises=folder / "city")
        return [
            f"{where}{what}: {broken.entity} {broken.key} promised {broken.promised}, found {broken.found}"
            for where, checked in (("", report), ("CITY ", city))
            for what in ("missing", "older", "still_there")
            for broken in getattr(checked, what)[:5]
        ]


def main() -> int:
    """Run the soak; 1 if anything differed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--only", type=int, help="this run of the seed alone")
    parser.add_argument("--keep", action="store_true", help="leave the folder, with the databases of runs that differ")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is ended
    folder = Path(tempfile.mkdtemp(prefix="slacktide-soak-"))
    outcomes = []
    try:
        with House(folder, keep=arguments.keep) as house:
            for number in [arguments.only] if arguments.only else range(1, arguments.runs + 1):
                outcomes.append(one(house, seed=arguments.seed, number=number))
                say(outcomes[-1])
    finally:
        if arguments.keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    for name, value in table(outcomes):
        print(f"{name:<34} {value:>10}")
    return 1 if not outcomes or any(outcome.differences for outcome in outcomes) else 0


def one(house: House, *, seed: int, number: int) -> Outcome:
    """Do one run on fresh databases."""
    dice = random.Random(f"{seed} {number}")  # noqa: S311 -- to be repeated, not to be secret
    with house.begin(number) as moving:
        outcome = Run(house, moving, dice=dice, number=number).go()
    if not (house.keep and outcome.differences):
        with contextlib.suppress(psycopg.Error):
            house.forget(number)
    return outcome


def say(outcome: Outcome) -> None:
    """Print a run's line, and what differed."""
    print(outcome.line(), flush=True)
    for difference in outcome.differences:
        print(f"    {difference}", flush=True)


def table(outcomes: list[Outcome]) -> list[tuple[str, Any]]:
    """Add the runs up."""
    before, within = Counter[str](), Counter[str]()
    for outcome in outcomes:
        before += outcome.kills
        within += outcome.down_kills
    return [
        ("runs", len(outcomes)),
        *((f"killed while trading: {kind}", before[kind]) for kind in KINDS),
        *((f"killed in the down time: {kind}", within[kind]) for kind in dict.fromkeys(IN_DOWN_TIME)),
        ("killed in all", before.total() + within.total()),
        ("changes promised", sum(o.changes for o in outcomes)),
        ("objects promised", sum(o.promised for o in outcomes)),
        ("objects found", sum(o.found for o in outcomes)),
        ("objects verified after open", sum(o.verified for o in outcomes)),
        ("runs that differ", sum(bool(o.differences) for o in outcomes)),
        ("differences", sum(len(o.differences) for o in outcomes)),
    ]


if __name__ == "__main__":
    sys.exit(main())
