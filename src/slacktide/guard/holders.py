"""Who holds a closing up: the transactions that passed a look and have not ended.

They are found by the shared lock that they hold: the organization's, or TRUNCATE's, which the closer takes too. The
site's lock is held by every writer of the database and holds up only the closing of the site (`SITE`).
A prepared transaction holds its locks without a session.
"""

from __future__ import annotations

from typing import Any

import msgspec
from psycopg import Connection
from psycopg.rows import TupleRow

from slacktide.core.errors import UsageError
from slacktide.guard import ddl
from slacktide.guard.install import needs_autocommit
from slacktide.postgres.sql import load

_STATEMENTS = load(__package__, "holders.sql")
_PREPARED = "prepared:"


class Holder(msgspec.Struct, frozen=True):
    """A transaction that is waited for.

    `id` names this very transaction for `end_transaction`. `state` is the session's (`active`, `idle in
    transaction`) or `prepared`; `query` its last statement, empty for a prepared one. Who may not see what others do
    has an age of 0 and no state.
    """

    id: str
    database: str
    user: str
    query: str
    age_seconds: float
    prepared: bool
    state: str

    def answer(self) -> dict[str, Any]:
        """Give the transaction as `holders` lists it."""
        names = ("id", "database", "user", "query", "age_seconds", "prepared")
        return {name: getattr(self, name) for name in names}


class UnknownTransaction(UsageError):
    """No transaction {id!r} is open in this database any more: `slacktide holders` shows those that there are."""


def holders(connection: Connection[TupleRow], *, organization: str) -> list[Holder]:
    """List the transactions that the closer of the organization (or of the site, '') waits for, oldest first."""
    rows = connection.execute(_STATEMENTS["holders"], {"organization": organization})
    return [Holder(*row) for row in rows]


def end_transaction(connection: Connection[TupleRow], *, id: str) -> None:  # noqa: A002 -- the interface's own word
    """End a holder: its session is terminated, a prepared transaction rolled back. Raises UnknownTransaction."""
    needs_autocommit(connection)
    if id.startswith(_PREPARED):
        _end_prepared(connection, gid=id.removeprefix(_PREPARED))
        return
    pid, _, transaction = id.partition(":")
    if not pid.isdigit():
        raise UnknownTransaction(id=id)
    facts = {"pid": int(pid), "transaction": transaction}
    if connection.execute(_STATEMENTS["terminate"], facts).fetchone() is None:
        raise UnknownTransaction(id=id)


def _end_prepared(connection: Connection[TupleRow], *, gid: str) -> None:
    if connection.execute(_STATEMENTS["prepared"], {"gid": gid}).fetchone() is None:
        raise UnknownTransaction(id=_PREPARED + gid)
    connection.execute(ddl.rollback_prepared(gid))
