"""Passing the guard by hand: the locks of a writer, taken before it looks at the schedule.

A trigger judges a write when it is made. Whoever looks at the schedule in the control database as well, or has an
effect outside the database, needs the locks before that look, and until the effect is there:

1. We look and find it open, the downtime starts, the closer finds no lock and says quiet, we write. Lock first, look
   under the lock: then the closer waits for us.
2. The effect is outside (a file, a web service): no trigger fires. The guard is asked as for a write of an interface
   table.
3. The role that writes may not ask the guard: the locks can be taken by anybody, and the tables' own triggers look.
4. Whether it may ask is remembered for each connection, for who passes passes often. The right is taken away: the next
   one fails, and asks again whether it may. It is given, or the guard comes later: asked each time until it may.
5. A closer waits for long writers, and we would queue behind it: the session has to have a `lock_timeout`.
"""

from __future__ import annotations

from weakref import WeakSet

from psycopg import Connection
from psycopg.errors import InsufficientPrivilege, UndefinedFunction
from psycopg.rows import TupleRow

from slacktide.postgres.sql import load

_STATEMENTS = load(__package__, "passing.sql")
_may_ask: WeakSet[Connection[TupleRow]] = WeakSet()


def pass_guard(connection: Connection[TupleRow], *, organization: str, what: str) -> None:
    """Take the shared locks of the site and the organization until the transaction ends, and look.

    `what` is named in a refusal. Raises psycopg errors with SQLSTATE ST001 (closed), ST002 (reference only).
    """
    facts = {"organization": organization, "what": what}
    if connection not in _may_ask:
        if connection.execute(_STATEMENTS["judged"]).fetchone() != (True,):
            connection.execute(_STATEMENTS["lock"], facts)
            return
        _may_ask.add(connection)
    try:
        connection.execute(_STATEMENTS["judge"], facts)
    except (InsufficientPrivilege, UndefinedFunction):
        _may_ask.discard(connection)
        raise
