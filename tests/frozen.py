"""Sessions that answer no more: their processes are stopped, as when a server's disk or a network hangs."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager


@contextmanager
def frozen(connection, *, name):
    """Let the sessions of a database whose name begins so answer nothing, until it is over."""
    rows = connection.execute(
        "select pid from pg_stat_activity where datname = current_database() and application_name like %s || '%%'",
        [name],
    ).fetchall()
    assert rows
    for (pid,) in rows:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for (pid,) in rows:
            os.kill(pid, signal.SIGCONT)
