"""The locks that everybody passes who opens tasks, and that a closing takes alone.

Who opens a task holds the shared locks of the site and of its organization, in this order, before looking at the
schedule, until the lease is committed. Who measures holds the scope's lock alone, after the start: then everybody who
was let in before the start has left a trace that can be counted, and who comes later is judged by the downtime. The
measuring gives up after a moment and comes again, so that nobody queues behind it for long.
"""

from __future__ import annotations

from typing import Any

import psycopg

from slacktide.postgres.sql import load

_sql = load("slacktide.control", "passage.sql")
_SITE = ""


def hold(connection: psycopg.Connection[Any], *, organization: str) -> None:
    """Hold the shared locks of the site and an organization until the end of the transaction."""
    for scope in (_SITE, organization):
        connection.execute(_sql["hold"], {"scope": scope})


def hold_site(connection: psycopg.Connection[Any]) -> None:
    """Hold the shared lock of the site until the end of the transaction."""
    connection.execute(_sql["hold"], {"scope": _SITE})


def try_close(connection: psycopg.Connection[Any], *, organization: str | None, timeout_ms: int = 300) -> bool:
    """Hold a scope's lock alone until the end of the transaction; tell whether it came in time."""
    try:
        with connection.transaction():
            connection.execute(_sql["timeout"], {"milliseconds": f"{timeout_ms}ms"})
            connection.execute(_sql["close"], {"scope": organization or _SITE})
    except psycopg.errors.LockNotAvailable:
        return False
    return True
