"""The permanent checker, after a whole move of the hotel: what must hold once the target is open.

Every function gives sentences, one for each thing that is not as it must be.
"""

from __future__ import annotations

import contextlib
from datetime import date
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.sql import SQL, Identifier

from slacktide.postgres.connection import connect
from slacktide.transfer.ahead import subject_of
from slacktide.transfer.journal import Journal
from slacktide.transfer.source import Source
from slacktide.transfer.verify import Verification, compare
from tests.cutover.moving import BUSINESS_DATE, NAME, PROPERTY, Moving
from tests.transfer.checker import parked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slacktide.plan.model import Plan

_GAPS = """
select m.number_floor, count(b), coalesce(min(b.number), 0), coalesce(max(b.number), 0),
    count(b) filter (where b.state <> 'processed')
from slacktide.move m left join slacktide.batch b using (move_id) where m.name = %s group by 1
"""
_PROBLEMS = (
    "select entity || ' ' || key || ' ' || state || ': ' || reason from slacktide.message where state <> 'warning'"
)
_LEFT = """
select 'slot ' || slot_name from pg_replication_slots where database = current_database()
union all select 'publication ' || pubname from pg_publication
union all select 'identity of ' || oid::regclass from pg_class
    where relkind in ('r', 'p') and relreplident <> 'd' and relnamespace::regnamespace::text !~ '^(pg_|information_)'
union all select 'trigger ' || t.tgname || ' of ' || t.tgrelid::regclass from pg_trigger t
    where not t.tgisinternal and t.tgname like '%%slacktide%%' and not %(guarded)s
union all select 'relation ' || oid::regclass from pg_class
    where relkind in ('r', 'p', 'v', 'S') and relnamespace = to_regnamespace('slacktide')
    and not (%(guarded)s and relname like 'guard%%')
union all select 'function ' || oid::regprocedure from pg_proc
    where pronamespace = to_regnamespace('slacktide') and not (%(guarded)s and proname like 'guard%%')
"""
ROUTES = {
    "update": "update hotel.reservation set room_no = room_no where property_code = 'RESORT'",
    "delete": "delete from hotel.trace where property_code = 'RESORT'",
    "update of a part": "update hotel.posting p set amount = amount + 1 from hotel.folio f "
    "where f.folio_id = p.folio_id and f.property_code = 'RESORT'",
    "truncate": "truncate hotel.guest_message",
}
REFUSED = "ST002"


def compared(moving: Moving) -> Verification:
    """Compare every object of both sides by content as they are now."""
    move = moving.move()
    source = Source(move.source, plan=move.plan, property_code=PROPERTY, name="proof")
    with (
        contextlib.closing(source),
        connect(moving.control, name="proof") as control,
        connect(moving.target, name="proof") as target,
        source.at_one_instant(),
    ):
        return compare(
            source=source.connection,
            target=target,
            subject=subject_of(move, Journal(control, move_id=move.move_id)),
            business_date=date.fromisoformat(BUSINESS_DATE),
        )


def not_equal(found: Verification) -> list[str]:
    """Name what differs in objects, rows and totals."""
    listed = [f"{d.entity} {d.key}: {d.what}" for d in found.differences[:10]]
    if found.different > len(listed):
        listed.append(f"and {found.different - len(listed)} more")
    if not found.equal and not listed:
        listed.append(f"rows or totals differ: {found.rows} {found.totals}")
    return listed


def not_whole(moving: Moving) -> list[str]:
    """Name gaps in the batches, messages that did not arrive, values that are parked, rows of others."""
    (floor, count, first, last, open_ones), *_ = moving.ask("control", _GAPS, NAME)
    wrong = (
        [] if count == last - first + 1 and first == 1 else [f"{count} batches from {first} to {last}, floor {floor}"]
    )
    wrong += [f"{open_ones} batches are not processed"] if open_ones else []
    wrong += [text for (text,) in moving.ask("control", _PROBLEMS)]
    plan = moving.move().plan
    with connect(moving.target, name="proof") as target:
        wrong += [f"parked at the target: {name} {value!r}" for name, value in parked(target, plan)]
        wrong += [*_others(target, plan)]
    return wrong


def _others(target: psycopg.Connection[Any], plan: Plan) -> Iterator[str]:
    """Name rows of another property at the target that the key map does not know: they are nobody's business."""
    for entity in plan.moving:
        if entity.root.property_column is None:
            continue
        statement = SQL(
            "select count(*) from {table} t where {property} <> %s and not exists (select from slacktide.key_map k "
            "where k.name = %s and k.target_key = {key}::text)"
        ).format(
            table=Identifier(entity.root.schema, entity.root.table),
            property=Identifier("t", entity.root.property_column),
            key=Identifier("t", entity.key),
        )
        count = target.execute(statement, [PROPERTY, entity.name]).fetchone()[0]  # type: ignore[index] # a count
        if count:
            yield f"{count} rows of another property in {entity.root.qualified} at the target"


def not_refused(moving: Moving, *, role: str) -> list[str]:
    """Name the routes by which an ordinary role can still write the property at the source."""
    moving.ask("source", ROLE.format(role=role))
    return [
        f"{name} at the source: {got or 'was accepted'}"
        for name, statement in ROUTES.items()
        if (got := refusal(moving.source, statement, role=role)) != REFUSED
    ]


ROLE = """
do $$ begin
    if not exists (select from pg_roles where rolname = '{role}') then create role {role}; end if;
end $$;
grant usage on schema hotel to {role};
grant all on all tables in schema hotel to {role};
grant usage on all sequences in schema hotel to {role};
"""


def refusal(address: str, statement: str, *, role: str) -> str | None:
    """Try a statement as a role and take it back; give the SQLSTATE that refused it."""
    with connect(address, name="proof", role=role) as connection:
        try:
            with connection.transaction(force_rollback=True):
                connection.execute(statement)
        except psycopg.Error as error:
            return error.sqlstate
    return None


def left_behind(moving: Moving) -> list[str]:
    """Name what is left after `clean`: at the source only the guard, which is its refusal."""
    at_source = [f"source: {text}" for (text,) in _left(moving.source, guarded=True)]
    return at_source + [f"target: {text}" for (text,) in _left(moving.target, guarded=False)]


def nothing_left(address: str) -> list[str]:
    """Name what of ours is in a database of which everything was taken away."""
    return [text for (text,) in _left(address, guarded=False)]


def _left(address: str, *, guarded: bool) -> list[Any]:
    with connect(address, name="proof") as connection:
        return connection.execute(_LEFT, {"guarded": guarded}).fetchall()
