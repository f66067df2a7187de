"""What is written down: messages, traces, the telephone book, rooms out of order, events."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from slacktide.core import clock
from slacktide.hotel import trade_text
from slacktide.hotel.trade_booking import pick_reserved
from slacktide.hotel.trade_stay import pick_in_house
from slacktide.hotel.trade_work import NothingToDoError, Work

if TYPE_CHECKING:
    from datetime import date

_DEPARTMENTS = ("FRONT", "HSK", "CONCIERGE", "FB")


def write_message(work: Work) -> None:
    """Write a message for a guest."""
    dice = work.dice
    values = {"sender": None if dice.one_in(4) else trade_text.name(dice), "body": trade_text.message(dice)}
    own = {"property_code": work.hotel.property, "reservation_id": pick_in_house(work), "received_at": clock.now()}
    work.add("guest_message", **own, **values)


def deliver_message(work: Work) -> None:
    """Deliver a message, or throw a delivered one away."""
    key = work.pick("guest_message")
    if work.touch("guest_message", key)["delivered_at"] is None:
        work.change("guest_message", key, delivered_at=clock.now())
    else:
        work.remove("guest_message", key)


def write_trace(work: Work) -> None:
    """Write a trace for a department."""
    key = pick_reserved(work)["key"] if work.dice.one_in(2) else pick_in_house(work)
    values = {
        "department": work.dice.choice(_DEPARTMENTS),
        "due_on": work.soon(9),
        "body": trade_text.message(work.dice),
    }
    work.add("trace", property_code=work.hotel.property, reservation_id=key, **values)


def resolve_trace(work: Work) -> None:
    """Resolve a trace, or throw a resolved one away."""
    key = work.pick("trace")
    if work.touch("trace", key)["resolved_at"] is None:
        work.change("trace", key, resolved_at=clock.now(), body=trade_text.message(work.dice))
    else:
        work.remove("trace", key)


def write_number(work: Work) -> None:
    """Write a telephone number into the book."""
    dice = work.dice
    values = {"category": "Taxi", "name": trade_text.name(dice), "number": trade_text.telephone(dice)}
    work.add("telephone_entry", property_code=work.hotel.property, **values)


def edit_number(work: Work) -> None:
    """Edit an entry of the telephone book, or cross it out."""
    key, dice = work.pick("telephone_entry"), work.dice
    if dice.one_in(4):
        work.remove("telephone_entry", key)
    else:
        work.change("telephone_entry", key, number=trade_text.telephone(dice), note=trade_text.note(dice))


def close_room(work: Work) -> None:
    """Put a room out of order for some days."""
    room_no, first = work.code("room"), work.soon(60)
    last = first + timedelta(work.dice.below(6))
    room = work.one("room_overlap", room_no=room_no, first=first, last=last)
    if room["taken"]:
        raise NothingToDoError
    values = {"first_date": first, "last_date": last, "reason": trade_text.message(work.dice)}
    work.add("out_of_order", property_code=work.hotel.property, room_no=room_no, **values)
    work.out_of_order(room["room_type"], _days(first, last), 1)


def open_room(work: Work) -> None:
    """Put a room back in order."""
    key = work.pick("out_of_order")
    row = work.touch("out_of_order", key)
    first, last = row["first_date"], row["last_date"]
    room = work.one("room_overlap", room_no=row["room_no"], first=first, last=last)
    work.remove("out_of_order", key)
    work.out_of_order(room["room_type"], _days(first, last), -1)


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(day) for day in range((last - first).days + 1)]


def plan_event(work: Work) -> None:
    """Plan an event with a space and resources."""
    dice = work.dice
    starts = datetime.combine(work.soon(90), time(8 + dice.below(10), 30, 15, 123456), UTC)
    values = {"starts_at": starts, "ends_at": starts + timedelta(hours=3), "attendees": dice.below(200)}
    name, status = trade_text.name(dice), dice.choice(("inquiry", "tentative", "definite"))
    key = work.add("event", property_code=work.hotel.property, name=name, status=status, **values)
    _equip(work, key)


def change_event(work: Work) -> None:
    """Change an event with all that is planned for it."""
    key = work.pick("event")
    if work.touch("event", key)["status"] == "cancelled":
        raise NothingToDoError
    work.change("event", key, attendees=work.dice.below(200), note=trade_text.note(work.dice))
    work.run("remove_event_parts", key=key)
    _equip(work, key)


def cancel_event(work: Work) -> None:
    """Cancel an event, or delete one that is cancelled."""
    key = work.pick("event")
    if work.touch("event", key)["status"] != "cancelled":
        work.change("event", key, status="cancelled")
    else:
        work.run("remove_event_parts", key=key)
        work.remove("event", key)


def _equip(work: Work, key: int) -> None:
    dice = work.dice
    space = {"space_code": work.code("space"), "property_code": work.hotel.property, "setup": "theatre"}
    work.put("event_space", event_id=key, **space)
    for _ in range(dice.below(3)):
        item = {"item": trade_text.message(dice), "quantity": 1 + dice.below(40), "price": work.money(200)}
        work.put("event_resource", event_id=key, currency_code=work.hotel.currency, **item)
