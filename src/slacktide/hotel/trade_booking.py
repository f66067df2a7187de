"""What the reservations office does: book, change, cancel, share, swap numbers, move nights, delete, book anew."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from slacktide.hotel import trade_text
from slacktide.hotel.trade_work import NothingToDoError, Row, Work

if TYPE_CHECKING:
    from decimal import Decimal

_EARLIEST = date(1, 1, 1)


def new_guest(work: Work) -> int:
    """Write a profile."""
    dice = work.dice
    key = work.add(
        "profile",
        kind="guest",
        last_name=trade_text.name(dice),
        first_name=None if dice.one_in(5) else trade_text.name(dice),
        country_code=dice.choice(("PRT", "GBR", "DEU", None)),
        vip=dice.one_in(30),
        note=trade_text.note(dice) if dice.one_in(4) else None,
    )
    work.put("profile_communication", profile_id=key, kind="email", value=trade_text.email(dice))
    return key


def new_reservation(work: Work, **values: object) -> int:
    """Write a reservation with its nights; `values` are at least profile_id, arrival, departure and room_type."""
    dice = work.dice
    row: Row = {
        "property_code": work.hotel.property,
        "status": "reserved",
        "rate_code": work.code("rate"),
        "market_code": work.code("market"),
        "source_code": work.code("source"),
        "meal_code": work.code("meal"),
        "country_code": dice.choice(("PRT", "ESP", None)),
        "adults": 1 + dice.below(2),
        "children": dice.choice((0, 0, 1, None)),
        "babies": 0,
        "rate_amount": work.money(300),
        "currency_code": work.hotel.currency,
        "guarantee": dice.choice(("none", "refundable", "non refundable")),
        "booked_on": work.today,
        "note": trade_text.note(dice) if dice.one_in(5) else None,
        **values,
    }
    if "confirmation_no" not in row:
        row["confirmation_no"] = work.number("confirmation")
    key = work.add("reservation", **row)
    add_nights(work, {**row, "reservation_id": key})
    return key


def add_nights(work: Work, row: Row) -> None:
    """Write the nights of a reservation."""
    rate: Decimal = row["rate_amount"]
    work.run(
        "add_nights",
        key=row["reservation_id"],
        arrival=row["arrival"],
        departure=row["departure"],
        room_type=row["room_type"],
        rate=rate,
    )


def pick_reserved(work: Work, name: str = "pick_reserved") -> Row:
    """Pick a reservation that is still to come."""
    return work.one(name, day=work.soon(), skip=work.dice.below(3))


def book(work: Work) -> None:
    """Book a stay, for a new guest or for one who has been there."""
    dice = work.dice
    arrival = work.today if dice.one_in(4) else work.soon()
    known = None if dice.one_in(2) else guest_of(work, pick_reserved(work))
    stay = {"arrival": arrival, "departure": arrival + timedelta(1 + dice.below(5))}
    keys: list[int] = []
    with work.counting(reservations=keys):
        key = new_reservation(work, profile_id=known or new_guest(work), room_type=work.code("room_type"), **stay)
        keys.append(key)
    if dice.one_in(6):
        work.put("routing_instruction", reservation_id=key, instruction_no=1, window_no=2, transaction_code="1000")


def guest_of(work: Work, row: Row) -> int:
    """Give the guest of a picked reservation. Raises NothingToDoError if it is a firm."""
    return int(work.one("guest", key=row["profile_id"])["key"])


def share(work: Work) -> None:
    """Book a second guest into a room that is booked."""
    main = work.touch("reservation", pick_reserved(work)["key"], status="reserved", sharer_of_id=None)
    new_reservation(
        work,
        profile_id=new_guest(work),
        sharer_of_id=main["reservation_id"],
        **{name: main[name] for name in ("arrival", "departure", "room_type")},
    )


def change(work: Work) -> None:
    """Change the days, the room type or the notes of a reservation."""
    dice = work.dice
    row = work.touch("reservation", pick_reserved(work)["key"], status="reserved")
    key = row["reservation_id"]
    if row["block_id"] is not None or dice.one_in(2):
        note, requests = trade_text.note(dice), dice.below(5)
        work.change("reservation", key, note=note, special_requests=requests, adults=1 + dice.below(3))
        return
    arrival = max(work.today, row["arrival"] + timedelta(dice.below(7) - 3))
    new = {"arrival": arrival, "departure": arrival + timedelta(1 + dice.below(6)), "rate_amount": work.money(300)}
    if dice.one_in(3):
        new["room_type"] = work.code("room_type")
    with work.counting(reservations=[key]):
        work.run("remove_nights", key=key, day=_EARLIEST)
        add_nights(work, work.change("reservation", key, **new, changes=min(row["changes"] + 1, 1000)))


def cancel(work: Work) -> None:
    """Cancel a reservation, give its rooms back to its block and its deposits to the guest."""
    row = work.touch("reservation", pick_reserved(work)["key"], status="reserved")
    key, block = row["reservation_id"], row["block_id"]
    if block is not None:
        work.touch("block", block)
    with work.counting(reservations=[key], blocks=[] if block is None else [block]):
        if block is not None:
            work.run("pick_up", block=block, key=key, rooms=-1)
        work.change("reservation", key, status="cancelled")
    for deposit in work.rows("held_deposits", key=key):
        work.change("deposit", deposit["key"], status=work.dice.choice(("refunded", "forfeited")))


def swap_confirmations(work: Work) -> None:
    """Give two reservations each other's number, by way of one that nobody has."""
    first, second = pick_reserved(work)["key"], pick_reserved(work)["key"]
    if first == second:
        raise NothingToDoError
    one = work.touch("reservation", first)["confirmation_no"]
    other = work.touch("reservation", second)["confirmation_no"]
    work.change("reservation", first, confirmation_no=-one)
    work.change("reservation", second, confirmation_no=one)
    work.change("reservation", first, confirmation_no=other)


def move_night(work: Work) -> None:
    """Move the last night of a reservation to another one that ends there."""
    row = work.touch("reservation", pick_reserved(work)["key"], status="reserved", block_id=None)
    night = row["departure"] - timedelta(1)
    if night <= row["arrival"]:
        raise NothingToDoError
    key = row["reservation_id"]
    to = work.one("pick_ends_before", day=night, key=key, skip=work.dice.below(2))["key"]
    work.touch("reservation", to, status="reserved", departure=night)
    with work.counting(reservations=[key, to]):
        if not work.run("move_night", key=key, to=to, day=night):
            raise NothingToDoError
        work.change("reservation", key, departure=night)
        work.change("reservation", to, departure=row["departure"])


def rebook(work: Work) -> None:
    """Delete a reservation and book it anew under the same number, as another object."""
    row = erase(work, pick_reserved(work, "pick_plain")["key"])
    kept = ("profile_id", "confirmation_no", "arrival", "departure", "room_type", "rate_amount", "agent_id")
    keys: list[int] = []
    with work.counting(reservations=keys):
        keys.append(new_reservation(work, **{name: row[name] for name in kept}))


def purge(work: Work) -> None:
    """Delete a reservation and its guest's profile."""
    picked = pick_reserved(work, "pick_plain")
    guest = guest_of(work, picked)
    erase(work, picked["key"])
    erase_guest(work, guest)


def erase(work: Work, key: int) -> Row:
    """Delete a reservation with its messages and traces, and give what it was. If more refers to it, it is refused."""
    row = work.touch("reservation", key, status="reserved")
    with work.counting(reservations=[key]):
        for paper in work.rows("papers", key=key):
            work.remove(paper["entity"], paper["key"])
        work.run("remove_nights", key=key, day=_EARLIEST)
        work.run("remove_routing", key=key)
        work.remove("reservation", key)
    return row


def erase_guest(work: Work, key: int) -> None:
    """Delete a profile. The database refuses it if anything still refers to it."""
    work.touch("profile", key)
    work.run("remove_communications", key=key)
    work.remove("profile", key)
