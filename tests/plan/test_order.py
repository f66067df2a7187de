"""What is referred to comes first, and a circle is cut at a column that may be null."""

from __future__ import annotations

from slacktide.plan.order import closing_columns


def test_closing_columns(shop_plan):
    """A reference to what comes later closes a cycle; one to what came before, or to the table itself, does not."""
    first = (
        "      note: text?\n",
        "      note: text?\n      first_id: bigint?\n    references: {first_id: booking}\n",
    )
    none = {"profile": (), "booking": (), "booking.night": (), "invoice": ()}
    assert closing_columns(shop_plan().moving) == none
    assert closing_columns(shop_plan(first).moving) == none | {"profile": ("first_id",)}
