"""Loops that a worker keeps running in a process of the system's own, each a thread with a connection of its own.

The process ends at SIGTERM after what is in hand, and when its worker is gone (its input closes). A loop that loses the
control database connects again.
"""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections.abc import Callable, Sequence

import psycopg
from psycopg.rows import TupleRow

from slacktide.core import clock
from slacktide.postgres.connection import Unreachable, connect

_PAUSE_SECONDS = 0.5
_ABANDONED_SECONDS = 10.0

Loop = Callable[[psycopg.Connection[TupleRow], threading.Event], None]


def run(loops: Sequence[Loop], *, options: str = "") -> int:
    """Run all of these until told to end; `options` are those of their connections."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_watch_worker, args=[ended], daemon=True).start()
    threads = [threading.Thread(target=_keep_on, args=[loop, ended, options]) for loop in loops]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 0


def _keep_on(loop: Loop, ended: threading.Event, options: str) -> None:
    """Do it on one connection after the other."""
    while not ended.is_set():
        try:
            address, name = os.environ["SLACKTIDE_DATABASE_URL"], loop.__name__.strip("_")
            with connect(address, name=name, options=options) as connection:
                loop(connection, ended)
        except (psycopg.OperationalError, psycopg.InterfaceError, Unreachable):
            clock.sleep(_PAUSE_SECONDS)
        except Exception:  # noqa: BLE001 -- a bug must not stop what is done for everybody
            traceback.print_exc()
            clock.sleep(_PAUSE_SECONDS)


def _watch_worker(ended: threading.Event) -> None:
    """End when the worker is gone; a process that then hangs is ended the hard way."""
    os.read(0, 1)
    ended.set()
    threading.Timer(_ABANDONED_SECONDS, os._exit, [1]).start()
