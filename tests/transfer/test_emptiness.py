from __future__ import annotations

import pytest

from slacktide.transfer import prepare
from slacktide.transfer.emptiness import TargetNotEmpty, check, require_empty
from tests.transfer.moved import moving


@pytest.fixture
def resort(server, tmp_path):
    """Give a move of RESORT."""
    move = moving(server, tmp_path)
    yield move
    move.close()


def rows_of(resort):
    return check(resort.target, plan=resort.move.plan, target_property="RESORT", move="resort")


def put_property(resort, code="RESORT"):
    resort.target.execute(
        "insert into hotel.property (code, name, time_zone, currency_code, business_date) "
        "values (%s, 'x', 'UTC', 'EUR', '2016-08-15')",
        [code],
    )


def put_account(resort, code="RESORT"):
    """Write one AR account with an invoice, which belongs to the property through its account."""
    return resort.target.execute(
        "with p as (insert into hotel.profile (kind, last_name) values ('company', 'ACME') returning profile_id), "
        "a as (insert into hotel.ar_account (property_code, account_no, profile_id) select %s, 1, profile_id from p "
        "returning ar_account_id) select profile_id, ar_account_id from p, a",
        [code],
    ).fetchone()


def test_empty_target(resort):
    """A target without the property holds nothing of it; the properties' own rows and shared profiles do not count."""
    assert rows_of(resort) == []
    put_property(resort)
    resort.target.execute("insert into hotel.profile (kind, last_name) values ('guest', 'Mozart')")
    assert rows_of(resort) == []


def test_one_row_is_named(resort):
    """A single row of the property is found and named with table and key."""
    put_property(resort)
    _, account = put_account(resort)
    (found,) = rows_of(resort)
    assert (found.table, found.count, found.example) == ("hotel.ar_account", 1, str(account))
    with pytest.raises(TargetNotEmpty, match=rf"1 of hotel.ar_account \(one has the key {account}\)"):
        require_empty(resort.target, plan=resort.move.plan, target_property="RESORT", move="resort")


def test_row_by_another_object(resort):
    """What belongs to the property through another object is found too, with its parts."""
    put_property(resort)
    _, account = put_account(resort)
    resort.target.execute(
        "insert into hotel.ar_invoice (ar_account_id, invoice_no, currency_code, original_date, status) "
        "values (%s, 1, 'EUR', '2016-08-01', 'open')",
        [account],
    )
    resort.target.execute(
        "insert into hotel.ar_payment (ar_invoice_id, amount, paid_on) "
        "select ar_invoice_id, 1, '2016-08-02' from hotel.ar_invoice"
    )
    assert [found.table for found in rows_of(resort)] == ["hotel.ar_account", "hotel.ar_invoice", "hotel.ar_payment"]


def test_another_property_does_not_count(resort):
    """Rows of the target's other properties are left alone."""
    put_property(resort, "CITY")
    put_account(resort, "CITY")
    assert rows_of(resort) == []


def test_what_the_mover_wrote_does_not_count(resort):
    """A row that the key map of this move knows is the mover's; one beside it is not."""
    prepare.prepare_target(resort.target, plan=resort.move.plan, move="resort", target_property="RESORT")
    put_property(resort)
    _, account = put_account(resort)
    resort.target.execute(
        "insert into slacktide.key_map (move_no, name, source_key, target_key, outside, batch) "
        "select move_no, 'ar_account', '77', %s, false, 1 from slacktide.mover_move",
        [str(account)],
    )
    assert rows_of(resort) == []
    resort.target.execute(
        "insert into hotel.ar_account (property_code, account_no, profile_id) "
        "select 'RESORT', 2, profile_id from hotel.profile"
    )
    assert [(found.table, found.count) for found in rows_of(resort)] == [("hotel.ar_account", 1)]
