"""What a move puts into both databases before anything is carried, and takes away when it is over.

Identities and the publication are in place before the slot: a change that is logged with a poorer identity does not
lead to its object (`identity`). Each table is one transaction (`ddl`). `describe` says everything first.

No row filter and no column list: with either, the source's own updates can fail.
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any

from psycopg import errors
from psycopg.sql import SQL, Identifier

from slacktide.core import clock
from slacktide.guard import install as guard_install
from slacktide.guard import right as guard_right
from slacktide.guard.table import GuardedTable
from slacktide.plan.catalog import read_catalog
from slacktide.postgres.fitting import fitting, short_hash
from slacktide.postgres.sql import script
from slacktide.transfer import ddl, identity
from slacktide.transfer.source_sql import leading, property_of, qualified

if TYPE_CHECKING:
    from collections.abc import Collection

    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.plan.catalog import Catalog
    from slacktide.plan.model import Entity, Plan, Table

_OWN_TABLES = (("slacktide", "mover_move"), ("slacktide", "key_map"))


def publication(move: str) -> str:
    """Name a move's publication."""
    return fitting(f"slacktide_{move}")


def guarded_tables(plan: Plan) -> list[GuardedTable]:
    """Give the tables of the property with the expression that says whose a row is; shared ones are nobody's.

    Those that move after the opening are among them: their source stands still from the closing on.
    """
    return [
        _guarded(plan, entity, table) for entity in plan.late.moving if not entity.shared for table in entity.tables
    ]


def _guarded(plan: Plan, entity: Entity, table: Table) -> GuardedTable:
    if table.root is None:
        column = entity.root.property_column or entity.via or ""
        expression: Any = property_of(plan, entity, "r")
    else:
        column = table.root
        expression = SQL("(select {} from {} owner where {} = {})").format(
            property_of(plan, entity, "owner"),
            qualified(entity.root),
            Identifier("owner", entity.key),
            leading(table, "r", column),
        )
    return GuardedTable(schema=table.schema, table=table.table, organization=expression.as_string(None), keys=(column,))


# -- the source ------------------------------------------------------------------------------------------------


def describe_source(connection: psycopg.Connection[TupleRow], *, plan: Plan, move: str) -> list[str]:
    """Say what `prepare_source` will do, a line each."""
    return [
        *guard_install.describe(tables=guarded_tables(plan)),
        *(str(each) for each in identity.identities(connection, plan=plan)),
        f"publication {publication(move)} of {len(plan.table)} tables, and a replication slot",
    ]


def prepare_reading(connection: psycopg.Connection[TupleRow]) -> None:
    """Put into the source what reading objects as XML needs."""
    connection.execute(script(__package__, "source_schema.sql"))


def prepare_source(connection: psycopg.Connection[TupleRow], *, plan: Plan, move: str) -> None:
    """Put guard, identities and publication into the source. It can be run again. Raises TableBusy, UpdateWouldFail."""
    prepare_reading(connection)
    guard_install.install(connection, tables=guarded_tables(plan))
    identity.give(connection, plan=plan)
    _publish(connection, plan=plan, move=move)


def _publish(connection: psycopg.Connection[TupleRow], *, plan: Plan, move: str) -> None:
    name = Identifier(publication(move))
    if not connection.execute("select 1 from pg_publication where pubname = %s", [publication(move)]).fetchone():
        connection.execute(SQL("create publication {} with (publish_via_partition_root = true)").format(name))
    catalog = read_catalog(connection=connection, plan=plan)
    for table in plan.table.values():
        ddl.change(connection, table=table.qualified, work=partial(_publish_one, connection, table, catalog, move))


def _publish_one(connection: psycopg.Connection[TupleRow], table: Table, catalog: Catalog, move: str) -> None:
    """Add a table to the publication, unless that would make its updates fail: then those who trade could not write.

    Whoever writes it ends first: what was written before it is published is told by nobody, and has to be seen.
    """
    there = connection.execute(
        "select 1 from pg_publication_tables where pubname = %s and schemaname = %s and tablename = %s",
        [publication(move), table.schema, table.table],
    ).fetchone()
    if not there:
        name = Identifier(publication(move))
        connection.execute(SQL("lock table {} in share row exclusive mode").format(qualified(table)))
        connection.execute(SQL("alter publication {} add table {}").format(name, qualified(table)))
    identity.prove(connection, table=table, catalog=catalog)


def clean_source(connection: psycopg.Connection[TupleRow], *, move: str, known: Collection[str] = ()) -> None:
    """Take publication and slots away, and with the last move's the identities; the guard is taken away by its own."""
    drop_slots(connection, move=move, known=known)
    connection.execute(SQL("drop publication if exists {}").format(Identifier(publication(move))))
    if connection.execute("select 1 from pg_publication where starts_with(pubname, 'slacktide_')").fetchone():
        return
    if connection.execute("select to_regclass('slacktide.identity_before')").fetchone() != (None,):
        identity.put_back(connection)
    connection.execute("drop table if exists slacktide.identity_before")
    connection.execute("drop function if exists slacktide.escape(text)")


def drop_slots(connection: psycopg.Connection[TupleRow], *, move: str, known: Collection[str] = ()) -> None:
    """End whoever streams from a move's slots, and drop them; a walsender takes a moment to leave.

    `known` are slots that the journal knows by name: those made before names had a hash do not have the pattern.
    """
    pattern = slots_of(move)
    for _ in range(ddl.TRIES):
        found = connection.execute(
            "select slot_name, case when active_pid is not null then pg_terminate_backend(active_pid) end "
            "from pg_replication_slots where (slot_name ~ %s or slot_name = any (%s::text[])) "
            "and database = current_database()",
            [pattern, list(known)],
        ).fetchall()
        if not found:
            return
        with contextlib.suppress(errors.ObjectInUse, errors.UndefinedObject):
            for slot, _ in found:
                connection.execute("select pg_drop_replication_slot(%s)", [slot])
            return
        clock.sleep(ddl.PAUSE_SECONDS / 5)


def slots_of(move: str) -> str:
    """Give the pattern that the names of a move's slots have."""
    return f"^slacktide_{slot_stem(move)}_[0-9a-f]{{8}}$"


def slot_stem(move: str) -> str:
    """Give a move's name as it may stand in a slot's name: lower case letters, digits and underscores, 39 at the most.

    Names that are one in that, such as A-1 and a_1, or that begin alike, are told apart by a hash of the whole name.
    """
    readable = "".join(c if c.isalnum() and c.isascii() else "_" for c in move.lower())[:30]
    return f"{readable}_{short_hash(move)}"


# -- the target ------------------------------------------------------------------------------------------------


def prepare_target(connection: psycopg.Connection[TupleRow], *, plan: Plan, move: str, target_property: str) -> None:
    """Put key map, guard and the mover's rights into the target; the property is the mover's alone from now on."""
    guard_install.install(connection, tables=guarded_tables(plan))
    connection.execute(script(__package__, "target_schema.sql"))
    connection.execute(
        "insert into slacktide.mover_move (name, property) values (%s, %s) on conflict (name) do nothing",
        [move, target_property],
    )
    tables = [(table.schema, table.table) for table in plan.late.table.values()]
    sequences = drawn_sequences(connection, plan=plan.late)
    guard_right.grant_mover(
        connection, tables=[*tables, *_OWN_TABLES], sequences=[*sequences, ("slacktide", "parking_number")]
    )


def drawn_sequences(connection: psycopg.Connection[TupleRow], *, plan: Plan) -> list[tuple[str, str]]:
    """Give the sequences, by schema and name, that the target's keys are drawn from."""
    return [name for table in plan.table.values() if table.drawn for name in _sequence_of(connection, table)]


def _sequence_of(connection: psycopg.Connection[TupleRow], table: Table) -> list[tuple[str, str]]:
    row = connection.execute(
        "select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace "
        "where c.oid = pg_get_serial_sequence(%s, %s)::regclass",
        [qualified(table).as_string(None), table.key[0]],
    ).fetchone()
    return [(row[0], row[1])] if row else []


def clean_target(connection: psycopg.Connection[TupleRow], *, plan: Plan, move: str) -> None:
    """Take away what the target kept of one move; what moved stays."""
    if connection.execute("select to_regclass('slacktide.mover_move')").fetchone() == (None,):
        return
    connection.execute(
        "delete from slacktide.key_map k using slacktide.mover_move m where m.move_no = k.move_no and m.name = %s",
        [move],
    )
    connection.execute("delete from slacktide.mover_move where name = %s", [move])
    if connection.execute("select 1 from slacktide.mover_move").fetchone():
        return
    tables = [(table.schema, table.table) for table in plan.late.table.values()]
    sequences = drawn_sequences(connection, plan=plan.late)
    guard_right.revoke_mover(
        connection, tables=[*tables, *_OWN_TABLES], sequences=[*sequences, ("slacktide", "parking_number")]
    )
    connection.execute("drop table slacktide.key_map, slacktide.mover_move")
    connection.execute("drop sequence slacktide.parking_number")
