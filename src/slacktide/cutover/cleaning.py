"""Taking away what `prepare` made: the last act of a move that is open, or of one that never went down."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from slacktide.cutover import report
from slacktide.guard import closing, install
from slacktide.postgres import sql
from slacktide.postgres.connection import connect
from slacktide.transfer import prepare
from slacktide.transfer.move import list_moves

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.guard.table import GuardedTable
    from slacktide.transfer.move import Move

_STATEMENTS = sql.load(__package__, "cleaning.sql")


def describe(move: Move, *, is_open: bool, everything: bool) -> list[str]:
    """Say what goes and what stays, a line each."""
    lines = [
        f"source: the publication {prepare.publication(move.name)}, its slot, and the replica identities that were set",
        "target: the key map and the mover's rights",
        "target: the guard's triggers, where no other move needs them",
        f"control: the journal of {move.name}, messages too; spool: {move.spool}",
    ]
    if is_open and not everything:
        refused = f"the source refuses writes of {move.property_code}"
        lines.append(f"kept: the reconciliation report, made before: `slacktide move report {move.name}`")
        lines.append(f"STAYS: {refused}; `--all` takes that too, and it can then be written")
    else:
        lines.append("source: the guard's triggers, where no other move needs them: the source can then be written")
    return lines


def clean(connection: psycopg.Connection[TupleRow], *, move: Move, is_open: bool, everything: bool, who: str) -> None:
    """Do what `describe` says; the report of a move that is open is made before what it is made from goes."""
    if is_open and move.state != report.CLEAN:
        report.make(connection, move=move, who=who)
    alone = not any(other.name != move.name for other in list_moves(connection))
    tables = prepare.guarded_tables(move.plan)
    with connect(move.source, name="clean") as source:
        prepare.clean_source(source, move=move.name)
        if everything or not is_open:
            closing.release(source, organization=move.property_code, reason="clean")
            if alone:
                remove_guard(source, tables)
    with connect(move.target, name="clean") as target:
        prepare.clean_target(target, plan=move.plan, move=move.name)
        closing.release(target, organization=move.target_property, reason="clean")
        if alone:
            remove_guard(target, tables)
    shutil.rmtree(Path(move.spool), ignore_errors=True)
    connection.execute("select slacktide.forget_journal(%s)", [move.move_id])


def remove_guard(connection: psycopg.Connection[TupleRow], tables: list[GuardedTable]) -> None:
    """Take the triggers away, and what the guard keeps where nothing else is guarded."""
    install.remove(connection, tables=tables)
    connection.execute(_STATEMENTS["forget_guard"])
