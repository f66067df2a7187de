"""What does not fit together in a plan is refused without a database, at its line."""

from __future__ import annotations

import pytest

from slacktide.plan.load import load_plan_text
from slacktide.plan.problem import PlanError

NIGHT = "entities.booking.parts.night"


def problems(text):
    with pytest.raises(PlanError) as caught:
        load_plan_text(text=text, file="shop.yaml")
    return caught.value.errors


@pytest.mark.parametrize(
    ("old", "new", "field", "said"),
    [
        # references
        ("profile_id: profile\n", "profile_id: guest\n", "entities.booking.references.profile_id", "neither an entity"),
        ("{to: booking,", "{to: booking.night,", "entities.booking.references.other_id", "a key of 2 columns"),
        ("profile_id: profile\n", "guest_id: profile\n",
         "entities.booking.references.guest_id", "not among the columns"),
        ("profile_id: profile\n", "profile_id: tariff.x\n",
         "entities.booking.references.profile_id", "neither an entity"),
        ("profile_id: profile\n", "profile_id: {to: profile, unknown: leave null}\n",
         "entities.booking.references.profile_id", "cannot be left null"),
        ("      other_id: {to: booking,", "      other_id: {to: profile,",
         "entities.booking.references.other_id", "each of these would be left null"),
        ("root: booking_id", "root: booking_id\n        references: {booking_id: profile}",
         f"{NIGHT}.references.booking_id", "refers to 'booking'"),
        # whose it is
        ("via: booking_id", "via: number", "entities.invoice.via", "not a reference of the root"),
        ("    via: booking_id\n", "", "entities.invoice", "property, via or shared"),
        ("via: booking_id", "via: booking_id\n    shared: true", "entities.invoice.shared", "not via and shared"),
        ("    key: booking_id\n    property: site_code", "    key: booking_id\n    property: site",
         "entities.booking.property", "not among the columns"),
        ("site_code: text\n      number", "site_code: text?\n      number",
         "entities.booking.property", "must not be null"),
        ("    key: booking_id\n    property: site_code", "    key: booking_id\n    via: profile_id",
         "entities.booking.via", "profile is shared"),
        ("    key: booking_id\n    property: site_code", "    key: booking_id\n    via: other_id",
         "entities.booking.via", "in a circle"),
        ("    key: booking_id\n    property", "    key: booking_id\n    known_by: number\n    property",
         "entities.booking.known_by", "is not shared"),
        ("    shared: true", "    shared: true\n    known_by: membership",
         "entities.profile.known_by", "not among the columns"),
        # keys
        ("key: [booking_id, stay]", "key: [booking_id, day]", f"{NIGHT}.key", "'day' is not among the columns"),
        ("key: [booking_id, stay]", "key: [stay, stay]", f"{NIGHT}.key", "more than once"),
        ("key: [booking_id, stay]", "key: [booking_id, stay]\n        drawn: true", f"{NIGHT}.drawn", "one column"),
        ("key: invoice_id", "key: [invoice_id, number]", "entities.invoice.key", "is one column, not 2"),
        ("profile_id: bigint\n      name", "profile_id: uuid\n      name", "entities.profile.key", "`drawn: false`"),
        ("profile_id: bigint\n      name", "profile_id: bigint?\n      name",
         "entities.profile.key", "must not be null"),
        ("key: [booking_id, stay]", "key: booking_id\n        drawn: true", f"{NIGHT}.key", "refers to something else"),
        ("root: booking_id", "root: reservation_id", f"{NIGHT}.root", "not among the columns"),
        ("{booking_id: bigint, stay", "{booking_id: bigint?, stay", f"{NIGHT}.root", "must not be null"),
        # codes
        ("tariff_code: tariff?", "tariff_code: tarif?", "entities.booking.codes.tariff_code", "did you mean 'tariff'"),
        ("tariff_code: tariff?", "tariff: tariff?", "entities.booking.codes.tariff", "not among the columns"),
        ("tariff_code: tariff?", "at: tariff?", "entities.booking.codes.at", "only a text"),
        ("tariff_code: tariff?", "number: tariff?", "entities.booking.codes.number", "cannot be optional"),
        ("tariff_code: tariff?", "other_id: tariff?", "entities.booking.codes.other_id", "a reference too"),
        ("      booking_id: booking\n", "      booking_id: booking\n    codes: {invoice_id: tariff}\n",
         "entities.invoice.codes.invoice_id", "never converted"),
        # names
        ("number: varchar(20)", "xmlnumber: varchar(20)", "entities.booking.columns.xmlnumber", "XML attribute"),
        ("number: varchar(20)", "a$b: varchar(20)", "entities.booking.columns.a$b", "XML attribute"),
        ("number: varchar(20)", "h: varchar(20)", "entities.booking.columns.h", "of every object"),
        ("      night:\n", "      xml_night:\n", "entities.booking.parts.xml_night", "XML element"),
        ("      night:\n", "      gone:\n", "entities.booking.parts.gone", "of the batch itself"),
        ("  tariff:\n    title", "  'tariff/1':\n    title", "entities.tariff/1", "XML element"),
        # the whole
        ("      search: made from the name", "      note: secret", "entities.profile.left_out.note", "moves as well"),
        ("shop.scratch: nothing", "shop.night: nothing", "left_out.shop.night", "moved by 'booking.night'"),
        ("table: shop.profile", "table: shop.booking", "entities.profile.table", "moved by 'booking' already"),
        ("entity: invoice", "entity: invoices", "totals.invoices.entity", "did you mean 'invoice'"),
        ("entity: invoice", "entity: tariff", "totals.invoices.entity", "phase 'configuration'"),
        ("[invoice]", "[invoices]", "steps.invoices.entities", "not an entity"),
        ("database: source", "database: origin", "checks.open.database", "neither source nor target"),
        ("%(property)s <> ''", "%(proprety)s <> ''", "totals.invoices.sql", "did you mean 'property'"),
        ("%(property)s <> ''", "name like 'a%'", "totals.invoices.sql", "write %%"),
    ],
)  # fmt: skip
def test_refused(shop_text, old, new, field, said):
    """What does not fit is named with its field and the line where it stands."""
    text = shop_text((old, new))
    found = [problem for problem in problems(text) if problem.field == field]
    assert any(said in problem.message for problem in found), [str(problem) for problem in problems(text)]
    last = field.rpartition(".")[2]
    assert all(last in text.splitlines()[problem.line - 1] for problem in found)


def test_known_by(shop_text):
    """Of what the target may have already nobody needs the parts or the sums, and no key tells who it is."""
    known = ("    shared: true\n", "    shared: true\n    known_by: email\n")
    assert load_plan_text(text=shop_text(known), file="shop.yaml").entity["profile"].known_by == "email"
    [total] = problems(shop_text(known, ("entity: invoice", "entity: profile")))
    assert (total.field, "not added up" in total.message) == ("totals.invoices.entity", True)
    [reference] = problems(
        shop_text(
            ("    shared: true\n", "    shared: true\n    known_by: first_id\n    references: {first_id: booking}\n"),
            ("      note: text?\n", "      note: text?\n      first_id: bigint?\n"),
        )
    )
    assert (reference.field, "is a reference" in reference.message) == ("entities.profile.known_by", True)
    card = "    parts:\n      card:\n        table: shop.card\n        key: card_id\n        root: profile_id\n"
    columns = "        columns: {card_id: bigint, profile_id: bigint}\n"
    [part] = problems(
        shop_text((known[0], known[1] + card + columns), ("profile_id: profile\n", "profile_id: profile.card\n"))
    )
    assert part.field == "entities.booking.references.profile_id"
    assert "refer to 'profile'" in part.message


def test_via_a_part(shop_text):
    """The way to the property leads over objects, not over their parts."""
    text = shop_text(
        ("      booking_id: booking\n", "      booking_id: booking.night\n"),
        ("key: [booking_id, stay]", "key: night_id"),
        ("{booking_id: bigint, stay", "{night_id: bigint, booking_id: bigint, stay"),
    )
    [found] = problems(text)
    assert found.field == "entities.invoice.via"
    assert "the part booking.night" in found.message


def test_no_columns(shop_text):
    """A table that moves lists its columns."""
    text = shop_text(('        columns: {booking_id: bigint, stay: date, amount: "numeric(12, 2)"}\n', ""))
    [found] = problems(text)
    assert found.field == NIGHT
    assert "has no columns" in found.message


def test_circle(shop_text):
    """Objects that refer to each other without a column that may be null cannot be put in an order."""
    text = shop_text(
        (
            "      note: text?\n",
            "      note: text?\n      first_id: bigint\n    references: {first_id: booking}\n",
        )
    )
    [found] = problems(text)
    assert found.field == "entities"
    assert "profile" in found.message
    assert "booking" in found.message
    assert "invoice" not in found.message  # it only comes after the circle


def test_closing_column_must_be_nullable(shop_text):
    """A root that refers to one of its own parts is written before it, so that column may be null."""
    text = shop_text(
        ("other_id: bigint?\n", "other_id: bigint?\n      first_id: bigint\n"),
        ("profile_id: profile\n", "profile_id: profile\n      first_id: booking.night\n"),
        ("key: [booking_id, stay]", "key: night_id"),
        ("{booking_id: bigint, stay", "{night_id: bigint, booking_id: bigint, stay"),
    )
    [found] = problems(text)
    assert found.field == "entities.booking.references.first_id"
    assert "closes a circle" in found.message


def test_circle_cut(shop_plan):
    """A circle with a column that may be null is cut there."""
    plan = shop_plan(
        (
            "      note: text?\n",
            "      note: text?\n      first_id: bigint?\n    references: {first_id: booking}\n",
        )
    )
    assert [entity.name for entity in plan.moving] == ["profile", "booking", "invoice"]


def test_reference_to_configuration(shop_text):
    """What the processes move refers only to what they move."""
    text = shop_text(
        ("key: [site_code, code]", "key: code"),
        ("  other_id: {to", "  tariff_code: tariff\n      other_id: {to"),
    )
    assert any("phase 'configuration'" in problem.message for problem in problems(text))


def test_same_part_name_twice(shop_plan):
    """Parts of two entities may have the same name."""
    part = (
        "    references:\n      booking_id: booking\n",
        (
            "    references:\n      booking_id: booking\n    parts:\n      night:\n"
            "        table: shop.item\n        key: item_id\n"
            "        root: invoice_id\n        columns: {item_id: bigint, invoice_id: bigint}\n"
        ),
    )
    assert {"booking.night", "invoice.night"} <= shop_plan(part).table.keys()
