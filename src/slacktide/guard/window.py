"""A database's own copy of the windows known beforehand: interface tables refuse from each start, by themselves.

1. The control database is unreachable when a window begins: the copy is here, and `clock_timestamp()` decides.
2. A transaction began before the start and writes after it: `now()` would let it pass, so it is not asked.
3. The windows change while an old snapshot is in use: the change raises the epoch, as a closing does.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec
from psycopg import Connection
from psycopg.rows import TupleRow

from slacktide.core.interval import Period
from slacktide.guard import closing
from slacktide.postgres.sql import load

_STATEMENTS = load(__package__, "window.sql")
_CLOSING = load(__package__, "closing.sql")


class Window(msgspec.Struct, frozen=True):
    """A downtime of an organization, or of the site (''), as a database keeps it."""

    organization: str
    period: Period
    reason: str = ""

    @property
    def start(self) -> datetime:
        """The first instant at which an interface table refuses."""
        return self.period.start


def set_windows(connection: Connection[TupleRow], *, organization: str, windows: Iterable[Window]) -> None:
    """Replace the windows of one organization, or of the site (''), by these."""
    closing.register(connection, organization=organization)
    names = {"organization": organization}
    with connection.transaction():
        connection.execute(_CLOSING["synchronous"])
        connection.execute(_CLOSING["raise"], {"organizations": [organization, "*"]})
        connection.execute(_STATEMENTS["remove"], names)
        for window in windows:
            period = {"start": window.period.start, "end": window.period.end, "reason": window.reason}
            connection.execute(_STATEMENTS["add"], names | period)
    connection.execute(_CLOSING["publish"])


def windows(connection: Connection[TupleRow]) -> list[Window]:
    """Give this database's windows, earliest first."""
    rows = connection.execute(_STATEMENTS["windows"])
    return [Window(organization, Period(start, end), reason) for organization, start, end, reason in rows]
