"""Which triggers a guarded table must have, whether it has them, and who could take them away or pass.

`install` makes what `expected` says, and `verify_presence` compares the catalog with it, so that the two
cannot differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec
from psycopg import Connection
from psycopg.rows import TupleRow

from slacktide.core.errors import InputError, OutsideError
from slacktide.guard import ddl
from slacktide.guard.table import GuardedTable
from slacktide.postgres.sql import load, script

_STATEMENTS = load(__package__, "presence.sql")
# pg_trigger.tgtype: row 1, before 2, insert 4, delete 8, update 16, truncate 32.
_TYPES = {"insert": 4, "update": 16, "delete": 8, "row": 1 + 4 + 8 + 16, "truncate": 2 + 32}
_TRANSITIONS = {
    "insert": (None, "new_rows"),
    "update": ("old_rows", "new_rows"),
    "delete": ("old_rows", None),
}
_OWN_FUNCTION = re.compile(
    r"create or replace function slacktide\.(\w+)\([^$']*?\)\s+(returns [^$']*?) as\s*(\$\$|')(.*?)\3;", re.DOTALL
)


class GuardMissing(OutsideError):
    """The guard of {table} is not as it must be: {reason}. Install it again, then see who changed it."""


class NotGuardable(InputError):
    """{table} is not a table or partitioned table of this database: name one that is there."""


class Relation(msgspec.Struct, frozen=True):
    """A guarded table or a relation below it. `per_row`: statement triggers would not catch every row."""

    oid: int
    schema: str
    table: str
    partitioning: bool
    per_row: bool

    @property
    def name(self) -> tuple[str, str]:
        """Schema and table."""
        return (self.schema, self.table)


class Trigger(msgspec.Struct, frozen=True):
    """A trigger as the catalog shows it. `plain`: no condition, no columns; `cloned`: made by the parent."""

    name: str
    enabled: str
    type: int
    function: str
    old_table: str | None
    new_table: str | None
    plain: bool = True
    cloned: bool = False


class Function(msgspec.Struct, frozen=True):
    """A function as the catalog shows it. `settings`: the number of its own; `public`: everybody may execute it."""

    text: str
    definer: bool
    volatility: str
    settings: int
    public: bool = False


class Passer(msgspec.Struct, frozen=True):
    """A role that could still write what is closed, and why."""

    role: str
    because: tuple[str, ...]


def relations(connection: Connection[TupleRow], *, table: GuardedTable) -> list[Relation]:
    """Give the table and every partition or child below it, parents first. Raises NotGuardable."""
    names = {"schema": table.schema, "table": table.table}
    found = [Relation(*row) for row in connection.execute(_STATEMENTS["relations"], names)]
    if not found:
        raise NotGuardable(table=table.qualified)
    return found


def events(relation: Relation) -> tuple[str, ...]:
    """Say which triggers a relation needs."""
    return (*(("row",) if relation.per_row else ddl.STATEMENT_TRIGGERS), "truncate")


def expected(*, table: GuardedTable, relation: Relation, top: bool) -> set[Trigger]:
    """Give the triggers that a relation must have; `top` is the table itself, partitions have clones."""
    return {
        Trigger(
            ddl.trigger_name(event),
            "A",
            _TYPES[event],
            f"{ddl.SCHEMA}.{ddl.function_name(table)}",
            *_TRANSITIONS.get(event, (None, None)),
            cloned=event == "row" and relation.partitioning and not top,
        )
        for event in events(relation)
    }


def present(connection: Connection[TupleRow], *, relation: Relation) -> set[Trigger]:
    """Give the guard's triggers that a relation has."""
    return {Trigger(*row) for row in connection.execute(_STATEMENTS["triggers"], {"relation": relation.oid})}


def verify_presence(connection: Connection[TupleRow], *, tables: Iterable[GuardedTable]) -> None:
    """Prove that the guard's functions and the triggers of every table are as `install` makes them.

    Raises GuardMissing naming the table and what differs.
    """
    for name, function in own_functions().items():
        _verify_function(connection, shown=f"the schema {ddl.SCHEMA}", name=name, function=function)
    for table in tables:
        function = Function(ddl.function_body(connection, table=table), definer=True, volatility="v", settings=2)
        _verify_function(connection, shown=table.qualified, name=ddl.function_name(table), function=function)
        for reason in differences(connection, table=table):
            raise GuardMissing(table=table.qualified, reason=reason)


def differences(connection: Connection[TupleRow], *, table: GuardedTable) -> list[str]:
    """Say what is missing or other than it must be among the table's triggers."""
    found = []
    for number, relation in enumerate(relations(connection, table=table)):
        wanted = expected(table=table, relation=relation, top=number == 0)
        has = present(connection, relation=relation)
        shown = ".".join(relation.name)
        found += [f"{shown} lacks the trigger {trigger.name} as it must be" for trigger in _by_name(wanted - has)]
        found += [f"{shown} has another trigger {trigger.name}" for trigger in _by_name(has - wanted)]
    return found


def _by_name(triggers: set[Trigger]) -> list[Trigger]:
    return sorted(triggers, key=lambda trigger: trigger.name)


def own_functions() -> dict[str, Function]:
    """Give the functions of guard.sql by name, as the catalog must show them."""
    found = {}
    for name, header, quote, body in _OWN_FUNCTION.findall(script(__package__, "guard.sql")):
        found[name] = Function(
            text=body.replace("''", "'") if quote == "'" else body,
            definer="security definer" in header,
            volatility="v" if "volatile" in header else "i",
            settings=header.count(" set "),
        )
    return found


def _verify_function(connection: Connection[TupleRow], *, shown: str, name: str, function: Function) -> None:
    rows = connection.execute(_STATEMENTS["function"], {"name": name}).fetchall()
    if len(rows) != 1:
        raise GuardMissing(table=shown, reason=f"the function {ddl.SCHEMA}.{name} is there {len(rows)} times, not once")
    if Function(*rows[0]) != function:
        raise GuardMissing(table=shown, reason=f"the function {ddl.SCHEMA}.{name} has another text, settings or rights")


def could_still_pass(connection: Connection[TupleRow]) -> list[Passer]:
    """List the roles that could pass or take the guard away: superusers, the mover, its members, owners."""
    return [Passer(role, tuple(because)) for role, because in connection.execute(_STATEMENTS["could_still_pass"])]
