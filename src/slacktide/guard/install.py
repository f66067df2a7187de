"""Install and remove the guard's triggers, one table a transaction.

1. Two tables in one transaction: we hold A and wait for B, a clerk holds B and waits for A. One table a
   transaction.
2. We wait for a long writer of a table, and everybody else waits behind us: a short lock time-out, then
   another try.
3. A new parent trigger reaches the partitions as clones, but ALWAYS does not on every release: it is set on
   each.
4. A table has a trigger of ours that is not as it must be (disabled, of an older version): all are made anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from slacktide.core import clock
from slacktide.core.errors import BugError, OutsideError
from slacktide.guard import ddl, presence
from slacktide.guard.table import GuardedTable
from slacktide.postgres.sql import load, script

_STATEMENTS = load(__package__, "presence.sql")


class GuardBusy(OutsideError):
    """Sessions {holders} still held {table} after {tries} tries to change its guard. End them, or try later."""


class NotAutocommit(BugError):
    """The guard commits by itself and needs a connection in autocommit mode that is not in a transaction."""


def needs_autocommit(connection: Connection[TupleRow]) -> None:
    """Refuse a connection on which a commit of ours would not be one."""
    if not connection.autocommit or connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
        raise NotAutocommit


def make_schema(connection: Connection[TupleRow]) -> None:
    """Make what the guard keeps: schema, roles, tables, functions. Any number of times."""
    needs_autocommit(connection)
    with connection.transaction():
        connection.execute(script(__package__, "guard.sql"))


def describe(*, tables: Iterable[GuardedTable]) -> list[str]:
    """Say what `install` will do, a sentence each."""
    said = [
        "make the schema slacktide with guard_closing, guard_window, guard_touched and the guard's functions",
        "make the roles slacktide_mover and slacktide_tester, which cannot log in, where they are missing",
    ]
    said += [f"put guard triggers (insert, update, delete, truncate; always enabled) on {t.qualified}" for t in tables]
    return said


def install(
    connection: Connection[TupleRow],
    *,
    tables: Iterable[GuardedTable],
    lock_timeout_ms: int = 500,
    tries: int = 60,
    pause_seconds: float = 0.5,
) -> None:
    """Put the guard on every table; what is there as it must be is left alone.

    Each table is one transaction that waits at most `lock_timeout_ms` for its locks, and is tried again after
    `pause_seconds`. Raises GuardBusy after `tries`, NotGuardable for what is no table.
    """
    make_schema(connection)
    for table in tables:
        _retried(
            connection,
            table=table,
            change=_install_one,
            lock_timeout_ms=lock_timeout_ms,
            tries=tries,
            pause_seconds=pause_seconds,
        )


def remove(
    connection: Connection[TupleRow],
    *,
    tables: Iterable[GuardedTable],
    lock_timeout_ms: int = 500,
    tries: int = 60,
    pause_seconds: float = 0.5,
) -> None:
    """Take the guard's triggers off every table; states and roles stay. A table that is gone is left out."""
    needs_autocommit(connection)
    for table in tables:
        _retried(
            connection,
            table=table,
            change=_remove_one,
            lock_timeout_ms=lock_timeout_ms,
            tries=tries,
            pause_seconds=pause_seconds,
        )


def _retried(
    connection: Connection[TupleRow],
    *,
    table: GuardedTable,
    change: Callable[[Connection[TupleRow], GuardedTable], None],
    lock_timeout_ms: int,
    tries: int,
    pause_seconds: float,
) -> None:
    for _ in range(tries):
        try:
            with connection.transaction():
                connection.execute("select set_config('lock_timeout', %s, true)", [f"{lock_timeout_ms}ms"])
                change(connection, table)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            clock.sleep(pause_seconds)
        else:
            return
    raise GuardBusy(table=table.qualified, tries=tries, holders=_holders(connection, table=table))


def _holders(connection: Connection[TupleRow], *, table: GuardedTable) -> str:
    oids = [relation.oid for relation in presence.relations(connection, table=table)]
    rows = connection.execute(_STATEMENTS["holders_of_relations"], {"relations": oids}).fetchall()
    return ", ".join(str(pid) for (pid,) in rows) or "(gone by now)"


def _install_one(connection: Connection[TupleRow], table: GuardedTable) -> None:
    connection.execute(ddl.create_function(connection, table=table))
    connection.execute(ddl.own_function(table=table))
    if not presence.differences(connection, table=table):
        return
    _drop_triggers(connection, table)
    for number, relation in enumerate(presence.relations(connection, table=table)):
        for statement in _statements(table=table, relation=relation, top=number == 0):
            connection.execute(statement)


def _statements(*, table: GuardedTable, relation: presence.Relation, top: bool) -> list[sql.Composed]:
    statements = []
    for event in presence.events(relation):
        if top or event != "row" or not relation.partitioning:  # a partition's row trigger is the parent's clone
            statements.append(ddl.create_trigger(table=table, relation=relation.name, event=event))
        statements.append(ddl.enable_always(relation=relation.name, event=event))
    return statements


def _drop_triggers(connection: Connection[TupleRow], table: GuardedTable) -> None:
    for relation in presence.relations(connection, table=table):
        for trigger in presence.present(connection, relation=relation):
            if not trigger.cloned:
                connection.execute(ddl.drop_trigger(relation=relation.name, name=trigger.name))


def _remove_one(connection: Connection[TupleRow], table: GuardedTable) -> None:
    try:
        _drop_triggers(connection, table)
    except presence.NotGuardable:
        return
    connection.execute(ddl.drop_function(table=table))
