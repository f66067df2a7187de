"""The hotel, by its own plan: what was moved is equal, each total is there, and a cent is found."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

import slacktide.hotel
from slacktide.hotel.loading import load
from slacktide.hotel.schema import create
from slacktide.plan.load import load_plan
from slacktide.postgres.connection import connect
from slacktide.transfer import prepare
from slacktide.transfer.counter import raise_counters
from tests.transfer.line import JOURNAL
from tests.transfer.verified import VerifiedLine

PLAN = load_plan(path=Path(slacktide.hotel.__file__).parent / "plan.yaml")
DAY = date(2016, 8, 15)


def copied(source, target, table, where):
    """Copy rows of the configuration."""
    columns = [column for (column,) in source.execute(
        "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 order by attnum",
        [table],
    )]  # fmt: skip
    names = ", ".join(columns)
    with (
        source.cursor().copy(f"copy (select {names} from {table} where {where}) to stdout") as out,
        target.cursor().copy(f"copy {table} ({names}) from stdin") as into,
    ):
        for data in out:
            into.write(data)


@pytest.fixture
def hotel(server, database, tmp_path):
    """Give a line that has moved a small RESORT."""
    stem = conninfo_to_dict(database)["dbname"]
    addresses = {"control": database}
    for name in ("source", "target"):
        server.create_database(f"{stem}_{name}")
        addresses[name] = server.address(f"{stem}_{name}")
        create(address=addresses[name])
    load(address=addresses["source"], bookings_per_property=200)
    with connect(database, name="c") as control:
        control.execute("create schema slacktide;" + JOURNAL)
    with connect(addresses["source"], name="s") as source, connect(addresses["target"], name="t") as target:
        copied(source, target, "hotel.property", "code = 'RESORT'")
        for entity in PLAN.configuration:
            copied(source, target, entity.root.qualified, "property_code = 'RESORT'")
        prepare.prepare_source(source, plan=PLAN, move="m")
        prepare.prepare_target(target, plan=PLAN, move="m", target_property="RESORT")
        codes = {
            c.name: [k for (k,) in source.execute(f"select distinct {c.column} from {c.schema}.{c.table}")]
            for c in PLAN.lists
        }
    line = VerifiedLine(
        **addresses,
        folder=tmp_path,
        plan=PLAN,
        property_code="RESORT",
        codes={n: {k: k for k in ks} for n, ks in codes.items()},
    )
    try:
        line.start()
        line.drain()
        yield line
    finally:
        line.stop()


def test_hotel(hotel):
    """A moved hotel is equal in content, rows and totals; a change is carried forward; a cent is found."""
    whole = hotel.ahead(DAY)
    assert whole.differences == []
    assert whole.rows["target"]["reservation"] == 200
    assert {"guest_ledger", "ar_ageing", "rooms_on_the_books"} <= {
        name for name, sums in whole.totals["target"].items() if sums
    }
    hotel.sql(
        "update hotel.posting set amount = amount + 0.01 where posting_id = (select max(posting_id) from hotel.posting)"
    )
    hotel.sql("delete from hotel.guest_message where property_code = 'RESORT'")
    hotel.drain()
    again, everything = hotel.again(DAY), hotel.compare(DAY)
    assert (again.rows, again.totals, again.equal) == (everything.rows, everything.totals, True)
    hotel.tamper(
        "update hotel.posting set amount = amount + 0.01 where posting_id = (select max(posting_id) from hotel.posting)"
    )
    different = hotel.compare(DAY)
    assert any(d.what.endswith("amount differs") for d in different.differences)
    assert different.totals["source"] != different.totals["target"]
    with connect(hotel.addresses[0], name="s") as source, connect(hotel.addresses[1], name="t") as target:
        raised = raise_counters(
            source=source, target=target, plan=PLAN, source_property="RESORT", target_property="RESORT"
        )
    assert {r.key for r in raised} >= {"confirmation", "folio", "ar_invoice"}
