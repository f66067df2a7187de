"""What the front desk does with guests: check in, check out, change rooms."""

from __future__ import annotations

from decimal import Decimal

from slacktide.hotel.trade_work import NothingToDoError, Row, Work


def pick_in_house(work: Work) -> int:
    """Pick a guest in house."""
    return int(work.one("pick_in_house", skip=work.dice.below(30))["key"])


def check_in(work: Work) -> None:
    """Give a guest who is due a room and a folio, and apply the deposits."""
    row = work.touch("reservation", work.one("pick_due_in", skip=work.dice.below(4))["key"], status="reserved")
    key = row["reservation_id"]
    room_no = _room(work, row)
    work.change("reservation", key, status="in house", room_no=room_no)
    folio = work.add("folio", property_code=work.hotel.property, reservation_id=key)
    work.put("folio_window", folio_id=folio, window_no=1, payee_id=row["profile_id"])
    for window in work.rows("routed_windows", key=key):
        work.put("folio_window", folio_id=folio, **window)
    for deposit in work.rows("held_deposits", key=key):
        held = work.change("deposit", deposit["key"], status="applied")
        post(work, folio, code="8010", amount=-held["amount"], currency=held["currency_code"])


def _room(work: Work, row: Row) -> str | None:
    """Find and give a free room; who shares one has no nights in it."""
    if row["sharer_of_id"] is not None or row["departure"] == row["arrival"]:
        return None
    stay = {name: row[name] for name in ("room_type", "arrival", "departure")}
    room_no = str(work.one("free_room", skip=work.dice.below(3), **stay)["room_no"])
    work.run("give_room", key=row["reservation_id"], day=row["arrival"], room_no=room_no)
    return room_no


def check_out(work: Work) -> None:
    """Settle the folio of a guest and let the guest go, before time if need be."""
    row = work.touch("reservation", pick_in_house(work), status="in house")
    key = row["reservation_id"]
    departure = min(row["departure"], max(row["arrival"], work.today))
    with work.counting(reservations=[key]):
        work.run("remove_nights", key=key, day=departure)
        work.change("reservation", key, status="checked out", departure=departure)
    for folio in work.rows("folio_of", key=key):
        settle(work, folio["key"])


def settle(work: Work, folio: int) -> None:
    """Pay what is open on each window, and close the folio under a number."""
    work.change("folio", folio, folio_no=work.number("folio"), settled_on=work.today)
    for open_ in work.rows("balances", key=folio):
        code = work.dice.choice(("9000", "9010", "9020"))
        currency, window = open_["currency_code"], open_["window_no"]
        post(work, folio, code=code, amount=-open_["amount"], currency=currency, window=window)


def change_room(work: Work) -> None:
    """Move a guest into another room of the same type."""
    row = work.touch("reservation", pick_in_house(work), status="in house", sharer_of_id=None)
    since = max(work.today, row["arrival"])
    if row["departure"] <= since:
        raise NothingToDoError
    facts = {"room_type": row["room_type"], "arrival": since, "departure": row["departure"]}
    room_no = work.one("free_room", skip=work.dice.below(3), **facts)["room_no"]
    with work.counting(reservations=[row["reservation_id"]]):
        work.run("give_room_of_type", key=row["reservation_id"], day=since, room_no=room_no, room_type=row["room_type"])
    work.change("reservation", row["reservation_id"], room_no=room_no)


def swap_rooms(work: Work) -> None:
    """Let two guests swap rooms: no room may be sold twice, so one has none in between."""
    one = work.touch("reservation", pick_in_house(work), status="in house", sharer_of_id=None)
    facts = {"key": one["reservation_id"], "room_type": one["room_type"], "skip": work.dice.below(5)}
    other = work.touch("reservation", work.one("pick_same_type", **facts)["key"], status="in house")
    if None in {one["room_no"], other["room_no"]} or one["room_no"] == other["room_no"]:
        raise NothingToDoError
    for guest, room_no in ((one, None), (other, one["room_no"]), (one, other["room_no"])):
        work.run("give_room", key=guest["reservation_id"], day=work.today, room_no=room_no)
        work.change("reservation", guest["reservation_id"], room_no=room_no)


def post(
    work: Work,
    folio: int,
    *,
    code: str,
    amount: Decimal,
    currency: str,
    window: int = 1,
    description: str | None = None,
) -> int:
    """Post an amount on a folio that is the transaction's own; give the posting's key."""
    facts = {"folio": folio, "window": window, "code": code, "amount": amount, "currency": currency}
    row = work.one("post", **facts, cashier=int(work.code("cashier")), description=description)
    return int(row["key"])
