"""Writes folios, postings, deposits and accounts receivable: made, from the bookings' rates and nights.

Past stays are settled: each window's postings add up to zero, by a payment, or by a transfer to an account
receivable with an invoice of the same amount. Guests in house have open windows. Deposits of stays ahead
are held.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from slacktide.hotel.spool import money
from slacktide.hotel.stay import day

if TYPE_CHECKING:
    from slacktide.hotel.dice import Dice
    from slacktide.hotel.spool import Spool
    from slacktide.hotel.stay import Hotel, Stay

_EXTRAS = ("2000", "2100", "2200", "3000", "3100", "3200")
_CITY_TAX_CENTS = 200
_TAXED_NIGHTS = 7
_CASHIERS = 6
_INVOICED_DAYS = 240  # stays that ended earlier were paid and their invoices are gone
_PAID_DAYS, _REMINDED_DAYS = 75, 20
_FIRST_NUMBER = 10_001
_DEPOSIT_STATUS = {
    "reserved": "held",
    "in house": "applied",
    "checked out": "applied",
    "cancelled": "refunded",
    "no show": "forfeited",
}


class Ledger:
    """Writes what one hotel's guests owe and have paid."""

    def __init__(self, *, spool: Spool, hotel: Hotel) -> None:
        """Take where the rows go and whose they are."""
        self._spool, self._hotel = spool, hotel
        self._accounts: dict[int, int] = {}
        self.last_folio_no = self.last_invoice_no = self.last_account_no = _FIRST_NUMBER

    def write(self, stay: Stay) -> None:
        """Write the deposit and, for who has been or is there, the folio."""
        applied = self._deposit(stay)
        if stay.status in {"in house", "checked out"}:
            self._folio(stay, applied)

    def house_accounts(self, dice: Dice) -> None:
        """Write folios without a reservation, with open balances."""
        for title in ("Lost & found", "Staff meals", "Walk-in restaurant"):
            folio_id = self._spool.draw("folio")
            self._spool.add("folio", folio_id, self._hotel.code, None, None, title, None)
            self._spool.add("folio_window", folio_id, 1, None)
            for back in range(5):
                posting = (1, "2000", 500 + dice.below(8000), self._hotel.business_day - 1 - back)
                self._posting(folio_id, "EUR", dice, *posting)

    # -- deposits ----------------------------------------------------------------------------------

    def _deposit(self, stay: Stay) -> int:
        """Write a deposit; give what of it was applied to the folio."""
        b = stay.booking
        full = b.rate_cents * b.nights
        ahead = stay.status == "reserved" and stay.dice.one_in(10)
        amount = {"Non Refund": full, "Refundable": full * 3 // 10}.get(b.deposit, b.rate_cents if ahead else 0)
        if amount <= 0:
            return 0
        status = _DEPOSIT_STATUS[stay.status]
        if status == "refunded" and b.deposit == "Non Refund":
            status = "forfeited"
        received = min(b.arrival - b.lead_days + 1, b.arrival, self._hotel.business_day)
        self._spool.add(
            "deposit",
            self._hotel.code,
            stay.reservation_id,
            status,
            "8000",
            stay.currency,
            money(amount),
            day(received),
        )
        return amount if status == "applied" else 0

    # -- folios ------------------------------------------------------------------------------------

    def _folio(self, stay: Stay, applied: int) -> None:
        folio_id = self._spool.draw("folio")
        settled = stay.status == "checked out"
        if settled:
            self.last_folio_no += 1
        number, on = (self.last_folio_no, day(stay.booking.status_day)) if settled else (None, None)
        self._spool.add("folio", folio_id, self._hotel.code, stay.reservation_id, number, None, on)
        self._spool.add("folio_window", folio_id, 1, stay.profile_id)
        if stay.payer_id:
            self._spool.add("folio_window", folio_id, 2, stay.payer_id)
        owed: Counter[int] = Counter()
        for posting in self._charges(stay, applied):
            owed[posting[0]] += posting[2]
            self._posting(folio_id, stay.currency, stay.dice, *posting)
        if settled:
            for window, cents in sorted(owed.items()):
                self._settle(stay, folio_id, window, cents)

    def _charges(self, stay: Stay, applied: int) -> list[tuple[int, str, int, int]]:
        """List window, transaction code, cents and day."""
        b, dice = stay.booking, stay.dice
        until = min(b.departure, self._hotel.business_day)
        nights = range(b.arrival, until) if b.nights else range(b.arrival, b.arrival + 1)
        window = 2 if stay.payer_id else 1
        last = max(b.arrival, until - 1)
        found = [(window, "1000", b.rate_cents, night) for night in nights if b.rate_cents]
        if self._hotel.code == "CITY" and b.adults and b.nights:
            found.append((1, "1010", _CITY_TAX_CENTS * b.adults * min(b.nights, _TAXED_NIGHTS), b.arrival))
        while dice.one_in(3):
            found.append((1, dice.choice(_EXTRAS), 250 + dice.below(6000), last))
        if b.meal in {"HB", "FB"} and stay.status == "in house":
            found += [(1, "7000", 2500, last), (1, "7010", -2500, last)]
        if applied:
            found.append((1, "8010", -applied, b.arrival))
        return found

    def _settle(self, stay: Stay, folio_id: int, window: int, cents: int) -> None:
        ended = stay.booking.status_day
        recent = self._hotel.business_day - ended <= _INVOICED_DAYS
        if window == 2 and cents > 0 and recent:  # noqa: PLR2004 -- the payer's window
            key = self._posting(folio_id, stay.currency, stay.dice, window, "9100", -cents, ended)
            self._invoice(stay, key, cents)
        elif cents:
            code = "9020" if window > 1 else stay.dice.choice(("9000", "9010", "9010"))
            self._posting(folio_id, stay.currency, stay.dice, window, code, -cents, ended)

    def _posting(self, folio_id: int, currency: str, dice: Dice, window: int, code: str, cents: int, on: int) -> int:
        key = self._spool.draw("posting")
        cashier = dice.below(_CASHIERS) + 1
        self._spool.add("posting", key, folio_id, window, code, currency, money(cents), day(on), cashier, None)
        return key

    # -- accounts receivable -----------------------------------------------------------------------

    def _invoice(self, stay: Stay, posting_id: int, cents: int) -> None:
        profile_id = stay.payer_id
        if profile_id is None:  # nobody has agreed to pay by invoice
            return
        dice, sent = stay.dice, stay.booking.status_day
        age = self._hotel.business_day - sent
        settled = age > _PAID_DAYS and not dice.one_in(8)
        self.last_invoice_no += 1
        key = self._spool.draw("ar_invoice")
        account, status = self._account(profile_id, dice), "settled" if settled else "open"
        self._spool.add("ar_invoice", key, account, self.last_invoice_no, stay.currency, day(sent), status)
        self._spool.add("ar_invoice_line", key, 1, posting_id, money(cents), "Accommodation")
        if settled:
            self._spool.add("ar_payment", key, money(cents), day(sent + 30 + dice.below(45)))
        elif age > _REMINDED_DAYS and dice.one_in(5) and cents > 1:
            self._spool.add("ar_payment", key, money(cents // 2), day(sent + 15))

    def _account(self, profile_id: int, dice: Dice) -> int:
        if profile_id not in self._accounts:
            key = self._accounts[profile_id] = self._spool.draw("ar_account")
            self.last_account_no += 1
            limit = money(100_000 * (1 + dice.below(50)))
            self._spool.add("ar_account", key, self._hotel.code, self.last_account_no, profile_id, limit)
        return self._accounts[profile_id]
