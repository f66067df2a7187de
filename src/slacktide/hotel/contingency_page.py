"""The pages of the contingency pack as tables of text, in the order in which a night needs them.

A renderer knows nothing of hotels: it gets sections with columns, rows and totals, and blank forms. A line break in a
cell is one of ours, never a guest's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from slacktide.cutover.paper import Column, Section, plain
from slacktide.hotel import contingency_list as lists
from slacktide.hotel.contingency import DAYS
from slacktide.hotel.contingency_form import Form
from slacktide.hotel.contingency_text import day, moment, short_day

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slacktide.hotel.contingency import Contents


class Document(msgspec.Struct, frozen=True):
    """Everything that is printed: what stands on each page, the sections, and the blank forms."""

    property: str
    instant: str
    business_date: str
    pack: str
    sections: list[Section]
    forms: list[Form]


def document(contents: Contents, *, move: str, number: int, forms: Sequence[Form]) -> Document:
    """Lay out a pack."""
    house = contents.house
    return Document(
        property=f"{plain(house.name)} ({plain(house.code)})",
        instant=moment(house.instant, zone=house.zone),
        business_date=day(house.business_date),
        pack=f"{plain(move)}, pack {number}",
        sections=[
            lists.in_house_by_room(contents),
            lists.in_house_by_name(contents),
            lists.arrivals(contents),
            lists.departures(contents),
            _rooms(contents),
            _out_of_order(contents),
            _traces(contents),
            _messages(contents),
            _telephone_book(contents),
            lists.ledgers(contents),
            lists.open_folios(contents),
            lists.accounts(contents),
            _availability(contents),
            lists.reservations(contents),
        ],
        forms=[*forms],
    )


def _rooms(contents: Contents) -> Section:
    today = contents.house.business_date
    counted: dict[str, int] = {}
    rows = []
    for room in contents.rooms:
        status = "out of order" if room.out_of_order_until else "vacant"
        if room.departure:
            status = "occupied" if room.departure > today else "occupied, due out"
        elif room.next_arrival == today and not room.out_of_order_until:
            status = "vacant, arrival today"
        counted[status] = counted.get(status, 0) + 1
        until = room.departure or room.out_of_order_until
        following = f"{short_day(room.next_arrival)}: {plain(room.next_guest)}" if room.next_arrival else ""
        rows.append([plain(room.room_no), plain(room.room_type), str(room.floor), status, plain(room.guest),
                     short_day(until) if until else "", following])  # fmt: skip
    return Section(
        title="Room status",
        columns=[Column("Room", 1), Column("Type", 1), Column("Floor", 1, right=True), Column("Status", 3),
                 Column("Guest", 4), Column("Until", 2), Column("Next arrival", 4)],
        rows=rows,
        totals=[["", "", "", f"{count} {status}", "", "", ""] for status, count in sorted(counted.items())],
        note="Whether a room is clean is not in this list: ask housekeeping.",
    )  # fmt: skip


def _out_of_order(contents: Contents) -> Section:
    found = contents.out_of_order
    return Section(
        title="Rooms out of order",
        columns=[Column("Room", 1), Column("From", 2), Column("To (inclusive)", 2), Column("Reason", 6)],
        rows=[[plain(one.room_no), day(one.first_date), day(one.last_date), plain(one.reason)] for one in found],
        totals=[[f"{len(found)}", "", "", "in all"]],
    )


def _traces(contents: Contents) -> Section:
    return Section(
        title="Traces to be done",
        columns=[Column("Due", 2), Column("Department", 2), Column("Room", 1), Column("Guest", 3),
                 Column("Confirmation", 2), Column("What", 6), Column("Done", 1)],
        rows=[[short_day(one.due_on), plain(one.department), plain(one.room_no), plain(one.guest),
               str(one.confirmation_no), plain(one.body), ""] for one in contents.traces],
        totals=[[f"{len(contents.traces)} in all", "", "", "", "", "", ""]],
    )  # fmt: skip


def _messages(contents: Contents) -> Section:
    zone = contents.house.zone
    return Section(
        title="Messages not delivered",
        columns=[Column("Received", 3), Column("Room", 1), Column("Guest", 3), Column("Confirmation", 2),
                 Column("From", 3), Column("Message", 6), Column("Given", 1)],
        rows=[[moment(one.received_at, zone=zone).partition(" (")[0], plain(one.room_no), plain(one.guest),
               str(one.confirmation_no), plain(one.sender), plain(one.body), ""] for one in contents.messages],
        totals=[[f"{len(contents.messages)} in all", "", "", "", "", "", ""]],
    )  # fmt: skip


def _telephone_book(contents: Contents) -> Section:
    found = contents.telephone_book
    return Section(
        title="Telephone book",
        columns=[Column("Category", 2), Column("Name", 4), Column("Number", 3), Column("Note", 4)],
        rows=[[plain(one.category), plain(one.name), plain(one.number), plain(one.note)] for one in found],
        totals=[[f"{len(found)} in all", "", "", ""]],
    )


def _availability(contents: Contents) -> Section:
    types = contents.room_types
    rows = []
    for on, lines in contents.availability.items():
        each = [lines[kind.code].available for kind in types]
        sold, held, broken = (
            sum(getattr(line, name) for line in lines.values()) for name in ("sold", "held", "out_of_order")
        )
        rows.append([day(on), *map(str, each), str(sum(each)), str(sold), str(held), str(broken)])
    rooms = sum(kind.rooms for kind in types)
    right = [Column(plain(kind.code), 1, right=True) for kind in types]
    named = "; ".join(f"{plain(kind.code)} = {plain(kind.name)}" for kind in types)
    return Section(
        title=f"Availability, {DAYS} days",
        columns=[Column("Night of", 3), *right, Column("All", 1, right=True), Column("Sold", 1, right=True),
                 Column("Held", 1, right=True), Column("Out", 1, right=True)],
        rows=rows,
        totals=[["Rooms there are", *(str(kind.rooms) for kind in types), str(rooms), "", "", ""]],
        note="Rooms that can still be sold, by type; below zero is overbooked. Held: for blocks. Out: out of order. "
        f"{named}.",
    )  # fmt: skip
