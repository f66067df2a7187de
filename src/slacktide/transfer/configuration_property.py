"""What a database says of the properties in it: which there are, their zone, their business date."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import msgspec
from psycopg.sql import SQL, Composable, Composed, Identifier

from slacktide.core.errors import InputError, UsageError
from slacktide.postgres import sql
from slacktide.postgres.connection import shown

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.plan.model import Plan
    from slacktide.transfer.move import Move

_STATEMENTS = sql.load(__package__, "configuration.sql")
_SHOWN = 10  # so many codes are worth reading


class NoSuchProperty(UsageError):
    """There is no property {code!r} in {database}: there are {known}. Name one of them with --property CODE."""


class TargetAhead(InputError):
    """The business date of {code!r} is {target} at the target and {source} at the source: it must not be later. Let the source's End of Day go on to it, then run `slacktide move property {move}`."""  # noqa: E501 -- the message is one sentence


class Property(msgspec.Struct, frozen=True):
    """A property as its database has it. `name` is its code where the property's table has no column `name`."""

    code: str
    name: str
    zone: str
    business_date: date
    end_of_day: bool


class BusinessDates(msgspec.Struct, frozen=True):
    """The property's business date on both sides; None where the target does not have it yet."""

    source: date
    target: date | None


def properties(connection: psycopg.Connection[TupleRow], *, plan: Plan, code: str | None = None) -> list[Property]:
    """List the properties of a database by code; with `code` that one, or none."""
    return [Property(*row) for row in connection.execute(_properties(connection, plan), {"code": code})]


def property_at(connection: psycopg.Connection[TupleRow], *, plan: Plan, code: str, address: str) -> Property:
    """Give one property of a database. Raises NoSuchProperty, which names those that there are."""
    found = properties(connection, plan=plan, code=code)
    if found:
        return found[0]
    known = [one.code for one in properties(connection, plan=plan)]
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    raise NoSuchProperty(code=code, database=shown(address), known=(", ".join(known[:_SHOWN]) or "none") + more)


def business_dates(
    source: psycopg.Connection[TupleRow], target: psycopg.Connection[TupleRow], *, move: Move
) -> BusinessDates:
    """Give the business date on both sides. Raises NoSuchProperty, TargetAhead."""
    here = property_at(source, plan=move.plan, code=move.property_code, address=move.source)
    there = properties(target, plan=move.plan, code=move.target_property)
    dates = BusinessDates(here.business_date, there[0].business_date if there else None)
    if dates.target is not None and dates.target > dates.source:
        facts = {"source": dates.source, "target": dates.target}
        raise TargetAhead(code=move.target_property, move=move.name, **facts)
    return dates


def _properties(connection: psycopg.Connection[TupleRow], plan: Plan) -> Composed:
    at = plan.property
    named = connection.execute(_STATEMENTS["has_column"], [at.schema, at.table, "name"]).fetchone() is not None
    code: Composable = SQL("{}::text").format(Identifier(at.column))
    return SQL(
        "select {code}, {name}, {zone}::text, {business_date}, {end_of_day} from {table} "
        "where %(code)s::text is null or {code} = %(code)s order by 1"
    ).format(
        code=code,
        name=SQL("name::text") if named else code,
        zone=Identifier(at.zone),
        business_date=Identifier(at.business_date),
        end_of_day=Identifier(at.end_of_day),
        table=Identifier(at.schema, at.table),
    )
