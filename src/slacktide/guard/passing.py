"""Passing the guard by hand: the locks of a writer, taken before it looks at the schedule.

A trigger judges a write when it is made. Whoever looks at the schedule in the control database as well, or has an
effect outside the database, needs the locks before that look, and until the effect is there:

1. We look and find it open, the downtime starts, the closer finds no lock and says quiet, we write. Lock first, look
   under the lock: then the closer waits for us.
2. The effect is outside (a file, a web service): no trigger fires. The guard is asked as for a write of an interface
   table.
3. The role that writes may not ask the guard: the locks can be taken by anybody, and the tables' own triggers look.
4. A closer waits for long writers, and we would queue behind it: the session has to have a `lock_timeout`.
"""

from __future__ import annotations

from psycopg import Connection
from psycopg.rows import TupleRow

from slacktide.postgres.sql import load

_STATEMENTS = load(__package__, "passing.sql")


def pass_guard(connection: Connection[TupleRow], *, organization: str, what: str) -> None:
    """Take the shared locks of the site and the organization until the transaction ends, and look.

    `what` is named in a refusal. Raises psycopg errors with SQLSTATE ST001 (closed), ST002 (reference only).
    """
    facts = {"organization": organization, "what": what}
    judged = connection.execute(_STATEMENTS["judged"]).fetchone() == (True,)
    connection.execute(_STATEMENTS["judge" if judged else "lock"], facts)
