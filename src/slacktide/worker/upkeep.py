"""What a worker does beside moves and held work: drains at their deadline, sources to be opened, waves, cleaning up.

Each is a look every so often, on a connection of its own; any number of workers may do it at once.
"""

from __future__ import annotations

import itertools
import threading

import psycopg
from psycopg.rows import TupleRow

from slacktide.control.cleaning import clean
from slacktide.control.lease import record_ends
from slacktide.core.configuration import move_retention, retention
from slacktide.cutover import rehearsal
from slacktide.cutover.abandon import open_sources
from slacktide.cutover.bulkhead import Bulkhead
from slacktide.cutover.drain import carry_out
from slacktide.cutover.purging import purge
from slacktide.cutover.wave_move import advance
from slacktide.holding.retry import forget_jobs

_DRAIN_SECONDS = 1.0
_REOPEN_SECONDS = 0.5
_SWEEP_SECONDS = 2.0
_WAVE_SECONDS = 0.3
_MINUTE_SECONDS = 60.0
_CLEAN_MINUTES = 60


def drain(connection: psycopg.Connection[TupleRow], ended: threading.Event) -> None:
    """Carry out the drains that are due, as long as it is not told to end."""
    bulkhead = Bulkhead("drain")
    while not ended.is_set():
        carry_out(connection, bulkhead=bulkhead)
        ended.wait(_DRAIN_SECONDS)


def reopen(connection: psycopg.Connection[TupleRow], ended: threading.Event) -> None:
    """Open the sources whose down time was abandoned by somebody who did not come so far, until told to end."""
    bulkhead = Bulkhead("abandon")
    while not ended.is_set():
        open_sources(connection, bulkhead=bulkhead)
        ended.wait(_REOPEN_SECONDS)


def sweep(connection: psycopg.Connection[TupleRow], ended: threading.Event) -> None:
    """Clear away what a rehearsal left whose command is gone, until told to end."""
    bulkhead = Bulkhead("rehearsal")
    while not ended.is_set():
        rehearsal.sweep(connection, bulkhead=bulkhead)
        ended.wait(_SWEEP_SECONDS)


def wave(connection: psycopg.Connection[TupleRow], ended: threading.Event) -> None:
    """Do for the moves of started waves what comes next, until told to end."""
    while not ended.is_set():
        advance(connection)
        ended.wait(_WAVE_SECONDS)


def tidy(connection: psycopg.Connection[TupleRow], ended: threading.Event) -> None:
    """Record every minute which leases are over, and delete hourly what is kept no longer, until told to end."""
    keep, keep_moves, bulkhead = retention(), move_retention(), Bulkhead("purge")
    for minute in itertools.count():
        record_ends(connection)
        if minute % _CLEAN_MINUTES == 0:
            clean(connection, keep=keep)
            forget_jobs(connection, keep=keep)
            purge(connection, keep=keep_moves, bulkhead=bulkhead)
        if ended.wait(_MINUTE_SECONDS):
            return
