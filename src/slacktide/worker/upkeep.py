"""What a worker does beside moves and held work: drains at their deadline, and cleaning up.

Each is a look every so often, on a connection of its own; any number of workers may do it at once.
"""

from __future__ import annotations

import threading

import psycopg
from psycopg.rows import TupleRow

from slacktide.cutover.drain import carry_out

_DRAIN_SECONDS = 1.0


def drain(connection: psycopg.Connection[TupleRow], ended: threading.Event) -> None:
    """Carry out the drains that are due, as long as it is not told to end."""
    while not ended.is_set():
        carry_out(connection)
        ended.wait(_DRAIN_SECONDS)
