"""The clock that counts is the database's, for tests too: they wait for it, and for no time of their own.

That something is told *within a second* is measured by `python -m bench.told` and `python -m bench.held`, on a quiet
machine. The check's machine may be busy with other tests: here it is enough that nobody waited for the next look.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from slacktide.control.setting import control_now

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg

TOLD_SECONDS = 5.0  # a third of what the most eager one takes to look by itself


def until_past(connection: psycopg.Connection[Any], instant: datetime) -> None:
    """Wait until the database's clock is behind an instant."""
    while (left := (instant - control_now(connection)).total_seconds()) >= 0:
        time.sleep(max(left, 0.01))


def until_waits(connection: psycopg.Connection[Any], *, name: str) -> None:
    """Wait until a session of this name waits for a lock."""
    waits = "select 1 from pg_stat_activity where application_name = %s and wait_event_type = 'Lock'"
    limit = time.monotonic() + 60
    while connection.execute(waits, [name]).fetchone() is None:
        assert time.monotonic() < limit, "it waits for nobody"
        time.sleep(0.01)
