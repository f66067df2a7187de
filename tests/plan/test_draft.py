"""A first plan from a database's own tables and foreign keys."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import psycopg
import pytest

from slacktide.plan.check import check_plan
from slacktide.plan.draft import NothingToDraft, UnknownPropertyColumn, draft_plan
from slacktide.plan.load import load_plan_text
from slacktide.plan.model import Phase
from slacktide.postgres.connection import connect

HOTEL = resources.files("slacktide.hotel").joinpath("schema.sql")
PAYABLE = Path(__file__).with_name("payable.sql")
PROPERTY = """
create schema s;
create table s.site (site text primary key, time_zone text not null, business_date date not null,
    closing boolean not null);
"""


@pytest.fixture
def drafted(database):
    """Give a function that makes a schema and drafts a plan of it."""

    def draft(schema, *, column="site"):
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(schema)
        with connect(database, name="test") as connection:
            return draft_plan(connection=connection, property_column=column, file="draft.yaml", database="env:DB")

    return draft


def the_plan(found):
    assert [str(guess) for guess in found.guesses] == []
    return load_plan_text(text=found.text, file="draft.yaml")


def what(plan):
    """Give how each entity belongs to the property."""
    ways = {e.name: e.via or ("shared" if e.shared else e.root.property_column) for e in plan.entities}
    return {e.name: "configuration" if e.phase is Phase.CONFIGURATION else ways[e.name] for e in plan.entities}


def test_hotel(drafted, database):
    """Of the hotel's schema all is guessed but its inventory, which has no key of its own; mended, it is accepted."""
    found = drafted(HOTEL.read_text(encoding="utf-8"), column="property_code")
    assert [guess.field for guess in found.guesses] == ["entities.inventory.key"]
    mended = re.sub(r"\n  inventory:\n(?:   .*\n)+", "\n", found.text)
    mended = mended.replace("\nleft_out:\n", "\nleft_out:\n  hotel.inventory: rebuilt at the target\n")
    plan = load_plan_text(text=mended, file="draft.yaml")
    with connect(database, name="test") as connection:
        assert check_plan(plan=plan, source=connection, target=connection).errors == ()
    ways = what(plan)
    assert (ways["profile"], ways["reservation"], ways["ar_invoice"]) == ("shared", "property_code", "ar_account_id")
    assert [name for name, how in ways.items() if how == "configuration"] == [
        "app_user", "cashier", "function_space", "market_code", "meal_code", "number_range", "rate_code", "room",
        "room_type", "source_code",
    ]  # fmt: skip
    assert "reservation.reservation_night" in plan.table
    here = plan.property
    assert (here.zone, here.business_date, here.end_of_day) == ("time_zone", "business_date", "end_of_day_running")
    assert [counter.value for counter in plan.counters] == ["last_number"]


def test_foreign_schema(drafted):
    """Of a schema that nobody has seen before a plan is drafted that its own database accepts."""
    found = drafted(PAYABLE.read_text(encoding="utf-8"), column="org_id")
    plan = the_plan(found)
    assert [line.split()[2] for line in found.text.splitlines() if "# known_by" in line] == ["tax_no"]
    assert what(plan) == {
        "gl_account": "configuration", "series": "configuration", "supplier": "shared", "approver": "org_id",
        "invoice": "org_id", "payment": "org_id", "approval": "invoice_id",
    }  # fmt: skip
    parts = {part.name: part.root for entity in plan.entities for part in entity.parts}
    assert parts == {
        "supplier.supplier_bank": "supplier_id", "invoice.invoice_line": "invoice_id", "invoice.split": "invoice_id",
        "approval.approval_note": "approval_id",
    }  # fmt: skip
    references = {r.column: r.target for _, r in plan.entity["payment"].references}
    assert references == {"invoice_id": "invoice", "supplier_bank_id": "supplier.supplier_bank"}
    line = plan.table["invoice.invoice_line"]
    assert {code.column: code.list for code in line.codes} == {"org_id": "property", "account_no": "gl_account"}
    assert plan.table["invoice"].left_out == {"lower_number": "made by the database"}
    assert list(plan.left_out) == ["payable.organization", "payable.currency", "payable.job_log"]
    assert {total.name for total in plan.totals} >= {"invoice_amount", "invoice_split_amount", "payment_amount"}


def test_each_guess_has_its_reason(drafted):
    """Above every entity and every part stands why it is one."""
    text = drafted(PAYABLE.read_text(encoding="utf-8"), column="org_id").text
    entities = text[text.index("\nentities:") : text.index("\ntotals:")]
    named = re.findall(r"(.*)\n +(\w+):\n(?: +title: .*\n +phase: .*\n)? +table: ", entities)
    assert len(named) == 11
    assert [name for above, name in named if not above.strip().startswith("# Guess: ")] == []
    assert "# Guess: a part of payable.supplier: its rows go with it.\n      supplier_bank:" in text


CIRCLE = """
create table s.a (site text not null references s.site, id bigserial primary key, b bigint not null);
create table s.b (site text not null references s.site, id bigserial primary key, a bigint not null references s.a);
alter table s.a add foreign key (b) references s.b;
"""
SET_NULL = """
create table s.b (site text not null references s.site, id bigserial primary key);
create table s.a (site text not null references s.site, id bigserial primary key,
    b bigint references s.b on delete set null);
"""


@pytest.mark.parametrize(
    ("tables", "field", "message"),
    [
        ("create table s.a (site text not null references s.site, note text not null);",
         "entities.a.key", "no unique index of s.a is over just (note)"),
        ("create table s.a (site text not null references s.site, day date, no int, primary key (site, day, no));",
         "entities.a.key", "the key of what the processes move is one column, not 3"),
        ("create table s.a (site text references s.site, id bigserial primary key);",
         "entities.a.property", "must not be null"),
        (CIRCLE, "entities", "go in a circle"),
        (SET_NULL, "entities.a.table", "SET NULL, from one object into another"),
    ],
    ids=["no key", "key of three columns", "property may be null", "circle", "set null"],
)  # fmt: skip
def test_a_guess_that_needs_a_hand(drafted, tables, field, message):
    """What cannot be guessed right is named, with its place in the file, what is wrong, and what to do."""
    found = drafted(PROPERTY + tables)
    guesses = [guess for guess in found.guesses if guess.field == field]
    assert [message in guess.message for guess in guesses] == [True], [str(guess) for guess in found.guesses]
    (guess,) = guesses
    assert (guess.file, bool(guess.todo)) == ("draft.yaml", True)
    assert field.rpartition(".")[2] in found.text.splitlines()[guess.line - 1]


def test_codes_that_refer_to_what_is_traded(drafted):
    """A key of codes alone makes no configuration: copied once, what refers to an object would lose changes."""
    found = drafted(
        PROPERTY + "create table s.a (site text not null references s.site, id bigserial primary key);"
        "create table s.b (site text not null references s.site, code text, a bigint not null references s.a,"
        " primary key (site, code));"
    )
    assert [guess.field for guess in found.guesses] == ["entities.b.key"]


def test_rows_of_rows(drafted):
    """A table whose rows have rows of their own, that know nothing of its object, is an object through that one."""
    plan = the_plan(
        drafted(
            PROPERTY + "create table s.bill (site text not null references s.site, id bigserial primary key);"
            "create table s.line (bill_id bigint not null references s.bill, no int, line_id bigserial unique,"
            " primary key (bill_id, no));"
            "create table s.tax (line_id bigint not null references s.line (line_id), no int,"
            " primary key (line_id, no));"
        )
    )
    assert what(plan) == {"bill": "site", "line": "bill_id"}
    line = plan.entity["line"]
    assert (line.root.key, [part.name for part in line.parts]) == (("line_id",), ["line.tax"])


def test_amounts_of_a_domain(drafted):
    """A column of a domain that is made from an amount is summed up like an amount."""
    plan = the_plan(
        drafted(
            PROPERTY + "create domain s.amount as numeric(12,2); create domain s.weight as numeric(12,3);"
            "create table s.bill (site text not null references s.site, id bigserial primary key, total s.amount,"
            " load s.weight);"
        )
    )
    assert [total.name for total in plan.totals] == ["bill_total"]


def test_composite_foreign_key(drafted):
    """A key of two columns that rows lead to is a guess that needs a hand, and so is each reference to it."""
    found = drafted(
        PROPERTY + "create table s.a (site text not null references s.site, day date, no int, primary key (site, day));"
        "create table s.b (site text not null, id bigserial primary key, day date not null,"
        " foreign key (site, day) references s.a);"
    )
    assert [guess.field for guess in found.guesses] == ["entities.a.key"]


def test_property_without_a_date(drafted):
    """What the property's own table lacks is named at its field."""
    found = drafted(
        "create schema s; create table s.site (site text primary key);"
        "create table s.a (site text not null references s.site, id bigserial primary key);"
    )
    assert [guess.field for guess in found.guesses] == [
        "property.zone", "property.business_date", "property.end_of_day",
    ]  # fmt: skip


def test_odd_names(drafted):
    """Names that YAML or XML would read otherwise stay what they are."""
    plan = the_plan(
        drafted(
            PROPERTY
            + 'create table s."batch" (site text not null references s.site, id bigserial primary key, "no" text,'
            ' "two-words" numeric(12,2), at timestamp(3) with time zone, tags text[], "null" character varying(9));'
        )
    )
    table = plan.table["t_batch"]
    assert [(c.name, c.type) for c in table.columns][2:] == [
        ("no", "text"), ("two-words", "numeric(12,2)"), ("at", "timestamp(3) with time zone"), ("tags", "text[]"),
        ("null", "character varying(9)"),
    ]  # fmt: skip


def test_unknown_column(drafted):
    """A column that no table has is refused with the nearest name; so is a database without tables."""
    with pytest.raises(NothingToDraft, match="env:DB has no tables"):
        drafted("")
    with pytest.raises(UnknownPropertyColumn, match="did you mean 'site'") as refused:
        drafted(PROPERTY, column="sit")
    assert str(refused.value).endswith("--property-column site`.")
