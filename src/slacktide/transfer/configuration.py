"""Task 3: the configuration, copied directly from the source into the target, once, in one target transaction.

What is copied, in this order, because the later refers to the earlier:

1. codes of lists that are the same for every property, where the target lacks them;
2. the property's own row, under its code at the target, with the source's business date;
3. a stub of every other property of the source that the target does not have, with the codes of its lists and nothing
   else: an object of another property may be kept by reference, and carries its codes;
4. the property's entities of the phase `configuration`.

Rows that are there stay as they are: the target's other properties are not touched. It works as the operator's role,
not as the mover: these tables are not guarded.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

import msgspec
import psycopg
from psycopg.sql import Composed, Identifier

from slacktide.core.duration import format_instant
from slacktide.core.errors import InputError, OutsideError
from slacktide.postgres import sql
from slacktide.postgres.connection import connect
from slacktide.transfer import configuration_sql as statement
from slacktide.transfer import emptiness
from slacktide.transfer.configuration_property import business_dates, properties
from slacktide.transfer.source_sql import qualified

if TYPE_CHECKING:
    from psycopg.rows import TupleRow

    from slacktide.plan.model import Plan
    from slacktide.transfer.move import Move

    _Connection = psycopg.Connection[TupleRow]

_STATEMENTS = sql.load(__package__, "configuration.sql")


class AlreadyConfigured(InputError):
    """The configuration of the move {move!r} was already copied at {at}: it can be repeated after `slacktide move downtime abandon {move}`. Go on with `slacktide move convert {move}`."""  # noqa: E501 -- the message is one sentence


class NotConfigured(InputError):
    """The configuration of the move {move!r} is not copied yet: run `slacktide move configure {move}`."""


class ConfigurationRefused(OutsideError):
    """The target refused the configuration: {reason}. Nothing of it was written; mend that and run `slacktide move configure {move}`."""  # noqa: E501 -- the message is one sentence


class Copied(msgspec.Struct, frozen=True):
    """What became of one kind of configuration: the rows read, those written; the others were there."""

    name: str
    title: str
    read: int
    written: int


class Configuration(msgspec.Struct, frozen=True):
    """What was copied; `stubs` are the source's other properties that were made at the target."""

    copied: list[Copied]
    stubs: list[str]
    business_date: date


def configure(control: _Connection, *, move: Move) -> Configuration:
    """Copy the configuration of a move, and note that it is done.

    Raises AlreadyConfigured, TargetNotEmpty, TargetAhead, ConfigurationRefused.
    """
    with (
        control.transaction(),
        connect(move.source, name=f"{move.name} configure") as source,
        connect(move.target, name=f"{move.name} configure") as target,
    ):
        (at,) = control.execute(_STATEMENTS["lock"], {"move_id": move.move_id}).fetchone() or (None,)
        if at is not None:
            raise AlreadyConfigured(move=move.name, at=format_instant(at))
        emptiness.require_empty(target, plan=move.plan, target_property=move.target_property, move=move.name)
        done = copy(source, target, move=move)
        report = msgspec.json.encode(done).decode()
        control.execute(_STATEMENTS["configured"], {"move_id": move.move_id, "report": report})
    return done


def configured_at(control: _Connection, *, move: Move) -> datetime:
    """Say when the configuration was copied. Raises NotConfigured."""
    row = control.execute("select configured_at from slacktide.move where move_id = %s", [move.move_id]).fetchone()
    if row is None or row[0] is None:
        raise NotConfigured(move=move.name)
    return row[0]  # type: ignore[no-any-return] # a timestamptz


def copy(source: _Connection, target: _Connection, *, move: Move) -> Configuration:
    """Copy everything, read at one instant, written in one transaction. Raises ConfigurationRefused, TargetAhead."""
    try:
        with source.transaction(), target.transaction():
            source.execute("set transaction isolation level repeatable read, read only")
            return _Copying(source, target, move).all()
    except psycopg.Error as error:
        raise ConfigurationRefused(reason=" ".join(str(error).split()), move=move.name) from error


class _Copying:
    """The copying of one move, in a transaction on each side."""

    def __init__(self, source: _Connection, target: _Connection, move: Move) -> None:
        self._source, self._target, self._move, self._plan = source, target, move, move.plan

    def all(self) -> Configuration:
        """Copy everything, in the order of references."""
        move, plan = self._move, self._plan
        today = business_dates(self._source, self._target, move=move).source
        there = {one.code for one in properties(self._target, plan=plan)} | {move.target_property}
        stubs = [
            one.code for one in properties(self._source, plan=plan) if one.code not in {*there, move.property_code}
        ]
        copied = [*self._lists(), self._property(move.property_code, becomes=move.target_property)]
        facts = {"date": today, "code": move.target_property}
        self._target.execute(statement.set_business_date(plan), facts)
        for code in stubs:
            copied += [self._property(code, becomes=code), *self._entities(code, becomes=code, only=_listed(plan))]
        copied += self._entities(move.property_code, becomes=move.target_property)
        return Configuration(copied, stubs, today)

    def _lists(self) -> list[Copied]:
        copied = []
        for item in self._plan.lists:
            if item.property_column is None and not statement.is_property(self._plan, item):
                table = Identifier(item.schema, item.table)
                names = self._columns(table)
                query = statement.read_list(item, names)
                counts = self._table(query, table=table, names=names, key=(item.column,))
                copied.append(Copied(f"{item.schema}.{item.table}", f"Codes of the list {item.name}", *counts))
        return copied

    def _property(self, code: str, *, becomes: str) -> Copied:
        at = self._plan.property
        table = Identifier(at.schema, at.table)
        names = self._columns(table)
        query = statement.read_property(self._plan, names, code=code, becomes=becomes)
        counts = self._table(query, table=table, names=names, key=(at.column,))
        return Copied(f"{at.schema}.{at.table}", f"The property {becomes}", *counts)

    def _entities(self, code: str, *, becomes: str, only: set[str] | None = None) -> list[Copied]:
        copied = []
        for entity in self._plan.configuration:
            for table in entity.tables:
                if only is not None and table.qualified not in only:
                    continue
                names = [column.name for column in table.columns]
                query = statement.read_entity(self._plan, entity, table, of=code, becomes=becomes)
                counts = self._table(query, table=qualified(table), names=names, key=table.key)
                title = entity.title if only is None else f"{entity.title}, codes of {code} only"
                copied.append(Copied(table.name, title, *counts))
        return copied

    def _table(self, query: Composed, *, table: Identifier, names: list[str], key: tuple[str, ...]) -> tuple[int, int]:
        """Copy a query's rows into a table; give how many were read and how many written."""
        self._target.execute(statement.make_stage(table, names))
        reader, writer = self._source.cursor(), self._target.cursor()
        read = 0
        with reader.copy(statement.copy_out(query)) as rows, writer.copy(statement.copy_in(names)) as stage:
            for row in rows:
                stage.write(row)
                read += 1
        written = self._target.execute(statement.write(table, names, key)).rowcount
        self._target.execute(statement.drop_stage())
        return read, written

    def _columns(self, table: Identifier) -> list[str]:
        """Name the columns that both sides have; what only one has is not copied."""
        named = {"table": table.as_string(None)}
        here, there = (
            [name for (name,) in side.execute(_STATEMENTS["columns"], named)] for side in (self._source, self._target)
        )
        return [name for name in here if name in there]


def _listed(plan: Plan) -> set[str]:
    """Name the tables that hold the codes of a property's lists."""
    return {f"{item.schema}.{item.table}" for item in plan.lists if item.property_column is not None}
