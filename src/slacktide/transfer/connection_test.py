"""Task 1: whether a move can be made over its connections. Every test has its reason, and the way to mend it.

The tests ask; they change nothing. The source is asked what reading and the stream need, the target what writing
needs. What is only to be known (the log that may be kept, large objects, the clocks) passes and says so.
"""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from slacktide.core import clock
from slacktide.core.configuration import source_log_limit
from slacktide.core.size import format_size
from slacktide.plan.catalog import read_catalog
from slacktide.plan.identity import full_refused, needed_columns, usable_index
from slacktide.postgres import sql
from slacktide.postgres.connection import Unreachable, connect, shown
from slacktide.transfer.prepare import slots_of
from slacktide.transfer.source_sql import qualified

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.plan.model import Plan, Table
    from slacktide.transfer.move import Move

    _Connection = psycopg.Connection[TupleRow]

_STATEMENTS = sql.load(__package__, "connection_test.sql")
_OLDEST = 140000
_CLOCK_LIMIT_SECONDS = 1.0
_LEAST_FREE_BYTES = 256 * 2**20
_SPOOL_SHARE = 4  # batches are compressed and purged, so a quarter of the tables is plenty


class Test(msgspec.Struct, frozen=True):
    """One test: whether it passed, why, and what to do if it did not (or where it is only to be known)."""

    name: str
    ok: bool
    reason: str
    mend: str = ""


class Facts(msgspec.Struct, frozen=True):
    """What a database says of itself and of our role in it."""

    version: int
    version_name: str
    encoding: str
    role: str
    superuser: bool
    replication: bool
    create_role: bool
    bypass_rls: bool
    create: bool
    wal_level: str
    free_slots: int
    free_senders: int
    keep_size: str
    large_objects: int
    guard_roles: int
    guard_roles_ours: int


_GUARD_ROLES = 2  # slacktide_mover and slacktide_tester


def run_tests(control: _Connection, *, move: Move) -> list[Test]:
    """Do every test of a move's connections, in the order in which they are to be mended."""
    with ExitStack() as opened:
        reached, sides = [], {}
        for side, address in {"source": move.source, "target": move.target}.items():
            try:
                sides[side] = opened.enter_context(connect(address, name=f"{move.name} connections"))
                reached.append(Test(f"{side} reachable", ok=True, reason=f"{shown(address)} answers"))
            except Unreachable as error:
                mend = f"start the {side}, or set right what its address refers to"
                reached.append(Test(f"{side} reachable", ok=False, reason=str(error), mend=mend))
        if len(sides) < len(reached):
            return [*reached, *_spool(move, size=0)]
        return [*reached, *_both(control, sides["source"], sides["target"], move)]


def _both(control: _Connection, source: _Connection, target: _Connection, move: Move) -> Iterator[Test]:
    tables = [_quoted(table) for entity in move.plan.entities for table in entity.tables]
    here, there = facts_of(source), facts_of(target)
    for side, connection, facts in (("source", source, here), ("target", target, there)):
        yield version_of(side, facts)
        yield _rights(side, connection, facts, tables)
        yield _row_security(side, connection, facts, tables)
        yield _subscriptions(side, connection, move.plan)
    yield from decoding(here)
    yield log_kept(source, here, move)
    yield _identities(source, move.plan)
    yield _encodings(here, there)
    yield _large_objects(here)
    yield _clocks({"control": control, "source": source, "target": target})
    yield from _spool(move, size=_one(source, "size", tables=tables))


def facts_of(connection: _Connection) -> Facts:
    """Ask a database for its facts."""
    return Facts(*connection.execute(_STATEMENTS["facts"]).fetchone() or ())


def _quoted(table: Table) -> str:
    return qualified(table).as_string(None)


def _one(connection: _Connection, statement: str, **facts: object) -> int:
    row = connection.execute(_STATEMENTS[statement], facts).fetchone()
    return int(row[0]) if row else 0


def _names(connection: _Connection, statement: str, tables: list[str]) -> list[str]:
    return [name for (name,) in connection.execute(_STATEMENTS[statement], {"tables": tables})]


# -- both sides --------------------------------------------------------------------------------------------------------


def version_of(side: str, facts: Facts) -> Test:
    """Judge the server's version."""
    mend = "" if facts.version >= _OLDEST else f"upgrade the {side} to PostgreSQL 14 or newer"
    return Test(f"{side} version", ok=not mend, reason=f"PostgreSQL {facts.version_name}", mend=mend)


def _rights(side: str, connection: _Connection, facts: Facts, tables: list[str]) -> Test:
    """Guard, identities and publication need the tables' owner; the stream needs the replication right."""
    name = f"{side} rights"
    if facts.superuser:
        return Test(name, ok=True, reason=f"{facts.role} is a superuser")
    lacking = [
        f"may not {what}: {grant}"
        for missing, what, grant in (
            (not facts.create, "make a schema", f"grant create on database ... to {facts.role}"),
            (
                facts.guard_roles < _GUARD_ROLES and not facts.create_role,
                "make roles",
                f"alter role {facts.role} createrole",
            ),
            (
                facts.guard_roles_ours < facts.guard_roles,
                "act as slacktide_mover",
                f"grant slacktide_mover, slacktide_tester to {facts.role}",
            ),
            (side == "source" and not facts.replication, "stream", f"alter role {facts.role} replication"),
        )
        if missing
    ]
    others = _names(connection, "not_owned", tables)
    if others:
        lacking.append(f"does not own {', '.join(others)}: grant it the role that does")
    if lacking:
        return Test(name, ok=False, reason=f"{facts.role} {'; '.join(lacking)}", mend="grant what is named")
    return Test(name, ok=True, reason=f"{facts.role} owns the tables and may do what is needed")


def _row_security(side: str, connection: _Connection, facts: Facts, tables: list[str]) -> Test:
    name = f"{side} row level security"
    secured = [] if facts.superuser or facts.bypass_rls else _names(connection, "secured", tables)
    if not secured:
        return Test(name, ok=True, reason="it hides no row from us")
    mend = f"alter role {facts.role} bypassrls"
    return Test(name, ok=False, reason=f"it can hide rows of {', '.join(secured)} from {facts.role}", mend=mend)


def _subscriptions(side: str, connection: _Connection, plan: Plan) -> Test:
    written = _names(connection, "subscribed", [_quoted(table) for table in plan.table.values()])
    if not written:
        return Test(f"{side} subscriptions", ok=True, reason="none writes into the plan's tables")
    reason = f"a subscription writes into {', '.join(written)}"
    mend = "move from the database that is its publisher, or drop the subscription"
    return Test(f"{side} subscriptions", ok=False, reason=reason, mend=mend)


def _encodings(here: Facts, there: Facts) -> Test:
    fits = here.encoding == there.encoding or (there.encoding == "UTF8" and here.encoding != "SQL_ASCII")
    mend = "" if fits else "make the target database with encoding UTF8"
    return Test("text encodings", ok=fits, reason=f"source {here.encoding}, target {there.encoding}", mend=mend)


def _clocks(connections: dict[str, _Connection]) -> Test:
    """Tell how far the clocks are apart: it is known, and nothing that moves is judged by it."""
    offsets = {name: _offset_seconds(connection) for name, connection in connections.items()}
    apart = max(offsets.values()) - min(offsets.values())
    mend = "" if apart <= _CLOCK_LIMIT_SECONDS else "warning: set the clocks of the servers by the same time server"
    return Test("clock offset", ok=True, reason=f"{', '.join(offsets)} are {apart:.1f} s apart", mend=mend)


def _offset_seconds(connection: _Connection) -> float:
    connection.execute(_STATEMENTS["now"])  # the first query of a session takes longer
    before = clock.now()
    row = connection.execute(_STATEMENTS["now"]).fetchone()
    after = clock.now()
    return float((row[0] - (before + (after - before) / 2)).total_seconds()) if row else 0.0


def one_database(source: _Connection, target: _Connection) -> bool:
    """Tell whether both sides are one database, by whatever addresses: what one has locked, the other cannot lock."""
    key = {"key": source.info.backend_pid}
    source.execute(_STATEMENTS["lock"], key)
    taken = target.execute(_STATEMENTS["try_lock"], key).fetchone()
    source.execute(_STATEMENTS["unlock"], key)
    return taken == (False,)


# -- the source --------------------------------------------------------------------------------------------------------


def decoding(facts: Facts) -> Iterator[Test]:
    """Judge what the stream needs of the source."""
    logical = facts.wal_level == "logical"
    mend = "" if logical else "set wal_level = logical in the source's postgresql.conf and restart it"
    yield Test("logical decoding", ok=logical, reason=f"wal_level is {facts.wal_level}", mend=mend)
    for what, free, setting in (
        ("replication slots", facts.free_slots, "max_replication_slots"),
        ("replication senders", facts.free_senders, "max_wal_senders"),
    ):
        mend = "" if free > 0 else f"raise {setting} at the source and restart it, or drop what is not used"
        yield Test(what, ok=free > 0, reason=f"{free} free at the source", mend=mend)


def log_kept(source: _Connection, facts: Facts, move: Move) -> Test:
    """Say how much log the source keeps for us, and how much it would: its disk comes before the move."""
    ours = source.execute(_STATEMENTS["kept"], {"slots": slots_of(move.name), "known": move.slots}).fetchall()
    return log_of(ours, facts, move)


def log_of(ours: list[TupleRow], facts: Facts, move: Move) -> Test:
    """Judge the slots of a move: name, bytes of log kept, and whether what it needs is gone."""
    limit = "without a limit" if facts.keep_size == "-1" else f"up to {facts.keep_size}"
    kept = (
        ", ".join(f"{slot} keeps {format_size(kept)}" for slot, kept, _ in ours) or "no slot of this move is there yet"
    )
    reason = f"the source keeps log {limit} (max_slot_wal_keep_size); {kept}; we give up our slot at "
    reason += f"{format_size(source_log_limit())} (SLACKTIDE_SOURCE_LOG_LIMIT)"
    if any(lost for _, _, lost in ours):
        mend = f"raise max_slot_wal_keep_size; `slacktide move processes start {move.name}` reads everything again"
        return Test("log kept on the source", ok=False, reason=f"{reason}; what it needs is gone", mend=mend)
    mend = (
        f"see that {format_size(source_log_limit())} are free on the source's disk, or lower SLACKTIDE_SOURCE_LOG_LIMIT"
    )
    if facts.keep_size == "-1":
        mend += "; set max_slot_wal_keep_size, so that a slot can never fill the disk"
    return Test("log kept on the source", ok=True, reason=reason, mend=mend)


def _identities(source: _Connection, plan: Plan) -> Test:
    catalog = read_catalog(connection=source, plan=plan)
    wrong = []
    for table in plan.table.values():
        at = catalog.tables.get(table.qualified)
        for holding in catalog.holding_rows(at) if at else ():
            refused = full_refused(at=holding)
            if usable_index(table=table, at=holding) is None and refused:
                wrong.append(f"{holding.qualified} (needs {', '.join(sorted(needed_columns(table)))}): {refused}")
    if not wrong:
        return Test("replica identities", ok=True, reason=f"usable in all {len(plan.table)} tables")
    mend = "make a unique index over columns that are never null, with what it needs among them"
    return Test("replica identities", ok=False, reason="; ".join(wrong), mend=mend)


def _large_objects(facts: Facts) -> Test:
    if not facts.large_objects:
        return Test("large objects", ok=True, reason="the source has none")
    reason = f"the source has {facts.large_objects} large objects, which are not moved"
    return Test(
        "large objects", ok=True, reason=reason, mend="warning: bring over by hand those that the property needs"
    )


# -- the spools --------------------------------------------------------------------------------------------------------


def _spool(move: Move, *, size: int) -> Iterator[Test]:
    needed = max(_LEAST_FREE_BYTES, size // _SPOOL_SHARE)
    for side, folder in (("source", move.source_spool), ("target", move.target_spool)):
        there = next(path for path in (folder, *folder.parents) if path.exists())
        free = shutil.disk_usage(there).free
        if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
            yield Test(f"{side} spool", ok=False, reason=f"{there} cannot be written", mend=f"let us write {there}")
            continue
        reason = f"{format_size(free)} free for {folder}, {format_size(needed)} wanted"
        mend = "" if free >= needed else f"free {format_size(needed - free)} on the disk of {_top(there)}"
        yield Test(f"{side} spool", ok=free >= needed, reason=reason, mend=mend)


def _top(path: Path) -> Path:
    """Give the folder where a path's disk is mounted."""
    return next(folder for folder in (path, *path.parents) if folder.is_mount())
