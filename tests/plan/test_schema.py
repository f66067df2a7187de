"""The XSD made from a plan accepts every batch that is right, and nothing else."""

from __future__ import annotations

import pytest
from lxml import etree

from slacktide.plan.schema import xsd

HEAD = (
    '<batch plan="shop" version="3" move="m" property="RESORT" incarnation="1" number="12" '
    'as-of="2026-11-23T18:00:00.123456Z" snapshot="10:20:10,11">'
)
PROFILE = '<profile h="0af1" profile_id="7" name="A" email="\\N" note="x"/>'
BOOKING = (
    '<booking h="ff" booking_id="1" site_code="RESORT" number="7" profile_id="7" other_id="\\N" tariff_code="\\N" '
    'at="2026-11-23 18:00:00.123+00"><night booking_id="1" stay="2026-11-23" amount="-12.50"/></booking>'
)
GONE = '<gone entity="invoice" key="5"/><gone entity="profile" key="8" deleted="true"/>'
FAILED = '<failed entity="booking" key="9"/>'
PRESENT = '<present entity="profile" after="1" to="7"/><present entity="booking"/>'


@pytest.fixture(scope="module")
def valid(shop_plan):
    schema = etree.XMLSchema(etree.fromstring(xsd(shop_plan()).encode()))
    return lambda inside, head=HEAD: schema.validate(etree.fromstring(f"{head}{inside}</batch>".encode()))


def test_accepts(valid):
    """Objects in the order of references with their parts, deletions and ranges, each as often as needed."""
    assert valid("")
    assert valid(PROFILE + PROFILE + BOOKING + GONE + GONE + FAILED + PRESENT)


@pytest.mark.parametrize(
    "inside",
    [
        BOOKING + PROFILE,  # order
        PRESENT + GONE,
        FAILED + GONE,
        '<failed entity="booking"/>',
        GONE + PROFILE,
        '<gone entity="tariff" key="5"/>',  # does not move
        '<gone entity="invoice" key="5" deleted="false"/>',
        '<tariff h="00" site_code="R" code="A"/>',
        "text",
        PROFILE.replace(' name="A"', ""),  # every attribute stands there
        PROFILE.replace('name="A"', 'name="\\N"'),  # must not be null
        PROFILE.replace('name="A"', 'name="\\q"'),  # no such escape
        PROFILE.replace('name="A"', 'name="&#9;"'),  # would have been escaped
        PROFILE.replace('name="A"', 'name="A" vip="1"'),
        PROFILE.replace('h="0af1"', ""),
        PROFILE.replace('h="0af1"', 'h="xyz"'),
        PROFILE.replace('h="0af1"', 'h="0af1" outside="false"'),
        BOOKING.replace("-12.50", "-12.5"),
        BOOKING.replace("-12.50", "12345678901.00"),
        BOOKING.replace("2026-11-23 18", "2026-11-23T18"),
        BOOKING.replace('booking_id="1" site', 'booking_id="one" site'),
        BOOKING.replace("<night", "<day"),
    ],
)
def test_refuses(valid, inside):
    """What the plan does not say is not valid."""
    assert not valid(inside)


@pytest.mark.parametrize(
    ("old", "new"),
    [("shop", "hotel"), ('"3"', '"4"'), ('"12"', '"-1"'), ("10:20:10,11", "10"), ("123456Z", "123456")],
)
def test_refuses_other_heads(valid, old, new):
    """A batch of another plan or version, or with a head that says nothing, is not valid."""
    assert not valid("", head=HEAD.replace(old, new))


@pytest.mark.parametrize("value", ["", "\\\\N", "a\\tb\\n", "\\x01", "é €", "x" * 100_000, "\\\\y" * 50_000, "a  b"])
def test_texts(valid, value):
    """Every text in its escaped form is valid, however long."""
    assert valid(PROFILE.replace('name="A"', f'name="{value}"'))


def test_outside_and_unmapped(valid):
    """An object kept by reference, and one with a code that has no mapping, say so."""
    assert valid(PROFILE.replace('h="0af1"', 'h="0af1" outside="true" unmapped="tariff_code=BAR;x=\\\\"'))


def test_same_part_name_twice(shop_plan):
    """Parts of the same name in two entities each have their own columns."""
    part = (
        "    references:\n      booking_id: booking\n",
        (
            "    references:\n      booking_id: booking\n    parts:\n      night:\n        table: shop.item\n"
            "        key: item_id\n        root: invoice_id\n        columns: {item_id: bigint, invoice_id: bigint}\n"
        ),
    )
    schema = etree.XMLSchema(etree.fromstring(xsd(shop_plan(part)).encode()))
    invoice = '<invoice h="00" invoice_id="1" booking_id="1" number="1"><night {}/></invoice></batch>'
    assert schema.validate(etree.fromstring(HEAD + invoice.format('item_id="1" invoice_id="1"')))
    assert not schema.validate(
        etree.fromstring(HEAD + invoice.format('booking_id="1" stay="2026-01-01" amount="1.00"'))
    )


def test_values_of_a_database(valid, shop_database):
    """What PostgreSQL writes for extreme values is valid."""
    shown = "select timestamptz 'infinity'::text, timestamptz '0044-03-15 12:00 BC'::text, 'nan'::numeric(12,2)::text"
    for at in shop_database.execute(shown).fetchone()[:2]:
        assert valid(PROFILE + BOOKING.replace("2026-11-23 18:00:00.123+00", at))
    assert valid(PROFILE + BOOKING.replace("-12.50", "NaN"))
