"""The release of held work, in a process of the system's own: `python -m slacktide.worker.release`.

It copies the windows into the places (`holding.window`), and does what `worker.upkeep` says. It has a few releasers,
each a thread with a connection of its own; who releases an organization's work is decided by its lock on the control
database, so that any number of these processes may run.
"""

from __future__ import annotations

import sys
import threading

import psycopg
from psycopg.rows import TupleRow

from slacktide.holding.release import Releaser
from slacktide.holding.window import Copier
from slacktide.worker import contingency, loop, upkeep

RELEASERS = 3
WAVERS = 2  # one that waits for a database holds no other move of a wave up
_OPTIONS = "-c lock_timeout=2000"  # whoever hands work in, in a long transaction, holds up no other organization


def main() -> int:
    """Release until told to end."""
    loops = [*[_release] * RELEASERS, _copy, upkeep.drain, upkeep.reopen, upkeep.sweep, upkeep.tidy, contingency.watch]
    return loop.run([*loops, *[upkeep.wave] * WAVERS], options=_OPTIONS)


def _release(connection: psycopg.Connection[TupleRow], ended: threading.Event) -> None:
    Releaser(connection).run(ended=ended.is_set)


def _copy(connection: psycopg.Connection[TupleRow], ended: threading.Event) -> None:
    Copier(connection).run(ended=ended.is_set)


if __name__ == "__main__":
    sys.exit(main())
