"""The blank forms of the contingency pack: what is written down by hand while the system is down.

Each has a number that is given out once. After opening each is typed into the system and noted as entered, or voided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from slacktide.hotel.contingency import Contents

_SPARE = 6
_MOST = 60


class Form(msgspec.Struct, frozen=True):
    """A blank form: its number, and lines to be filled in; or the heads of a table with so many empty rows."""

    number: int
    title: str
    fields: list[list[str]]
    columns: list[str] = []
    empty_rows: int = 0


class _Kind(msgspec.Struct, frozen=True):
    """What a form of one kind asks for: lines of fields, and a table."""

    title: str
    fields: list[list[str]]
    columns: list[str] = []
    empty_rows: int = 0


_SIGNED = ["Clerk", "Cashier no.", "Date and time", "Signature"]
KINDS: Mapping[str, _Kind] = {
    "check-in": _Kind(
        "Check-in",
        [["Last name", "First name"], ["Confirmation no.", "Room", "Room type"], ["Arrival", "Departure", "Persons"],
         ["Rate and currency", "Meals"], ["Address", "Passport or identity card"],
         ["Paid by (cash, card, bill to)", "Amount"],
         ["Guest's signature", "Keys given"], _SIGNED],
    ),
    "check-out": _Kind(
        "Check-out",
        [["Room", "Last name", "Confirmation no."], ["Balance on the list", "Later postings (form no.)"],
         ["Total due", "Currency"], ["Paid by (cash, card, bill to)", "Amount", "Receipt no."],
         ["Send the bill to"], ["Guest's signature", "Keys back"], _SIGNED],
    ),
    "posting": _Kind(
        "Posting", [_SIGNED],
        ["Time", "Room", "Guest", "Window", "What", "Amount", "Guest's signature"], 8,
    ),
    "payment": _Kind(
        "Payment",
        [["Room", "Last name", "Confirmation no."], ["Window", "Cash / card / transfer"],
         ["Amount", "Currency", "Rate of exchange"], ["Card: last four digits", "Approval code", "Slip no."],
         ["What for"], ["Guest's signature"], _SIGNED],
    ),
    "key": _Kind(
        "Keys", [_SIGNED],
        ["Time", "Room", "Given to", "Keys", "Valid until", "Seen: identity", "Signature"], 8,
    ),
}  # fmt: skip


def counts(contents: Contents) -> dict[str, int]:
    """Say how many forms of each kind a pack needs: one for each arrival and departure, and some more; always even."""
    wanted = {
        "check-in": len(contents.arrivals) + _SPARE,
        "check-out": len(contents.departures) + _SPARE,
        "posting": 2 * _SPARE,
        "payment": 2 * _SPARE,
        "key": _SPARE,
    }
    return {kind: min(count + count % 2, _MOST) for kind, count in wanted.items()}


def blank(numbered: Sequence[tuple[int, str]]) -> list[Form]:
    """Give the forms of these numbers and kinds."""
    return [
        Form(number, kind.title, kind.fields, kind.columns, kind.empty_rows)
        for number, kind in ((number, KINDS[name]) for number, name in numbered)
    ]
