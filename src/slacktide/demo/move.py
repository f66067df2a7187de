"""The demonstration of a move: a property with real bookings moves while it trades, through one short down time.

Everything is done by the commands that an operator types; only the looking is done here. It ends with a table that
anybody can check, and with an error if anything is missing or differs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg

from slacktide.core import clock
from slacktide.core.errors import OutsideError
from slacktide.demo.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Callable

_NAME = "resort"
_PROPERTY = "RESORT"
_STEADY_SECONDS = 180.0
_WAIVED = ("contingency=Ada Night", "prediction=Ada Night", "partners=Ada Night")


class NotProven(OutsideError):
    """The demonstration ended with differences: {differences}."""


class NotSteady(OutsideError):
    """The transfer did not become steady within {seconds} s: {state}."""


class Shown(msgspec.Struct):
    """What the demonstration shows while it runs, and at the end."""

    result: dict[str, Any]
    promises: dict[str, Any]
    rows: dict[str, dict[str, int]]
    city_promises: dict[str, Any]
    killed: list[str]

    @property
    def differences(self) -> list[str]:
        """Name everything that is not as it must be."""
        broken = [name for name in ("missing", "older", "still_there") if self.promises.get(name)]
        city = [f"CITY {name}" for name in ("missing", "older", "still_there") if self.city_promises.get(name)]
        totals = [n for n, both in self.result["totals"].items() if both["source"] != both["target"]]
        rows = [n for n, both in self.rows.items() if both["source"] != both["target"]]
        counted = [f"{self.result['differences']} objects"] if self.result["differences"] else []
        opened = [] if self.result["result"] == "open" else [f"the result is {self.result['result']}"]
        return [*opened, *broken, *city, *totals, *rows, *counted]


def run(*, bookings: Path | None, say: Callable[[str], None], window: Callable[[dict[str, Any]], None]) -> Shown:
    """Run the demonstration; `say` gets lines, `window` the move's status while it runs. Raises NotProven."""
    with Stage(say) as stage:
        say("Three PostgreSQL servers start: control, source, target.")
        stage.server("control")
        source, target = stage.server("source"), stage.server("target")
        for server in (source, target):
            server.create_database("hotel")
        here, there = source.address("hotel"), target.address("hotel")
        worker = _set_up(stage, here, there, bookings)
        promises, city = stage.folder / "promises.jsonl", stage.folder / "city.jsonl"
        trader = _trade(stage, here, _PROPERTY, promises, rate=30)
        city_trader = _trade(stage, here, "CITY", city, rate=10)
        stage.run("move", "processes", "start", _NAME)
        killed = _until_steady(stage, window, worker)
        result = _down_time(stage, here)
        stage.end(trader)
        stage.end(city_trader)
        found = Shown(
            result=result,
            promises=stage.run("hotel", "promises", "check", there, str(promises), accept=(0, 1)),
            city_promises=stage.run("hotel", "promises", "check", here, str(city), accept=(0, 1)),
            rows=result["rows"],
            killed=killed,
        )
        if found.differences:
            raise NotProven(differences=", ".join(found.differences))
        return found


def _set_up(stage: Stage, here: str, there: str, bookings: Path | None) -> Any:
    stage.run("hotel", "create", here)
    stage.run("hotel", "create", there)
    loaded = stage.run("hotel", "load", here, *(["--bookings", str(bookings)] if bookings else []))
    where = "" if bookings else " (the shipped sample: no file was given)"
    stage.say(f"  {sum(loaded['read'].values()):,} bookings came in{where}")
    stage.run("hotel", "cashiers", "close", here, "--property", _PROPERTY)
    worker = stage.start("worker")
    stage.run("move", "create", _NAME, "--plan", "hotel", "--property", _PROPERTY, "--source", here, "--target", there)
    stage.run("move", "connections", _NAME)
    stage.run("move", "configure", _NAME)
    stage.run("move", "convert", _NAME)
    stage.run("move", "prepare", _NAME, "--apply")
    return worker


def _trade(stage: Stage, address: str, code: str, promises: Path, *, rate: int) -> Any:
    return stage.start("hotel", "trade", address, "--property", code, "--rate", str(rate), "--promises", str(promises))


def _until_steady(stage: Stage, window: Callable[[dict[str, Any]], None], worker: Any) -> list[str]:
    """Show the panels until the transfer is steady and verified; kill the worker with -9 on the way."""
    limit = clock.monotonic_seconds() + _STEADY_SECONDS
    killed: list[str] = []
    while True:
        seen = stage.run("move", "status", _NAME, show=False)
        window(seen)
        if not killed and seen["processes"]["process"]["done"] > 0:
            stage.kill(worker)
            killed.append(f"worker {worker.pid}")
            stage.say("  the worker was killed with -9; another one takes over")
            stage.start("worker")
        if killed and seen["steady"] and _verified(stage):
            return killed
        if seen["errors"] or clock.monotonic_seconds() > limit:
            raise NotSteady(seconds=int(_STEADY_SECONDS), state="; ".join(seen["errors"]) or "see the panels")
        clock.sleep(1.0)


def _verified(stage: Stage) -> bool:
    found = stage.run("move", "verify", _NAME, show=False, accept=(0, 1))
    return bool(found.get("verified"))


def _down_time(stage: Stage, here: str) -> dict[str, Any]:
    """Schedule the downtime, stop the processes, and start the procedure."""
    stage.run("downtime", "schedule", "--organization", _PROPERTY, "--for", "PT1H", "--users", "out",
              "--reason", "the move to the new system")  # fmt: skip
    stage.run("move", "processes", "stop", _NAME)
    with psycopg.connect(here) as connection:
        row = connection.execute("select business_date from hotel.property where code = %s", [_PROPERTY]).fetchone()
    waived = [word for each in _WAIVED for word in ("--waive", each)]
    lines = stage.run("move", "downtime", "start", _NAME, "--business-date", str(row[0] if row else ""),
                      "--go", "operations=Ada Night", *waived, "--reason", "the move to the new system",
                      accept=(0, 1, 75))  # fmt: skip
    result: dict[str, Any] = lines[-1] if isinstance(lines, list) else lines
    return result
