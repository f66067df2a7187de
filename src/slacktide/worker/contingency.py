"""Contingency packs by the clock, each in a process of the system's own: `python -m slacktide.worker.contingency MOVE`.

A loop of the worker looks for moves that a pack is due for, and starts the process for one after the other. Any number
of workers may look; who makes a move's pack has its lock. A pack that fails is noted in the control database, shown in
the status of the move, and tried again; that its process dies touches nothing else. One that takes too long is ended,
so that the next move's is made. It gives way to the four processes: the first pack is made while the pass runs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import psycopg
from psycopg.rows import TupleRow

from slacktide.core import clock
from slacktide.core.configuration import contingency_interval
from slacktide.core.errors import SlacktideError
from slacktide.cutover import contingency
from slacktide.postgres.connection import connect
from slacktide.transfer.move import load_move

if TYPE_CHECKING:
    from datetime import timedelta

_LOOK_SECONDS = 5.0
_ENDED_SECONDS = 0.2
_LARGEST_SECONDS = 300.0  # a pack takes some seconds; others wait for theirs
_TOO_LONG = f"it was not made within {_LARGEST_SECONDS:.0f} s, and ended"
_WHO = "worker"
_GIVES_WAY = 5  # niceness: about a third of what others get, where there are too few processors for all


def watch(connection: psycopg.Connection[TupleRow], ended: threading.Event) -> None:
    """Have packs made when they are due, as long as it is not told to end."""
    every = contingency_interval()
    while not ended.wait(_LOOK_SECONDS):
        for name in contingency.due(connection, every=every):
            if not _await(start(name), ended):
                contingency.give_up(connection, name=name, reason=_TOO_LONG)


def start(name: str) -> subprocess.Popen[bytes]:
    """Start the process that makes a move's pack."""
    return subprocess.Popen([sys.executable, "-m", "slacktide.worker.contingency", name], start_new_session=True)


def _await(process: subprocess.Popen[bytes], ended: threading.Event) -> bool:
    """Wait for the process; end it where we are told to end, and where it takes too long: then give False."""
    limit = clock.monotonic_seconds() + _LARGEST_SECONDS
    while process.poll() is None:
        late = clock.monotonic_seconds() > limit
        if ended.wait(_ENDED_SECONDS) or late:
            process.terminate()
            process.wait()
            return not late
    return True


def main(name: str, *, every: timedelta | None = None) -> int:
    """Make a move's pack if it is still due and nobody else makes it; give 1 where it was not made."""
    try:
        with connect(os.environ["SLACKTIDE_DATABASE_URL"], name=f"{name} contingency") as connection:
            move = load_move(connection, name=name)
            if contingency.own(connection, move=move) and name in contingency.due(
                connection, every=every or contingency_interval()
            ):
                contingency.make(connection, move=move, who=_WHO)
    except (SlacktideError, psycopg.Error) as error:
        print(f"slacktide: {name} contingency: {error}", file=sys.stderr)  # noqa: T201 -- its worker's standard error
        return 1
    return 0


if __name__ == "__main__":
    os.nice(_GIVES_WAY)
    sys.exit(main(sys.argv[1]))
