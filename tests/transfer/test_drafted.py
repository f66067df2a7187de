"""A plan that nobody wrote: drafted from a foreign schema, it moves one of its properties."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import psycopg
import pytest

from slacktide.plan.draft import draft_plan
from slacktide.plan.load import load_plan_text
from slacktide.postgres.connection import connect
from tests.transfer.line import Databases
from tests.transfer.verified import VerifiedLine

SCHEMA = (Path(__file__).parents[1] / "plan" / "payable.sql").read_text(encoding="utf-8")
NATIVE = """
insert into payable.organization (org_id, name, currency_code) values ('Z', 'Zenith', 'EUR');
insert into payable.gl_account values ('Z', '1', 'native');
insert into payable.supplier (name, tax_no) select 'native ' || n, 'native ' || n from generate_series(1, 9) n;
insert into payable.approver (org_id, name) select 'Z', 'native ' || n from generate_series(1, 5) n;
insert into payable.invoice (org_id, number, supplier_id, currency_code, amount, received)
    select 'Z', 'I' || n, n, 'EUR', n, '2026-01-01' from generate_series(1, 9) n;
"""
SEED = """
insert into payable.supplier (name, tax_no, parent_id)
    select 'supplier ' || n, 'T' || n, nullif(n / 3, 0) from generate_series(1, 8) n;
insert into payable.supplier_bank (supplier_id, iban) select supplier_id, 'IBAN' || supplier_id from payable.supplier;
insert into payable.approver (org_id, name, limit_amount)
    select case when n % 2 = 0 then 'P' else 'Q' end, 'approver ' || n, n * 100 from generate_series(1, 4) n;
insert into payable.invoice (org_id, number, supplier_id, currency_code, amount, received)
    select case when n % 3 = 0 then 'Q' else 'P' end, 'I' || n, 1 + n % 6, (array['EUR', 'USD'])[1 + n % 2], n + 0.25,
        date '2026-01-01' + n from generate_series(1, 12) n;
insert into payable.invoice_line
    select invoice_id, n, org_id, n::text, amount / 2, null from payable.invoice, generate_series(1, 2) n;
insert into payable.split select invoice_id, line_no, n, amount / 2 from payable.invoice_line, generate_series(1, 2) n;
insert into payable.approval (invoice_id, approver_id, step) select i.invoice_id, a.approver_id, a.approver_id
    from payable.invoice i join payable.approver a using (org_id);
insert into payable.approval_note (approval_id, body)
    select approval_id, 'seen <' || approval_id || '>' from payable.approval;
insert into payable.payment (org_id, invoice_id, supplier_bank_id, amount)
    select org_id, invoice_id, case when invoice_id % 2 = 0 then supplier_id end, amount from payable.invoice;
"""
CODES = {"property": {"P": "P"}, "gl_account": {"1": "1", "2": "2", "3": "3"}, "currency": {"EUR": "EUR", "USD": "USD"}}
TODAY = date(2026, 1, 2)


@pytest.fixture
def payable(server, database, tmp_path):
    """Give a started line between two databases of the foreign schema, by the plan drafted from it."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(SCHEMA)
    with connect(database, name="draft") as connection:
        drafted = draft_plan(connection=connection, property_column="org_id", file="draft.yaml", database=database)
    assert drafted.guesses == ()
    plan = load_plan_text(text=drafted.text, file="draft.yaml")
    databases = Databases(server, plan=plan, schema=SCHEMA, native=NATIVE)
    line = VerifiedLine(**databases.addresses(), folder=tmp_path, plan=plan, codes=CODES)
    try:
        line.sql(SEED)
        line.start()
        yield line
    finally:
        line.drop()


def counted(line):
    """Count the property's rows at the target."""
    return [
        line.checking.execute(f"select count(*) from payable.{table} where org_id = 'P'").fetchone()[0]
        for table in ("approver", "invoice", "payment")
    ]


def test_it_moves_a_property(payable):
    """By the drafted plan one organization moves, pass and changes, and everything is equal, totals too."""
    payable.drain()
    assert (counted(payable), payable.problems()) == ([2, 8, 8], [])
    payable.sql("update payable.approval_note set body = 'changed'")
    payable.sql("update payable.split set amount = amount + 1 where share = 1")
    payable.sql("delete from payable.supplier_bank where supplier_id = 8")
    payable.sql("update payable.supplier_bank set iban = 'new' where supplier_bank_id = 3")
    payable.drain()
    result = payable.compare(TODAY)
    assert (result.differences, payable.problems()) == ([], [])
    assert result.totals["source"]["invoice_amount"].keys() == {"EUR", "USD"}
    assert result.rows["target"]["invoice.split"] == 32
    payable.check()


def test_a_difference_is_seen(payable):
    """What the drafted plan proves would notice a cent."""
    payable.drain()
    payable.tamper(
        "update payable.split set amount = amount + 0.01 where invoice_id = (select max(invoice_id) from payable.split)"
    )
    result = payable.compare(TODAY)
    assert result.differences
    assert result.totals["source"]["invoice_split_amount"] != result.totals["target"]["invoice_split_amount"]
