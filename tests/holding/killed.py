"""A releaser that kills itself with -9 at a named moment: `python killed.py ADDRESS MOMENT`.

The moments are those between two steps of an attempt; without one it releases until it is killed from outside.
"""

from __future__ import annotations

import os
import signal
import sys

import psycopg

from slacktide.holding import attempt, sample, store
from slacktide.holding.release import Releaser
from slacktide.postgres.connection import connect

MOMENTS = {
    "taken": (store, "take", "after"),
    "before the write": (sample.InvoiceWork, "write", "before"),
    "before the commit": (sample.InvoiceWork, "write", "after"),
    "before the note": (store, "finish", "before"),
    "after the note": (store, "finish", "after"),
    "before it is sent": (sample.InvoiceWork, "send", "before"),
    "after it is sent": (sample.InvoiceWork, "send", "after"),
    "before the result is read": (attempt.Attempt, "read_result", "before"),
}


def at(moment):
    """Let this process die where the moment is."""
    where, name, when = MOMENTS[moment]
    function = getattr(where, name)

    def dying(*arguments, **named):
        if when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        function(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(where, name, dying)


def main(address, moment=""):
    if moment:
        at(moment)
    try:
        with connect(address, name="release") as connection:
            Releaser(connection).run(ended=lambda: False)
    except psycopg.OperationalError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(*sys.argv[1:])
