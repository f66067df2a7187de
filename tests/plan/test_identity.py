"""The replica identity that is chosen lets every change lead to its object, and PostgreSQL accepts it."""

from __future__ import annotations

import psycopg
import pytest

from slacktide.plan.catalog import read_catalog
from slacktide.plan.identity import full_refused, usable_index


def chosen(connection, plan, name):
    table = plan.table[name]
    at = read_catalog(connection=connection, plan=plan).tables[table.qualified]
    index = usable_index(table=table, at=at)
    return index and index.name, full_refused(at=at)


def test_holds_what_is_needed(shop_plan, shop_database):
    """A root's identity holds its key and the property, a part's the root's key."""
    plan = shop_plan()
    assert chosen(shop_database, plan, "booking") == ("booking_site_code_booking_id_key", None)
    assert chosen(shop_database, plan, "booking.night") == ("night_pkey", None)
    assert chosen(shop_database, plan, "profile")[0] == "profile_pkey"


@pytest.mark.parametrize(
    "definition",
    [
        "(site_code, booking_id) where number <> ''",
        "(site_code, booking_id, tariff_code)",
        "(site_code, booking_id, lower(number))",
        "(booking_id, number)",
    ],
)
def test_not_usable(shop_plan, shop_database, definition):
    """A partial index, one with a null or an expression, and one without the property do not serve."""
    shop_database.execute(f"""
        alter table shop.booking drop constraint booking_site_code_booking_id_key;
        create unique index other on shop.booking {definition};
    """)
    assert chosen(shop_database, shop_plan(), "booking") == (None, None)


def test_deferrable_is_not_usable(shop_plan, shop_database):
    """A deferrable constraint does not serve, as PostgreSQL says too."""
    shop_database.execute("""
        alter table shop.booking drop constraint booking_site_code_booking_id_key,
            add constraint later unique (site_code, booking_id) deferrable;
    """)
    assert chosen(shop_database, shop_plan(), "booking") == (None, None)
    with pytest.raises(psycopg.errors.FeatureNotSupported), shop_database.transaction():
        shop_database.execute("alter table shop.booking replica identity using index later")


@pytest.mark.parametrize(
    ("kind", "comparable"),
    [("json", False), ("json[]", False), ("point", False), ("varchar(3)", True), ("int4range", True), ("jsonb", True),
     ("text[]", True), ("interval", True)],
)  # fmt: skip
def test_full(shop_plan, shop_database, kind, comparable):
    """FULL serves unless a column cannot be compared."""
    shop_database.execute(f"alter table shop.night add extra {kind}")
    assert (chosen(shop_database, shop_plan(), "booking.night")[1] is None) == comparable
