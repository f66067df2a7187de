"""The hotel's plan: every column moves or is left out by name; totals and checks say what they should."""

from __future__ import annotations

from decimal import Decimal

import pytest

from slacktide.hotel.day import cashiers_close
from slacktide.hotel.property_plan import PLAN_FILE
from slacktide.plan.check import check_plan
from slacktide.plan.load import load_plan
from slacktide.plan.order import closing_columns
from slacktide.postgres.connection import connect


@pytest.fixture(scope="module")
def plan():
    return load_plan(path=PLAN_FILE)


def total(connection, plan, name):
    (found,) = [total for total in plan.totals if total.name == name]
    rows = connection.execute(
        f"select label, sum(value) from ({found.sql}) t group by label",
        {"property": "RESORT", "business_date": "2016-08-15"},
    )
    return dict(rows.fetchall())


def test_plan_fits(plan, hotel):
    """Held against two databases with the hotel, the plan has neither error nor warning."""
    with connect(hotel, name="test") as source, connect(hotel, name="test") as target:
        findings = check_plan(plan=plan, source=source, target=target)
    assert [str(problem) for problem in (*findings.errors, *findings.warnings)] == []


def test_every_column_is_named(plan, connection):
    """Every table and column of the schema moves, or is left out with a reason."""
    there = set(
        connection.execute(
            "select table_name, column_name from information_schema.columns where table_schema = 'hotel'"
        ).fetchall()
    )
    moved = {
        (table.table, column)
        for entity in plan.entities
        for table in entity.tables
        for column in (*table.by_name, *table.left_out)
    }
    left_out = {name.partition(".")[2] for name in plan.left_out}
    assert {(table, column) for table, column in there if table not in left_out} == moved


def test_parts_are_identified_with_their_root(plan, connection):
    """Of the large tables a unique index holds what the stream has to say: key and root, key and property."""
    for name in ("reservation", "reservation.night", "folio", "folio.posting", "deposit", "guest_message", "trace"):
        table = plan.table[name]
        needed = {*table.key, table.root or table.property_column}
        indexes = connection.execute(
            "select array_agg(attname::text) from pg_index i "
            "join pg_attribute a on attrelid = indrelid and attnum = any(indkey) "
            "where indrelid = %s::regclass and indisunique group by indexrelid",
            [table.qualified],
        ).fetchall()
        assert any(set(index) == needed for (index,) in indexes), name


def test_the_circle(plan):
    """Blocks and reservations refer to each other, and the circle can be cut."""
    assert closing_columns(plan.moving)["block"] == ("master_reservation_id",)


def test_money_totals(plan, connection):
    """The guest ledger is what open folios owe; the package ledger is zero; ageing adds up to the AR ledger."""
    owed = connection.execute(
        "select currency_code, sum(amount) from hotel.posting join hotel.folio using (folio_id) "
        "where property_code = 'RESORT' and settled_on is null group by 1"
    ).fetchall()
    guest_ledger = total(connection, plan, "guest_ledger")
    assert {k: v for k, v in guest_ledger.items() if v} == {k: v for k, v in owed if v}
    assert set(total(connection, plan, "package_ledger").values()) <= {Decimal(0)}
    ageing = total(connection, plan, "ar_ageing")
    ledger = total(connection, plan, "ar_ledger")
    assert sum(ageing.values()) == sum(ledger.values()) > 0
    assert total(connection, plan, "deposit_ledger")["EUR"] > 0


def test_counts(plan, connection):
    """Rooms, arrivals and messages are those of the business date."""
    in_house = connection.execute(
        "select count(*) from hotel.reservation where property_code = 'RESORT' and status = 'in house'"
    ).fetchone()
    assert (total(connection, plan, "rooms_occupied")["rooms"],) == in_house
    books = total(connection, plan, "rooms_on_the_books")
    sold = connection.execute("select sum(sold) from hotel.inventory where property_code = 'RESORT'").fetchone()
    assert (sum(books.values()),) == sold
    for name in ("arrivals", "departures", "blocks", "rooms_out_of_order", "undelivered_messages", "ar_invoices"):
        assert total(connection, plan, name), name


def test_checks(plan, hotel, connection):
    """Open cashiers and card batches hold Start up until they are closed; so does a user without a role."""
    facts = {"property": "RESORT"}
    found = {c.name: [t for (t,) in connection.execute(c.sql, facts)] for c in plan.checks}
    assert len(found["cashiers_closed"]) == 2
    assert len(found["card_batches_settled"]) == 1
    assert found["users_ready"] == []
    cashiers_close(address=hotel, property_code="RESORT")
    connection.execute("update hotel.app_user set role = null, account = null where user_name = 'user3'")
    found = {c.name: [t for (t,) in connection.execute(c.sql, facts)] for c in plan.checks}
    assert found == {
        "cashiers_closed": [],
        "card_batches_settled": [],
        "users_ready": ["User user3 has no account and no role."],
    }
