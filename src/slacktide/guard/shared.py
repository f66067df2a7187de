"""Who holds the shared lock of an organization in any database of ours, whether it has the guard or not.

The control database has none, and a place of held work need not have one: commands and jobs take the lock there by hand
(`passing`). Where interface tables are guarded, a window closes them, and who passed before its start may still write.

1. A writer passed the look before the start and has not committed: it holds the shared lock. So whoever says that
   nobody is left has had the lock alone, after the start.
2. Others measure at the same moment, and hold the lock alone for that: shared locks only are listed.
3. A trigger of the guard was disabled: the lock is free, and writers pass. Then nobody can say that none is left.
4. The copy of the windows is late, or could not come: the tables are open, and nobody can say so either.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from slacktide.core.errors import OutsideError
from slacktide.guard.closing import SITE, try_drained
from slacktide.guard.holders import Holder
from slacktide.postgres.sql import load

_STATEMENTS = load(__package__, "shared.sql")


class GuardDisabled(OutsideError):
    """The trigger {trigger} of {table} does not always fire, so that writes pass the guard: install it again, then see who changed it."""  # noqa: E501 -- the message is one sentence


class Held(msgspec.Struct, frozen=True):
    """What a database says of an organization (or the site, ''): who holds its lock, and whether none can be left."""

    organization: str
    holders: list[Holder]
    drained: bool = False


def sharers(connection: Connection[TupleRow], *, organizations: Iterable[str]) -> dict[str, list[Holder]]:
    """List who holds the shared lock of each organization (or of the site, ''), oldest first."""
    found: dict[str, list[Holder]] = {organization: [] for organization in organizations}
    for organization, *facts in connection.execute(_STATEMENTS["sharers"], {"organizations": [*found]}):
        found[organization].append(Holder(*facts))
    return found


def try_alone(connection: Connection[TupleRow], *, organization: str, lock_timeout_ms: int = 300) -> bool:
    """Have the lock of an organization (or of the site, '') alone for a moment; tell whether it came in time.

    Then all who passed a look before have ended. Who comes later looks under the lock.
    """
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(_STATEMENTS["lock_timeout"], {"milliseconds": f"{lock_timeout_ms}ms"})
            connection.execute(_STATEMENTS["alone"], {"organization": organization})
    except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
        return False
    return True


def measure_interfaces(connection: Connection[TupleRow], *, organizations: Iterable[str]) -> list[Held]:
    """Ask a place of held work for each organization (or the site, ''). Raises GuardDisabled.

    Where its interface tables are guarded and a window has begun, `drained` tells whether nobody writes them any more;
    without a guard, whether nobody of ours does.
    """
    guarded = connection.execute(_STATEMENTS["guarded"]).fetchone() == (True,)
    if guarded and (row := connection.execute(_STATEMENTS["disabled"]).fetchone()) is not None:
        raise GuardDisabled(trigger=row[0], table=row[1])
    windows = {name for (name,) in connection.execute(_STATEMENTS["closed"])} if guarded else None
    return [
        Held(organization, holders, _drained(connection, organization, windows))
        for organization, holders in sharers(connection, organizations=organizations).items()
    ]


def _drained(connection: Connection[TupleRow], organization: str, windows: set[str] | None) -> bool:
    """Tell whether nobody is left. `windows`: whose windows last, of a database with the guard."""
    if windows is None:
        return try_alone(connection, organization=organization)
    return bool(windows & {SITE, organization}) and try_drained(connection, organization=organization)
