"""One process of one move, in a process of the system's own: `python -m slacktide.worker.child MOVE PROCESS`.

It ends when it is no longer wanted, at SIGTERM after the batch in hand, when its worker is gone (its input closes),
and when the control database is lost.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

import psycopg

from slacktide.postgres.connection import Unreachable, connect
from slacktide.transfer import loop
from slacktide.transfer.journal import DOWN_TIME, Journal, OwnedElsewhere
from slacktide.transfer.move import load_move

_ABANDONED_SECONDS = 10.0


def main(name: str, process: str) -> int:
    """Run the process; give the exit status: 0 ended as wanted, 1 the control database was lost or it has an owner."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_watch_worker, args=[ended], daemon=True).start()
    try:
        with connect(os.environ["SLACKTIDE_DATABASE_URL"], name=f"{name} {process}") as connection:
            move = load_move(connection, name=name)
            journal = Journal(connection, move_id=move.move_id, process=process)
            if process == DOWN_TIME:
                from slacktide.cutover import procedure  # noqa: PLC0415 -- only this one needs it

                procedure.run(move=move, journal=journal, ended=ended.is_set)
            else:
                loop.run(move=move, journal=journal, ended=ended.is_set)
    except (psycopg.OperationalError, Unreachable, OwnedElsewhere) as error:
        print(f"slacktide: {name} {process}: {error}", file=sys.stderr)  # noqa: T201 -- its worker's standard error
        return 1
    return 0


def _watch_worker(ended: threading.Event) -> None:
    """End when the worker is gone; a process that then hangs is ended the hard way."""
    os.read(0, 1)
    ended.set()
    threading.Timer(_ABANDONED_SECONDS, os._exit, [1]).start()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
