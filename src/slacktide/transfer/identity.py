"""The replica identities that `prepare` sets, proves, and has `clean` put back.

The events:

1. A table is partitioned: the identity of the leaf that holds a row counts, and a leaf inherits none. Each leaf gets
   its own, by an index of its own.
2. A leaf comes after `prepare`: Generate finds it in its instant (`plan.identity.unseen`) and stops; `prepare` once
   more sets what is missing.
3. A leaf is detached, renamed or dropped before `clean`: what it had is written down under its number, so it is found
   by any name, and passed over where it is gone.
4. Another move needs the same identities: they are put back with the last one.
5. The row by which an update is proved is of a property that is closed, or has moved away: the guard refuses it. It is
   asked after the identity was, so its refusal proves as much as the update.
6. The key is always drawn (`generated always as identity`): no update sets it, so another column is set to what it is.
   A row that holds nothing else is never updated.
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import psycopg
from psycopg import errors
from psycopg.sql import SQL, Composed, Identifier, Literal

from slacktide.core.errors import SQLSTATE_CLOSED, SQLSTATE_REFERENCE_ONLY, InputError
from slacktide.plan.catalog import CatalogTable, read_catalog
from slacktide.plan.identity import holding, needed_columns, present_index, shown_columns, usable_index
from slacktide.postgres.sql import load
from slacktide.transfer import ddl

if TYPE_CHECKING:
    from psycopg.rows import TupleRow

    from slacktide.plan.catalog import Catalog
    from slacktide.plan.model import Plan, Table

_STATEMENTS = load(__package__, "identity.sql")
_REFUSED = (SQLSTATE_CLOSED, SQLSTATE_REFERENCE_ONLY)
_WAYS = {"d": "default", "n": "nothing", "f": "full", "i": "using_index"}


class UpdateWouldFail(InputError):
    """An update of {table!r} would fail with this publication and identity: {reason}. It is not published."""


class Identity(msgspec.Struct, frozen=True):
    """The replica identity of a table or a leaf of one: an index, or FULL where none serves; `given` if it has it."""

    at: CatalogTable
    index: str | None
    given: bool

    def __str__(self) -> str:
        """Say it as the operator reads it."""
        leaf = f", a partition of {self.at.top}" if self.at.top else ""
        how = f"index {self.index}" if self.index else "full"
        return f"replica identity of {self.at.qualified}{leaf}: {how}"


def identities(connection: psycopg.Connection[TupleRow], *, plan: Plan) -> list[Identity]:
    """Work out the replica identity of every table and leaf that holds rows: what it has, if that serves."""
    catalog = read_catalog(connection=connection, plan=plan)
    return [_identity(table, at) for table, at in holding(plan=plan, catalog=catalog)]


def _identity(table: Table, at: CatalogTable) -> Identity:
    given = needed_columns(table) <= shown_columns(at)
    index = present_index(at) if given else usable_index(table=table, at=at)
    return Identity(at, index.name if index else None, given)


def give(connection: psycopg.Connection[TupleRow], *, plan: Plan) -> None:
    """Give every table and leaf the identity that it lacks, and write down what it had. Raises TableBusy."""
    for identity in identities(connection, plan=plan):
        if not identity.given:
            ddl.change(connection, table=identity.at.qualified, work=partial(_give_one, connection, identity))


def _give_one(connection: psycopg.Connection[TupleRow], identity: Identity) -> None:
    relation = Identifier(identity.at.schema, identity.at.name)
    name = Literal(relation.as_string(connection))
    connection.execute(SQL(_STATEMENTS["remember"]).format(relation=name))
    connection.execute(_how(relation, "i" if identity.index else "f", identity.index))


def _how(relation: Identifier, identity: str, index: str | None) -> Composed:
    return SQL(_STATEMENTS[_WAYS[identity]]).format(relation=relation, index=Identifier(index or ""))


def prove(connection: psycopg.Connection[TupleRow], *, table: Table, catalog: Catalog) -> None:
    """Update a row of a table, or of each of its leaves, and take it back: what would make it fail is seen here.

    Raises UpdateWouldFail.
    """
    for at in catalog.holding_rows(catalog.tables[table.qualified]):
        column = _settable(table, at)
        if column is None:
            continue
        relation = Identifier(at.schema, at.name)
        try:
            with connection.transaction(force_rollback=True):
                connection.execute(SQL(_STATEMENTS["touch"]).format(relation=relation, column=Identifier(column)))
        except (errors.ObjectNotInPrerequisiteState, errors.InvalidColumnReference) as error:
            raise UpdateWouldFail(table=at.qualified, reason=str(error).strip()) from error
        except psycopg.DatabaseError as error:
            if error.sqlstate not in _REFUSED:
                raise


def _settable(table: Table, at: CatalogTable) -> str | None:
    """Give a column that an update may set: the key if it can be."""
    names = (table.key[0], *at.columns)
    return next((name for name in names if not (at.columns[name].always or at.columns[name].generated)), None)


def put_back(connection: psycopg.Connection[TupleRow]) -> None:
    """Give every table and leaf that is still there the identity that it had before; the publication is gone by now."""
    for schema, name, identity, index in connection.execute(_STATEMENTS["before"]).fetchall():
        way = "d" if identity == "i" and index is None else identity  # the index is gone meanwhile
        how = _how(Identifier(schema, name), way, index)
        with contextlib.suppress(errors.UndefinedTable):  # as is the table
            ddl.change(connection, table=f"{schema}.{name}", work=partial(connection.execute, how))
