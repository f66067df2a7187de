"""A plan is held against real databases; each finding names side, file, line and field."""

from __future__ import annotations

import psycopg
import pytest

from slacktide.plan.check import check_plan
from slacktide.postgres.connection import connect

BOOKING = "entities.booking"
NIGHT = "entities.booking.parts.night"


def found(problems, field, side, said):
    return [p for p in problems if p.field == field and p.message.startswith(f"{side}: ") and said in p.message]


def test_fits(shop_plan, shop_database):
    """A plan that fits both databases has no finding, types by any of their names."""
    findings = check_plan(plan=shop_plan(), source=shop_database, target=shop_database)
    assert findings.errors == ()
    assert findings.warnings == ()


def test_without_databases(shop_plan):
    """Without a database nothing is found."""
    assert check_plan(plan=shop_plan()).errors == ()


@pytest.mark.parametrize("side", ["source", "target"])
@pytest.mark.parametrize(
    ("statement", "field", "said"),
    [
        ("alter table shop.night rename to nacht", f"{NIGHT}.table", "shop.night is not there (did you mean"),
        ("alter table shop.profile rename email to mail", "entities.profile.columns.email", "no column email"),
        ("alter table shop.booking alter number type varchar(30)", f"{BOOKING}.columns.number",
         "character varying(30), and the plan says varchar(20)"),
        ("alter table shop.night alter amount type numeric(12, 3)", f"{NIGHT}.columns.amount", "numeric(12,3)"),
        ("alter table shop.booking alter at type timestamp(3)", f"{BOOKING}.columns.at", "without time zone"),
        ("alter table shop.profile alter name drop not null", "entities.profile.columns.name", "may be null"),
        ("alter table shop.profile alter note set not null", "entities.profile.columns.note", "must not be null"),
        ("alter table shop.night drop constraint night_pkey", f"{NIGHT}.key", "(booking_id, stay)"),
        ("alter table shop.site rename day to today", "property.business_date", "did you mean 'today'"),
        ("alter table shop.site alter closing type text", "property.end_of_day", "expected is boolean"),
        ("alter table shop.tariff rename to tariffs", "lists.tariff.table", "did you mean 'shop.tariffs'"),
        ("alter table shop.series rename last to latest", "counters.series.value", "no column last"),
        ("alter table shop.invoice rename number to no", "totals.invoices.sql", 'column "number" does not exist'),
    ],
)  # fmt: skip
def test_both_sides(shop_plan, shop_text, shop_database, side, statement, field, said):
    """What is missing or of another kind is an error at whichever side it is, at the line of its field."""
    shop_database.execute(statement)
    errors = check_plan(plan=shop_plan(), **{side: shop_database}).errors
    matching = found(errors, field, side, said)
    assert matching, [str(error) for error in errors]
    assert field.rpartition(".")[2] in shop_text().splitlines()[matching[0].line - 1]
    assert matching[0].file == "shop.yaml"


@pytest.mark.parametrize(
    ("statement", "field", "said"),
    [
        ("create table shop.extra (id bigint primary key)", "entities", "shop.extra is neither moved nor left out"),
        ("drop table shop.scratch", "left_out.shop.scratch", "is not there"),
        ("alter table shop.profile add vip text", "entities.profile.columns", "shop.profile.vip is neither"),
        ("alter table shop.profile drop search", "entities.profile.left_out.search", "no column search"),
        ("alter table shop.night set unlogged", f"{NIGHT}.table", "unlogged"),
        ("alter table shop.booking drop constraint booking_site_code_booking_id_key, add p point",
         f"{BOOKING}.table", "the column p is point, which cannot be compared"),
        (("alter table shop.booking drop constraint booking_site_code_booking_id_key,"
         "add g text generated always as (number) stored"), f"{BOOKING}.table", "the column g is generated"),
        ("alter table shop.booking alter at type text", "checks.open.sql", "the query fails"),
    ],
)  # fmt: skip
def test_source(shop_plan, shop_database, statement, field, said):
    """What the source would forget or could not stream is an error there, and there only."""
    shop_database.execute(statement)
    findings = check_plan(plan=shop_plan(), source=shop_database)
    assert found(findings.errors, field, "source", said), [str(error) for error in findings.errors]
    target = check_plan(plan=shop_plan(), target=shop_database)
    assert not [error for error in target.errors if said in error.message]


@pytest.mark.parametrize(
    ("statement", "field", "said"),
    [
        ("alter table shop.invoice alter invoice_id drop identity", "entities.invoice.key", "no sequence"),
        ("alter table shop.profile add vip text not null", "entities.profile.columns", "vip does not move"),
        (("alter table shop.invoice drop constraint invoice_booking_id_fkey, add constraint gone foreign key"
         "(booking_id) references shop.booking on delete cascade"), "entities.invoice.table", "gone of shop.invoice"),
        (("alter table shop.booking drop constraint booking_other_id_fkey, add constraint gone foreign key"
         "(other_id) references shop.booking on delete set null"), f"{BOOKING}.table", "SET NULL"),
        (("alter table shop.booking drop constraint booking_other_id_fkey, add constraint gone foreign key"
         "(other_id) references shop.booking on delete set default"), f"{BOOKING}.table", "SET DEFAULT"),
        (("alter table shop.booking drop constraint booking_profile_id_fkey, add constraint gone foreign key"
         "(profile_id) references shop.profile on update cascade"), f"{BOOKING}.table", "CASCADE"),
        (("create unique index one on shop.night (amount) where amount > 0; alter table shop.night add check"
         "(amount >= 0); alter table shop.night add unique (booking_id)"), f"{NIGHT}.table", "night_booking_id_key"),
    ],
)  # fmt: skip
def test_target(shop_plan, shop_database, statement, field, said):
    """What writing at the target could not do, or would do besides, is an error there, and there only."""
    shop_database.execute(statement)
    findings = check_plan(plan=shop_plan(), target=shop_database)
    assert found(findings.errors, field, "target", said), [str(error) for error in findings.errors]
    source = check_plan(plan=shop_plan(), source=shop_database)
    assert not [error for error in source.errors if said in error.message]


def test_generated_always(shop_plan, shop_database):
    """A column beside the key that no update can set is an error at the target; what the error says mends it."""
    plan = shop_plan((', amount: "numeric(12, 2)"}', ', amount: "numeric(12, 2)", place: bigint}'))
    shop_database.execute("alter table shop.night add place bigint generated always as identity")
    findings = check_plan(plan=plan, source=shop_database, target=shop_database)
    [error] = findings.errors
    assert found([error], f"{NIGHT}.columns.place", "target", "place is generated always as identity")
    shop_database.execute("update shop.night set place = default")
    with pytest.raises(psycopg.errors.GeneratedAlways), shop_database.transaction():
        shop_database.execute("update shop.night set place = 1")
    shop_database.execute(error.message.split("`")[1])
    assert check_plan(plan=plan, source=shop_database, target=shop_database).errors == ()


def test_known_by_what_is_unique(shop_plan, shop_database):
    """What tells who an object is has a unique index at the target of just that column."""
    plan = shop_plan(("    shared: true", "    shared: true\n    known_by: note"))
    shop_database.execute("create unique index on shop.profile (note, name)")
    findings = check_plan(plan=plan, target=shop_database)
    assert found(findings.errors, "entities.profile.known_by", "target", "no unique index is over just")
    shop_database.execute("create unique index on shop.profile (note)")
    assert not check_plan(plan=plan, target=shop_database).errors


def test_named_cascade(shop_plan, shop_database):
    """A cascade that the plan names is accepted."""
    shop_database.execute(
        "alter table shop.invoice drop constraint invoice_booking_id_fkey, add constraint gone "
        "foreign key (booking_id) references shop.booking on delete cascade"
    )
    named = ("via: booking_id", "via: booking_id\n    cascades: {gone: an invoice goes with its booking}")
    assert check_plan(plan=shop_plan(named), target=shop_database).errors == ()


def test_foreign_key_that_is_no_reference(shop_plan, shop_database):
    """A column that leads to a moving object and is no reference would keep the source's key: an error."""
    plain = ("      profile_id: profile\n", "")
    [error] = check_plan(plan=shop_plan(plain), source=shop_database).errors
    assert error.field == f"{BOOKING}.columns.profile_id"
    assert "booking_profile_id_fkey leads from profile_id to profile" in error.message


def test_foreign_key_of_several_columns(shop_plan, shop_database):
    """A foreign key that holds more than the key counts too, as a reference and as a part's way to its root."""
    shop_database.execute("""
        alter table shop.booking add constraint both_columns foreign key (site_code, other_id)
            references shop.booking (site_code, booking_id);
        alter table shop.night add site_code text, add constraint own foreign key (site_code, booking_id)
            references shop.booking (site_code, booking_id) on delete cascade;
    """)
    listed = ('amount: "numeric(12, 2)"', 'amount: "numeric(12, 2)", site_code: text?')
    assert check_plan(plan=shop_plan(listed), target=shop_database).errors == ()
    plain = ("      other_id: {to: booking, unknown: leave null}\n", "")
    errors = check_plan(plan=shop_plan(listed, plain), target=shop_database).errors
    assert found(errors, f"{BOOKING}.columns.other_id", "target", "both_columns leads from other_id to booking")


def test_generated_column(shop_plan, shop_database):
    """A generated column cannot be moved."""
    moved = ("    left_out:\n      search: made from the name\n", "")
    listed = ("      note: text?\n", "      note: text?\n      search: text?\n")
    errors = check_plan(plan=shop_plan(moved, listed), target=shop_database).errors
    assert found(errors, "entities.profile.columns.search", "target", "is generated")


def test_unknown_type(shop_plan, shop_database):
    """A type that the database does not know is said so, and ends nothing."""
    wrong = ("email: text?", "email: shop.mail?")
    errors = check_plan(plan=shop_plan(wrong), source=shop_database).errors
    assert found(errors, "entities.profile.columns.email", "source", "there is no type shop.mail")


def test_warnings(shop_plan, shop_database):
    """Slow reading and triggers that writing fires are shown, and stop nothing."""
    shop_database.execute("""
        alter table shop.booking drop constraint booking_site_code_booking_id_key;
        create function shop.tell() returns trigger language plpgsql as 'begin return new; end';
        create trigger tell before insert on shop.night for each row execute function shop.tell();
        create trigger off before insert on shop.booking for each row execute function shop.tell();
        alter table shop.booking disable trigger off;
        create table shop.log (booking_id bigint references shop.booking on delete cascade);
    """)
    findings = check_plan(
        plan=shop_plan(("left_out:\n  shop.sc", "left_out:\n  shop.log: a log\n  shop.sc")),
        source=shop_database,
        target=shop_database,
    )
    assert findings.errors == ()
    said = [(warning.field, warning.message) for warning in findings.warnings]
    assert said == [
        (
            f"{BOOKING}.table",
            "source: no index of shop.booking begins with (site_code, booking_id), so reading is slow",
        ),
        (
            f"{BOOKING}.table",
            (
                "target: the foreign key log_booking_id_fkey of shop.log to shop.booking says CASCADE, "
                "so a deletion there changes a table that does not move"
            ),
        ),
        (f"{NIGHT}.table", "target: writing fires the trigger tell of shop.night (shop.tell)"),
    ]


def test_check_of_what_is_set_aside(shop_plan, shop_database):
    """A check constraint that a value set aside has to pass is shown."""
    shop_database.execute("alter table shop.booking add constraint digits check (number ~ '^[0-9]+$')")
    [warning] = check_plan(plan=shop_plan(), target=shop_database).warnings
    assert warning.field == f"{BOOKING}.table"
    assert "booking_site_code_number_key, the check digits has to accept" in warning.message


def test_partitions(shop_plan, shop_database):
    """Of a partitioned table every partition needs an identity and must be logged; none is a table of its own."""
    shop_database.execute("""
        drop table shop.night;
        create table shop.night (
            booking_id bigint not null references shop.booking on delete cascade,
            stay date not null,
            amount numeric(12, 2) not null,
            primary key (booking_id, stay)
        ) partition by range (stay);
        create table shop.night_old partition of shop.night for values from (minvalue) to ('2020-01-01');
        create table shop.night_new partition of shop.night for values from ('2020-01-01') to (maxvalue);
    """)
    both = {"source": shop_database, "target": shop_database}
    assert check_plan(plan=shop_plan(), **both).errors == ()
    shop_database.execute("create schema old; alter table shop.night_old set schema old")
    shop_database.execute("alter table old.night_old set unlogged")
    [error] = check_plan(plan=shop_plan(), **both).errors
    assert "old.night_old is unlogged" in error.message


def test_tables_that_are_logged_under_other_names(shop_plan, shop_database):
    """A table with children that are no partitions, or a partition with partitions of its own, is refused."""
    shop_database.execute("""
        create table shop.booking_old () inherits (shop.booking);
        drop table shop.night;
        create table shop.stay (
            booking_id bigint not null,
            stay date not null,
            amount numeric(12, 2) not null,
            primary key (booking_id, stay)
        ) partition by range (stay);
        create table shop.night partition of shop.stay for values from (minvalue) to (maxvalue)
            partition by range (stay);
    """)
    messages = [error.message for error in check_plan(plan=shop_plan(), source=shop_database).errors]
    assert "source: shop.booking_old inherits from shop.booking: its rows are logged under its own name" in messages
    assert "source: shop.night is a partition with partitions of its own: name shop.stay" in messages


def test_encodings(shop_plan, shop_database, server):
    """A target that may not hold every text of the source is a warning."""
    name = "shop_latin"
    with connect(server.address("postgres"), name="test") as connection:
        connection.execute(f"drop database if exists {name}")
        connection.execute(
            f"create database {name} encoding 'LATIN1' template template0 locale_provider libc locale 'C'"
        )
    with connect(server.address(name), name="test") as latin:
        warnings = check_plan(plan=shop_plan(), source=shop_database, target=latin).warnings
    assert any("UTF8, the target's LATIN1" in warning.message for warning in warnings)
