"""A property that moves, driven as an operator drives it: by the commands, called in this process.

What goes on by itself (workers, a down time that is watched) is a process of its own, so that it can be killed.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psycopg

from slacktide.cli import run as run_command
from slacktide.hotel.trade import TradingReport, trade
from slacktide.postgres.connection import connect
from slacktide.transfer.move import load_move

NAME, PROPERTY = "night", "RESORT"
BUSINESS_DATE = "2016-08-15"
WAIVED = tuple(f"--waive={check}=Ada Night" for check in ("contingency", "prediction", "partners"))
_PROGRAM = (sys.executable, "-c", "from slacktide.cli import main; main()")
_STEPS = """
select s.step, s.state from slacktide.procedure_step s join slacktide.procedure p using (move_id, attempt)
join slacktide.move m using (move_id) where m.name = %s order by attempt, ordinal
"""
_STATE = """
select p.state, p.error from slacktide.procedure p join slacktide.move m using (move_id)
where m.name = %s order by attempt desc limit 1
"""
_PID = """
select p.pid from slacktide.move_process p join slacktide.move m using (move_id) where m.name = %s and p.process = %s
"""


class CommandFailedError(AssertionError):
    """A command ended with another status than was expected."""


class TooLateError(AssertionError):
    """What was waited for did not come in so many seconds."""


@dataclass
class Said:
    """What a command ended with and said."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[Any]:
        """Every JSON document that was said."""
        return [json.loads(line) for line in self.out.splitlines() if line.startswith(("{", "["))]

    @property
    def json(self) -> Any:
        """The last of them."""
        return self.lines[-1]


def until(condition: Any, *, seconds: float = 60.0, what: str = "it") -> Any:
    """Wait until the condition gives something true, and give that."""
    limit = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > limit:
            raise TooLateError(what, seconds)
        time.sleep(0.05)
    return found


@dataclass
class Moving:
    """One move, of RESORT unless said otherwise: three databases, and a folder for the spool and what is said."""

    control: str
    source: str
    target: str
    folder: Path
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    name: str = NAME
    property_code: str = PROPERTY

    @property
    def environment(self) -> dict[str, str]:
        """What the commands find in their environment."""
        return {"SLACKTIDE_DATABASE_URL": self.control, "SLACKTIDE_DATA": str(self.folder), "COLUMNS": "150"}

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """End what was started."""
        for process in reversed(self.running):
            self.end(process)

    # -- commands -------------------------------------------------------------------------------------------------

    def run(self, *arguments: str, accept: tuple[int, ...] = (0,)) -> Said:
        """Run one command with --json in this process. Raises CommandFailedError."""
        out, err, before = io.StringIO(), io.StringIO(), os.environ.copy()
        os.environ.update(self.environment)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                status = int(run_command([*arguments, "--json"]))
        finally:
            os.environ.clear()
            os.environ.update(before)
        if status not in accept:
            raise CommandFailedError(" ".join(arguments), status, err.getvalue(), out.getvalue())
        return Said(status, out.getvalue(), err.getvalue())

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a command that goes on by itself; what it says goes to a file of the folder."""
        with (self.folder / f"{arguments[0]}-{len(self.running)}.log").open("wb") as file:
            process = subprocess.Popen(
                [*_PROGRAM, *arguments],
                env=os.environ | self.environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self.running.append(process)
        return process

    def worker(self) -> subprocess.Popen[bytes]:
        """Start a worker, and wait until it is ready."""
        log = self.folder / f"worker-{len(self.running)}.log"
        process = self.start("worker")
        until(lambda: b"ready" in log.read_bytes(), what="the worker")
        return process

    def end(self, process: subprocess.Popen[bytes]) -> int:
        """End what `start` started, the hard way where it does not end by itself."""
        process.terminate()
        try:
            return process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    # -- the move -------------------------------------------------------------------------------------------------

    def create(self) -> None:
        """Write the move down."""
        self.run("move", "create", self.name, "--plan", "hotel", "--property", self.property_code,
                 "--source", self.source, "--target", self.target)  # fmt: skip

    def status(self) -> Any:
        """Give the panels."""
        return self.run("move", "status", self.name).json

    def until_steady(self, *, seconds: float = 120.0) -> None:
        """Wait until the transfer is steady."""
        until(lambda: self.status()["steady"], seconds=seconds, what="steadiness")

    def stopped_steady(self) -> bool:
        """Stop the processes, and tell whether it was steady then; else go on, as an operator would."""
        self.run("move", "processes", "stop", self.name)
        if self.status()["steady"]:
            return True
        self.run("move", "processes", "start", self.name)
        self.until_steady()
        return False

    def schedule(self, *, users: str = "out") -> str:
        """Schedule a downtime of the property, from now on; give its ID."""
        said = self.run("downtime", "schedule", "--organization", self.property_code, "--for", "PT1H", "--users", users,
                        "--reason", "the move")  # fmt: skip
        found = said.json
        return str((found[0] if isinstance(found, list) else found)["id"])

    def start_arguments(self, *more: str, go: bool = True) -> list[str]:
        """Give the command that starts the down time."""
        gos = ["--go", "operations=Ada Night"] if go else []
        return ["move", "downtime", "start", self.name, "--business-date", BUSINESS_DATE, *gos, *WAIVED, *more,
                "--reason", "the move"]  # fmt: skip

    # -- looking --------------------------------------------------------------------------------------------------

    def ask(self, side: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement on control, source or target."""
        with connect(getattr(self, side), name="look") as connection:
            cursor = connection.execute(statement, [*values])
            return cursor.fetchall() if cursor.description else []

    def move(self) -> Any:
        """Give the move as the control database has it."""
        with connect(self.control, name="look") as connection:
            return load_move(connection, name=self.name)

    def procedure(self) -> tuple[str, str | None]:
        """Give the state of the down time and its error."""
        rows = self.ask("control", _STATE, self.name)
        return (rows[0][0], rows[0][1]) if rows else ("not started", None)

    def steps(self) -> dict[str, str]:
        """Give the states of the steps."""
        return dict(self.ask("control", _STEPS, self.name))

    def child(self, process: str) -> int | None:
        """Give the living child that runs a process of the move, if there is one."""
        rows = self.ask("control", _PID, self.name, process)
        pid = rows[0][0] if rows else None
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return None
        return pid if words[-3:-1] == [self.name.encode(), process.encode()] else None

    def kill_child(self, process: str) -> bool:
        """Kill the child that runs a process with -9; False where none does."""
        with contextlib.suppress(psycopg.OperationalError, ProcessLookupError):
            pid = self.child(process)
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
                return True
        return False


class Trading(threading.Thread):
    """A trader in a thread of its own; `report` is there when it ended."""

    def __init__(self, address: str, *, property_code: str, promises: Path, rate: float, seed: int = 1) -> None:
        """Take what `trade` takes."""
        super().__init__(daemon=True)
        self.enough, self.promises, self.property_code = threading.Event(), promises, property_code
        self.report: TradingReport | None = None
        self.failure: BaseException | None = None
        self._facts = {"address": address, "property_code": property_code, "rate": rate, "seed": seed,
                       "promises": promises, "seconds": None, "stop": self.enough}  # fmt: skip

    def run(self) -> None:
        """Trade until told that it is enough, or refused."""
        try:
            self.report = trade(**self._facts)  # type: ignore[arg-type] # the facts of `trade`
        except BaseException as error:  # noqa: BLE001 -- shown by `stop`
            self.failure = error

    def until_promised(self, more: int) -> None:
        """Wait until so many more changes have been promised, or it has failed."""
        wanted = self._promised() + more
        until(lambda: self.failure or self._promised() >= wanted, seconds=120, what=f"{more} promises")

    def _promised(self) -> int:
        return self.promises.read_bytes().count(b"\n") if self.promises.exists() else 0

    def stop(self) -> TradingReport:
        """Stop, and give the report."""
        self.enough.set()
        self.join(60)
        if self.failure is not None:
            raise self.failure
        if self.report is None:
            raise TooLateError
        return self.report

    def __enter__(self) -> Self:
        """Begin."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.enough.set()
        self.join(60)
