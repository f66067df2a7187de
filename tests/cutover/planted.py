"""What a way back could lose, planted into both sides of a move, and how each of it is looked for afterwards."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from slacktide.postgres.connection import connect
from tests.cutover.moving import PROPERTY, Moving
from tests.transfer import checker

if TYPE_CHECKING:
    from slacktide.plan.model import Plan

FOREIGN_SHARER = """
update hotel.reservation set sharer_of_id = (
    select min(reservation_id) from hotel.reservation where property_code = 'CITY')
where reservation_id = (
    select min(reservation_id) from hotel.reservation
    where property_code = 'RESORT' and status not in ('reserved', 'in house'))
returning reservation_id
"""
# Our invoice names a posting that was moved to another property's house account.
FOREIGN_POSTING = """
with f as (insert into hotel.folio (property_code, title) values ('CITY', 'planted') returning folio_id),
w as (insert into hotel.folio_window (folio_id, window_no) select folio_id, 1 from f),
p as (
    insert into hotel.posting (folio_id, window_no, transaction_code, currency_code, amount, business_date, cashier_no)
    select folio_id, 1, '1000', 'EUR', 10, '2016-08-10', 1 from f returning posting_id),
a as (
    insert into hotel.ar_account (property_code, account_no, profile_id)
    select 'RESORT', 99901, min(profile_id) from hotel.profile returning ar_account_id),
i as (
    insert into hotel.ar_invoice (ar_account_id, invoice_no, currency_code, original_date, status)
    select ar_account_id, 99901, 'EUR', '2016-08-01', 'open' from a returning ar_invoice_id)
insert into hotel.ar_invoice_line (ar_invoice_id, line_no, posting_id, amount)
select ar_invoice_id, 1, posting_id, 10 from i, p
"""
# Companies of which nobody but the test writes: each has an account of ours.
COMPANIES = """
with p as (
    insert into hotel.profile (kind, last_name)
    values ('company', 'planted 1'), ('company', 'planted 2'), ('company', 'planted 3')
    returning profile_id)
insert into hotel.ar_account (property_code, account_no, profile_id)
select 'RESORT', 99900 - profile_id, profile_id from p
"""
# A booking that nobody touches, of a guest and of a company, with attachments that only move after the opening.
ATTACHED = """
with p as (
    insert into hotel.profile (kind, last_name, membership_no)
    values ('guest', 'goes', 990001), ('company', 'needed', null) returning profile_id, last_name),
r as (
    insert into hotel.reservation overriding system value select n.* from hotel.reservation r,
        jsonb_populate_record(r, jsonb_build_object(
            'reservation_id', nextval(pg_get_serial_sequence('hotel.reservation', 'reservation_id')),
            'confirmation_no', 990001, 'note', 'planted',
            'profile_id', (select profile_id from p where last_name = 'goes'),
            'company_id', (select profile_id from p where last_name = 'needed'))) n
    where r.property_code = 'RESORT' and r.status = 'cancelled' order by r.reservation_id limit 1
    returning reservation_id)
insert into hotel.attachment (property_code, reservation_id, profile_id, name, media_type, content)
select 'RESORT', reservation_id, null, 'planted', 'text/plain', 'x'::bytea from r union all
select 'RESORT', null, profile_id, 'needed', 'text/plain', 'x'::bytea from p where last_name = 'needed'
"""
CODES = """
select country_code from hotel.reservation where property_code = 'RESORT' and country_code is not null
group by 1 order by count(*) desc limit 1
"""
MARKETS = """
select market_code from hotel.reservation where property_code = 'RESORT' group by 1 order by count(*) desc limit 2
"""
OF_CITY = "select r::text from hotel.{table} r where property_code = 'CITY' order by 1"
BLANK = ("country_code", "sharer_of_id", "market_code")  # what the forward move converts otherwise than the way back


def others(address: str) -> list[Any]:
    """Give every row of the other property: not one byte of it may change."""
    with connect(address, name="look") as connection:
        return [
            connection.execute(OF_CITY.format(table=table).encode()).fetchall()
            for table in ("reservation", "folio", "block", "deposit", "event", "trace", "telephone_entry")
        ] + connection.execute(
            "select p::text from hotel.posting p join hotel.folio f using (folio_id) where property_code = 'CITY' "
            "order by 1"
        ).fetchall()


def differing(
    back: Moving, *, stays: frozenset[tuple[str, str]] = frozenset(), code_there: str = PROPERTY
) -> list[str]:  # fmt: skip
    """Name what of the property is not at the move's target as it is at its source, by the rules alone.

    It shares no code with the engine: the source's rows say what must be there, and the key map gives them their keys.
    `code_there` is the property's code at the move's source.
    """
    plan = back.move().plan
    with connect(back.source, name="look") as source, connect(back.target, name="look") as target:
        rows = _blank(checker.rows_of(source, plan))
        for row in (row for listed in rows.values() for row in listed if row.get("property_code") == code_there):
            row["property_code"] = PROPERTY
        expected = checker.Expectation(rows, plan, PROPERTY)
        found, own = _found(target, plan, back.name)
        parked = checker.parked(target, plan)
    wrong = [f"parked: {one}" for one in parked]
    wrong += [f"{name} differs" for name in expected.own - stays if found.get(name) != expected.content(name)]
    return wrong + [f"{name} is not the property's at the source" for name in own - expected.own]


def _found(target: Any, plan: Plan, move: str) -> tuple[dict[tuple[str, str], str], set[tuple[str, str]]]:
    mapped: dict[str, dict[str, str]] = defaultdict(dict)
    for name, here, there in target.execute(
        "select k.name, source_key, target_key from slacktide.key_map k join slacktide.mover_move m using (move_no) "
        "where m.name = %s",
        [move],
    ):
        mapped[name][there] = here
    rows = _blank(checker.rows_of(target, plan))
    for table in plan.table.values():
        for row in rows[table.name]:
            checker.take_back(row, table, mapped)
            if table.root is None and not table.drawn:
                row[table.key[0]] = mapped[table.name].get(row[table.key[0]], "?")
    objects = checker.gather(rows, plan)
    own = checker.Expectation(rows, plan, PROPERTY).own
    return {name: checker.canonical(found) for name, found in objects.items()}, own


def _blank(rows: dict[str, list[dict[str, str | None]]]) -> dict[str, list[dict[str, str | None]]]:
    for listed in rows.values():
        for row in listed:
            row.update({column: None for column in BLANK if column in row})
    return rows
