"""What is set aside really frees a unique value, whatever the type, and never touches what it must not."""

from __future__ import annotations

import pytest
from psycopg import sql

from slacktide.plan.catalog import read_catalog
from slacktide.plan.parking import Parking, ParkingKind, parking_columns, parking_in


def test_shop(shop_plan, shop_database):
    """Null where it may be null, the number elsewhere; never the property, nor an index that holds the key."""
    parking = parking_columns(connection=shop_database, plan=shop_plan())
    assert parking["profile"] == (
        Parking(index="profile_email_key", column="email", kind=ParkingKind.NULL, columns=("email",)),
    )
    assert parking["booking"] == (
        Parking(
            index="booking_site_code_number_key",
            column="number",
            kind=ParkingKind.TEXT,
            columns=("site_code", "number"),
        ),
    )
    assert parking["booking.night"] == ()
    assert [each.kind for each in parking["invoice"]] == [ParkingKind.INTEGER]


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("text", ("a", "b"), ParkingKind.TEXT),
        ("varchar(9)", ("a", "b"), ParkingKind.TEXT),
        ("varchar(8)", ("a", "b"), None),
        ("integer", (1, 2), ParkingKind.INTEGER),
        ("bigint", (1, 2), ParkingKind.BIGINT),
        ("smallint", (1, 2), None),
        ("numeric(12,2)", (1, 2), ParkingKind.NUMERIC),
        ("numeric(5,2)", (1, 2), None),
        ("uuid", ("0" * 32, "1" * 32), ParkingKind.UUID),
        ("date", ("2026-01-01", "2026-01-02"), ParkingKind.DATE),
        ("timestamptz", ("2026-01-01", "2026-01-02"), ParkingKind.TIMESTAMP),
        ("timestamp(0)", ("2026-01-01", "2026-01-02"), ParkingKind.TIMESTAMP),
        ("jsonb", ("1", "2"), None),
    ],
)
def test_swap(shop_plan, shop_database, kind, values, expected):
    """Two rows whose unique values are set aside can take each other's, one after the other."""
    shop_database.execute(f"alter table shop.profile drop email, add email {kind} not null unique")
    plan = shop_plan(("email: text?", f'email: "{kind}"'))
    choice = parking_in(plan=plan, catalog=read_catalog(connection=shop_database, plan=plan))
    if expected is None:
        assert choice.impossible == (("profile", "profile_email_key", ("email",)),)
        return
    [parking] = choice.parking["profile"]
    assert parking.kind is expected
    shop_database.execute("insert into shop.profile (name, email) values ('a', %s), ('b', %s)", values)
    aside = parking.expression(sql.Identifier("profile_id"))
    shop_database.execute(sql.SQL("update shop.profile set email = {}").format(aside))
    for name, value in zip("ba", values, strict=True):
        shop_database.execute("update shop.profile set email = %s where name = %s", [value, name])


def test_never_what_others_rest_on(shop_plan, shop_database):
    """A column that another table refers to is not set aside, nor one that refers to a table itself."""
    shop_database.execute("""
        alter table shop.profile alter email set not null, add unique (name);
        create table shop.mail (email text references shop.profile (email));
        alter table shop.profile add foreign key (name) references shop.site (code);
    """)
    plan = shop_plan(("email: text?", "email: text"))
    choice = parking_in(plan=plan, catalog=read_catalog(connection=shop_database, plan=plan))
    assert {index for _, index, _ in choice.impossible} == {"profile_email_key", "profile_name_key"}


def test_nulls_not_distinct(shop_plan, shop_database):
    """Where two nulls are equal, null sets nothing aside."""
    if shop_database.info.server_version < 150000:
        pytest.skip("PostgreSQL 15 and later have it")
    shop_database.execute("create unique index one on shop.profile (note) nulls not distinct")
    parking = parking_columns(connection=shop_database, plan=shop_plan())["profile"]
    assert [each.kind for each in parking if each.index == "one"] == [ParkingKind.TEXT]


def test_prefers_what_no_check_looks_at(shop_plan, shop_database):
    """Of two columns the one without a check is taken; where only one with a check is left, that is said."""
    shop_database.execute("""
        alter table shop.profile add constraint short check (length(email) < 40), add unique (email, name),
            add constraint named check (name <> '');
    """)
    plan = shop_plan()
    choice = parking_in(plan=plan, catalog=read_catalog(connection=shop_database, plan=plan))
    assert ("profile", "profile_email_key", "the check short") in choice.doubtful
    shop_database.execute("alter table shop.profile drop constraint named")
    choice = parking_in(plan=plan, catalog=read_catalog(connection=shop_database, plan=plan))
    columns = {each.index: each.column for each in choice.parking["profile"]}
    assert columns["profile_email_name_key"] == "name"


def test_expressions_and_predicates(shop_plan, shop_database):
    """An index over an expression, or over a part of the rows, is watched through all columns that it uses."""
    shop_database.execute("""
        create unique index lowered on shop.profile (lower(email));
        create unique index part on shop.profile (name) where note is not null;
    """)
    parking = {each.index: each for each in parking_columns(connection=shop_database, plan=shop_plan())["profile"]}
    assert (parking["lowered"].column, parking["lowered"].kind) == ("email", ParkingKind.NULL)
    assert parking["part"].column == "name"
    assert parking["part"].columns == ("name", "note")
