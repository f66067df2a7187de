"""The stage of a demonstration: a folder with its servers, and the commands that are run on it as a user types them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from slacktide.core.errors import OutsideError
from slacktide.postgres.server import Server

_END_SECONDS = 30


class CommandFailed(OutsideError):
    """`{command}` ended with {status}: {reason}."""


class Stage:
    """A folder of its own under the system's temporary one, gone afterwards with everything that ran on it."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """Take what says a line to the person who watches."""
        self.say = say
        self.folder = Path(tempfile.mkdtemp(prefix="slacktide-demo-"))
        self.environment = os.environ | {"SLACKTIDE_DATA": str(self.folder / "control"), "COLUMNS": "150"}
        self.environment.pop("SLACKTIDE_DATABASE_URL", None)
        self._servers: list[Server] = []
        self._running: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        """Set it up; a SIGTERM ends the demonstration as an interrupt does, so that nothing is left running."""
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        return self

    def __exit__(self, *_: object) -> None:
        """End what was started, and remove the folder."""
        for running in self._running:
            self.end(running)
        for server in reversed(self._servers):
            server.leave()
            server.destroy()
        shutil.rmtree(self.folder, ignore_errors=True)

    def server(self, name: str) -> Server:
        """Start a server of its own."""
        server = Server(self.folder / name)
        server.attach()
        self._servers.append(server)
        return server

    def run(self, *arguments: str, show: bool = True, accept: tuple[int, ...] = (0,)) -> Any:
        """Run a command with --json and give what it said. Raises CommandFailed."""
        if show:
            self.say(f"$ {_typed(arguments)}")
        result = subprocess.run(
            [*_program(), *arguments, "--json"], env=self.environment, capture_output=True, text=True, check=False
        )
        if result.returncode not in accept:
            reason = " ".join((result.stderr or result.stdout).split())
            raise CommandFailed(command=_typed(arguments), status=result.returncode, reason=reason)
        lines = [json.loads(line) for line in result.stdout.splitlines() if line.startswith(("{", "["))]
        return lines[-1] if len(lines) == 1 else lines

    def start(self, *arguments: str, output: Path | None = None) -> subprocess.Popen[str]:
        """Start a command that goes on by itself."""
        self.say(f"$ {_typed(arguments)} &")
        with (output or Path(os.devnull)).open("w") as file:
            running = subprocess.Popen(
                [*_program(), *arguments],
                env=self.environment,
                stdout=file,
                stderr=file,
                text=True,
                start_new_session=True,
            )
        self._running.append(running)
        return running

    def end(self, running: subprocess.Popen[str]) -> int:
        """End a command that goes on, and wait for it."""
        if running.poll() is None:
            running.terminate()
        try:
            return running.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            running.kill()
            return running.wait()

    def kill(self, running: subprocess.Popen[str]) -> None:
        """Kill a command with -9, as a failing machine would."""
        running.send_signal(signal.SIGKILL)
        running.wait()


def _program() -> list[str]:
    return [sys.executable, "-c", "from slacktide.cli import main; main()"]


def _typed(arguments: tuple[str, ...]) -> str:
    return " ".join(["slacktide", *(f'"{a}"' if " " in a else _short(a) for a in arguments)])


def _short(argument: str) -> str:
    """Show a long address by the name of its database."""
    if argument.startswith("postgresql://"):
        return f"postgresql://.../{argument.partition('?')[0].rpartition('/')[2]}"
    return argument
