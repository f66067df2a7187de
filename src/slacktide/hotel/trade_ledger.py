"""What cashiers and accounts do: post, move postings, split windows, deposits, invoices, card batches."""

from __future__ import annotations

from decimal import Decimal

from slacktide.core import clock
from slacktide.hotel import trade_text
from slacktide.hotel.trade_stay import post
from slacktide.hotel.trade_work import NothingToDoError, Row, Work

_CHARGES = ("1000", "2000", "2100", "2200", "3000", "3100", "3200")
_LAST_WINDOW = 8


def open_folio(work: Work) -> Row:
    """Pick the open folio of a guest in house, and make it the transaction's own."""
    return work.touch("folio", work.one("pick_open_folio", skip=work.dice.below(30))["key"], settled_on=None)


def charge(work: Work) -> None:
    """Post what a guest had."""
    folio = open_folio(work)["folio_id"]
    for _ in range(1 + work.dice.below(3)):
        description = trade_text.note(work.dice) if work.dice.one_in(5) else None
        code, amount = work.dice.choice(_CHARGES), work.money(90)
        post(work, folio, code=code, amount=amount, currency=work.hotel.currency, description=description)


def move_posting(work: Work) -> None:
    """Move a posting to another guest's folio."""
    folio, to = open_folio(work)["folio_id"], open_folio(work)["folio_id"]
    if folio == to:
        raise NothingToDoError
    work.run("move_postings", keys=[_posting(work, folio)], folio=to, window=1)


def move_posting_away(work: Work) -> None:
    """Move a posting to a house account of another property; that folio is not ours to promise."""
    folio = open_folio(work)["folio_id"]
    posting = _posting(work, folio)
    account = work.one("foreign_account", other=work.hotel.other)["key"]
    work.run("move_postings", keys=[posting], folio=account, window=1)


def _posting(work: Work, folio: int) -> int:
    """Choose a posting of a folio to which no invoice refers."""
    found = work.rows("postings", key=folio)
    if not found:
        raise NothingToDoError
    return int(work.dice.choice(found)["key"])


def split_window(work: Work) -> None:
    """Open one more window of a folio and move half of the postings there."""
    folio = open_folio(work)["folio_id"]
    window = work.one("windows", key=folio)["last"] + 1
    if window > _LAST_WINDOW:
        raise NothingToDoError
    work.put("folio_window", folio_id=folio, window_no=window)
    keys = [row["key"] for row in work.rows("postings", key=folio)]
    work.run("move_postings", keys=keys[::2], folio=folio, window=window)


def take_deposit(work: Work) -> None:
    """Take a deposit for a stay to come."""
    picked = work.one("pick_reserved", day=work.soon(), skip=work.dice.below(3))
    row = work.touch("reservation", picked["key"], status="reserved")
    work.add(
        "deposit",
        property_code=work.hotel.property,
        reservation_id=row["reservation_id"],
        status="held",
        transaction_code="8000",
        currency_code=row["currency_code"],
        amount=work.money(400),
        received_on=work.today,
    )


def refund_deposit(work: Work) -> None:
    """Give a deposit back."""
    key = work.pick("deposit")
    work.touch("deposit", key, status="held")
    work.change("deposit", key, status="refunded")


def raise_invoice(work: Work) -> None:
    """Transfer what is open on a guest's first window to an account, and raise an invoice of it."""
    account = work.pick("ar_account")
    folio = open_folio(work)["folio_id"]
    owed = [row for row in work.rows("balances", key=folio) if row["amount"] > 0]
    if not owed:
        raise NothingToDoError
    amount, currency = owed[0]["amount"], owed[0]["currency_code"]
    posting = post(work, folio, code="9100", amount=-amount, currency=currency, window=owed[0]["window_no"])
    number = work.number("ar_invoice")
    values = {"currency_code": currency, "original_date": work.today, "status": "open"}
    invoice = work.add("ar_invoice", ar_account_id=account, invoice_no=number, **values)
    for line_no, (part, refers) in enumerate(((amount - Decimal("0.01"), posting), (Decimal("0.01"), None)), 1):
        text = trade_text.message(work.dice)
        line = {"line_no": line_no, "posting_id": refers, "amount": part, "description": text}
        work.put("ar_invoice_line", ar_invoice_id=invoice, **line)


def settle_invoice(work: Work) -> None:
    """Take a payment of an invoice, in full or in part."""
    key = _open_invoice(work)
    owed = work.one("owed", key=key)["amount"]
    paid = owed if owed <= 1 or work.dice.one_in(2) else round(owed / 2, 2)
    if paid > 0:
        work.put("ar_payment", ar_invoice_id=key, amount=paid, paid_on=work.today)
    if paid == owed:
        work.change("ar_invoice", key, status="settled")


def move_invoice(work: Work) -> None:
    """Move an invoice to another account of the property."""
    work.change("ar_invoice", _open_invoice(work), ar_account_id=work.pick("ar_account"))


def _open_invoice(work: Work) -> int:
    picked = work.one("pick_invoice", first=work.first("ar_account"), skip=work.dice.below(3))
    return int(work.touch("ar_invoice", picked["key"], status="open")["ar_invoice_id"])


def open_account(work: Work) -> None:
    """Open an account for a firm, or change the limit of one."""
    account = work.pick("ar_account")
    row = work.change("ar_account", account, credit_limit=work.money(100_000))
    if work.dice.one_in(4):
        number = work.number("ar_account")
        values = {"account_no": number, "profile_id": row["profile_id"]}
        work.add("ar_account", property_code=work.hotel.property, **values)


def settle_cards(work: Work) -> None:
    """Write a card batch that is settled at once: an open one would keep the property from moving."""
    work.add(
        "card_batch",
        property_code=work.hotel.property,
        batch_no=work.number("card_batch"),
        business_date=work.today,
        currency_code=work.hotel.currency,
        amount=work.money(9000),
        settled_at=clock.now(),
    )
