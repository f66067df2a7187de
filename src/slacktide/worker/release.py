"""The release of held work, in a process of the system's own: `python -m slacktide.worker.release`.

It has a few releasers, each a thread with a connection of its own; who releases an organization's work is decided by
its lock on the control database, so that any number of these processes may run. It ends at SIGTERM after the items in
hand, and when its worker is gone (its input closes). A releaser that loses the control database connects again.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback

import psycopg

from slacktide.core import clock
from slacktide.holding.release import Releaser
from slacktide.postgres.connection import Unreachable, connect

RELEASERS = 3
_PAUSE_SECONDS = 0.5
_ABANDONED_SECONDS = 10.0


def main() -> int:
    """Release until told to end."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_watch_worker, args=[ended], daemon=True).start()
    releasers = [threading.Thread(target=_release, args=[ended]) for _ in range(RELEASERS)]
    for releaser in releasers:
        releaser.start()
    for releaser in releasers:
        releaser.join()
    return 0


def _release(ended: threading.Event) -> None:
    """Release, on one connection after the other."""
    while not ended.is_set():
        try:
            with connect(os.environ["SLACKTIDE_DATABASE_URL"], name="release") as connection:
                Releaser(connection).run(ended=ended.is_set)
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
