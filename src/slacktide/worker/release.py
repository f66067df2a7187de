"""The release of held work, in a process of the system's own: `python -m slacktide.worker.release`.

It copies the windows into the places (`holding.window`), and does what `worker.upkeep` says. It has a few releasers,
each a thread with a connection of its own; who releases an organization's work is decided by its lock on the control
database, so that any number of these processes may run. It ends at SIGTERM after the items in hand, and when its worker
is gone (its input closes). A releaser that loses the control database connects again.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable

import psycopg
from psycopg.rows import TupleRow

from slacktide.core import clock
from slacktide.holding.release import Releaser
from slacktide.holding.window import Copier
from slacktide.postgres.connection import Unreachable, connect
from slacktide.worker import upkeep

RELEASERS = 3
_OPTIONS = "-c lock_timeout=2000"  # whoever hands work in, in a long transaction, holds up no other organization
_PAUSE_SECONDS = 0.5
_ABANDONED_SECONDS = 10.0


def main() -> int:
    """Release until told to end."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_watch_worker, args=[ended], daemon=True).start()
    does = [*[_release] * RELEASERS, _copy, upkeep.drain, upkeep.tidy]
    threads = [threading.Thread(target=_keep_on, args=[does_one, ended]) for does_one in does]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 0


def _release(connection: psycopg.Connection[TupleRow], ended: threading.Event) -> None:
    Releaser(connection).run(ended=ended.is_set)


def _copy(connection: psycopg.Connection[TupleRow], ended: threading.Event) -> None:
    Copier(connection).run(ended=ended.is_set)


def _keep_on(does: Callable[[psycopg.Connection[TupleRow], threading.Event], None], ended: threading.Event) -> None:
    """Do it on one connection after the other."""
    while not ended.is_set():
        try:
            address, name = os.environ["SLACKTIDE_DATABASE_URL"], does.__name__.strip("_")
            with connect(address, name=name, options=_OPTIONS) as connection:
                does(connection, ended)
        except (psycopg.OperationalError, psycopg.InterfaceError, Unreachable):
            clock.sleep(_PAUSE_SECONDS)
        except Exception:  # noqa: BLE001 -- a bug must not stop the release of everybody's work
            traceback.print_exc()
            clock.sleep(_PAUSE_SECONDS)


def _watch_worker(ended: threading.Event) -> None:
    """End when the worker is gone; a process that then hangs is ended the hard way."""
    os.read(0, 1)
    ended.set()
    threading.Timer(_ABANDONED_SECONDS, os._exit, [1]).start()


if __name__ == "__main__":
    sys.exit(main())
