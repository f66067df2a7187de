"""The pack's lists of guests and of money: in house, arrivals, departures, reservations, ledgers, accounts."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from slacktide.cutover.paper import Column, Section, plain
from slacktide.hotel.contingency import DAYS
from slacktide.hotel.contingency_text import amount, day, money, name, short_day, sums

if TYPE_CHECKING:
    from decimal import Decimal

    from slacktide.hotel.contingency import Contents, Deposit, Guest, Stay, Window


def in_house_by_room(contents: Contents) -> Section:
    """List who is in house by room: every window with its balance and payer, deposits, the limit of credit."""
    rows = []
    for guest in contents.in_house:
        windows = contents.windows.get(guest.reservation_id, [])
        rows.append([
            _room(guest), name(guest.last_name, guest.first_name, vip=guest.vip), str(guest.confirmation_no),
            f"{short_day(guest.arrival)}\n{short_day(guest.departure)}", f"{guest.persons} {plain(guest.meal_code)}",
            money(guest.currency, guest.rate), "\n".join(map(_window, windows)), _balance(windows),
            _deposits(contents.deposits.get(guest.reservation_id, [])), _limit(windows),
        ])  # fmt: skip
    held = (one for guest in contents.in_house for one in contents.deposits.get(guest.reservation_id, []))
    everything = sums((one.currency, one.balance) for one in _in_house_windows(contents))
    return Section(
        title="In house, by room",
        columns=[Column("Room", 4), Column("Guest", 10), Column("Confirmation", 7), Column("Arrival\nDeparture", 6),
                 Column("Persons", 5), Column("Rate", 7, right=True), Column("Windows of the folio", 12),
                 Column("Balance", 7, right=True), Column("Deposits", 8, right=True),
                 Column("Credit limit", 6, right=True)],
        rows=rows,
        totals=[[*_house_counts(contents), "", everything,
                 sums((one.currency, one.amount) for one in held if one.status == "held"), ""]],
        note="A balance above zero is owed by the guest. Deposits that were applied are in the balance already. "
        "“+” after a room: shares it.",
    )  # fmt: skip


def _house_counts(contents: Contents) -> list[str]:
    rooms = sum(not guest.shares for guest in contents.in_house)
    persons = sum(guest.persons for guest in contents.in_house)
    return [f"{rooms} rooms", f"{len(contents.in_house)} reservations in house", "", "", f"{persons}", ""]


def in_house_by_name(contents: Contents) -> Section:
    """List who is in house by name."""
    rows = [
        [name(guest.last_name, guest.first_name, vip=guest.vip), _room(guest), str(guest.confirmation_no),
         day(guest.departure), str(guest.persons), _balance(contents.windows.get(guest.reservation_id, [])),
         plain(guest.note)]
        for guest in sorted(contents.in_house, key=_by_name)
    ]  # fmt: skip
    everything = sums((one.currency, one.balance) for one in _in_house_windows(contents))
    persons = sum(guest.persons for guest in contents.in_house)
    return Section(
        title="In house, by name",
        columns=[Column("Guest", 5), Column("Room", 2), Column("Confirmation", 2), Column("Departure", 3),
                 Column("Persons", 1, right=True), Column("Balance", 3, right=True), Column("Note", 5)],
        rows=rows,
        totals=[[f"{len(rows)} reservations in house", "", "", "", str(persons), everything, ""]],
    )  # fmt: skip


def _by_name(guest: Guest) -> tuple[str, str, int]:
    folded = (
        "".join(c for c in unicodedata.normalize("NFKD", plain(part)).casefold() if not unicodedata.combining(c))
        for part in (guest.last_name, guest.first_name)
    )
    return (*folded, guest.confirmation_no)  # type: ignore[return-value] # two names and a number


def arrivals(contents: Contents) -> Section:
    """List who is expected on the business date, and who should have come before it."""
    return _stays(contents, contents.arrivals, title=f"Arrivals of {day(contents.house.business_date)}")


def reservations(contents: Contents) -> Section:
    """List who is expected later."""
    return _stays(contents, contents.reservations, title=f"Reservations of the {DAYS} days")


def _stays(contents: Contents, stays: list[Stay], *, title: str) -> Section:
    rows = [
        [day(stay.arrival), str((stay.departure - stay.arrival).days),
         name(stay.last_name, stay.first_name, vip=stay.vip), str(stay.confirmation_no),
         f"{plain(stay.room_type)} {_room(stay)}", f"{stay.persons} {plain(stay.meal_code)}",
         money(stay.currency, stay.rate), _deposits(contents.deposits.get(stay.reservation_id, [])),
         plain(stay.through), plain(stay.note)]
        for stay in stays
    ]  # fmt: skip
    held = (one for stay in stays for one in contents.deposits.get(stay.reservation_id, []) if one.status == "held")
    rooms, persons = sum(not stay.shares for stay in stays), sum(stay.persons for stay in stays)
    deposits = sums((one.currency, one.amount) for one in held)
    return Section(
        title=title,
        columns=[Column("Arrival", 8), Column("Nights", 4, right=True), Column("Guest", 11), Column("Confirmation", 7),
                 Column("Room", 5), Column("Persons", 5), Column("Rate", 7, right=True),
                 Column("Deposits", 8, right=True), Column("Through", 11), Column("Note", 7)],
        rows=rows,
        note="Room: the type, and the room where one was given.",
        totals=[["", "", f"{len(stays)} reservations\n{rooms} rooms", "", "", str(persons), "", deposits, "", ""]],
    )  # fmt: skip


def departures(contents: Contents) -> Section:
    """List who leaves on the business date, and who should have left before it."""
    leaving = contents.departures
    windows = [one for guest in leaving for one in contents.windows.get(guest.reservation_id, [])]
    rows = []
    for guest in leaving:
        own = contents.windows.get(guest.reservation_id, [])
        rows.append([_room(guest), name(guest.last_name, guest.first_name, vip=guest.vip), str(guest.confirmation_no),
                     day(guest.departure), "\n".join(map(_window, own)), _balance(own), ""])  # fmt: skip
    return Section(
        title=f"Departures of {day(contents.house.business_date)}",
        columns=[Column("Room", 2), Column("Guest", 5), Column("Confirmation", 3), Column("Departure", 3),
                 Column("Windows of the folio", 6), Column("Balance", 3, right=True), Column("Left", 2)],
        rows=rows,
        totals=[["", f"{len(rows)} departures", "", "", "", sums((one.currency, one.balance) for one in windows), ""]],
    )  # fmt: skip


def ledgers(contents: Contents) -> Section:
    """Show what each ledger holds, and of which lists the guest ledger is the sum."""
    inside = sums((one.currency, one.balance) for one in _in_house_windows(contents))
    outside = sums((one.currency, one.balance) for one in contents.open_folios)
    return Section(
        title="Ledgers",
        columns=[Column("Ledger", 4), Column("Amount", 3, right=True), Column("", 5)],
        rows=[[plain(one.name), money(one.currency, one.amount), ""] for one in contents.ledgers],
        totals=[["Of the guest ledger: guests in house", inside, ""], ["and other open folios", outside, ""]],
        note="As of the instant on top of this page. The package ledger has to be zero after an End of Day.",
    )


def open_folios(contents: Contents) -> Section:
    """List folios with a balance that belong to nobody in house."""
    found = contents.open_folios
    return Section(
        title="Other open folios",
        columns=[Column("Folio", 6), Column("Confirmation", 3), Column("Window", 2, right=True),
                 Column("Balance", 3, right=True)],
        rows=[[plain(one.title), str(one.confirmation_no or "house account"), str(one.window_no),
               money(one.currency, one.balance)] for one in found],
        totals=[[f"{len(found)} balances", "", "", sums((one.currency, one.balance) for one in found)]],
    )  # fmt: skip


def accounts(contents: Contents) -> Section:
    """List accounts receivable with their limits of credit: who may have a bill sent."""
    found = contents.accounts
    return Section(
        title="Accounts receivable and credit limits",
        columns=[Column("Account", 6), Column("Number", 2), Column("Credit limit", 3, right=True),
                 Column("Open", 3, right=True), Column("Left", 3, right=True)],
        rows=[[plain(one.name), str(one.account_no), "none" if one.credit_limit is None else amount(one.credit_limit),
               money(one.currency, one.open_amount) if one.currency else "0.00",
               "" if one.credit_limit is None else amount(one.credit_limit - one.open_amount)] for one in found],
        totals=[[f"{len({one.account_no for one in found})} accounts", "", "",
                 sums((one.currency, one.open_amount) for one in found if one.currency), ""]],
    )  # fmt: skip


def _in_house_windows(contents: Contents) -> list[Window]:
    return [one for guest in contents.in_house for one in contents.windows.get(guest.reservation_id, [])]


def _room(one: Guest | Stay) -> str:
    return f"{plain(one.room_no)}{' +' if one.shares else ''}"


def _window(one: Window) -> str:
    return f"{one.window_no}: {money(one.currency, one.balance)}" + (f" {plain(one.payee)}" if one.payee else "")


def _balance(windows: list[Window]) -> str:
    return sums((one.currency, one.balance) for one in windows) or "0.00"


def _deposits(deposits: list[Deposit]) -> str:
    return "\n".join(f"{money(one.currency, one.amount)} {one.status}" for one in deposits)


def _limit(windows: list[Window]) -> str:
    limits: list[tuple[int, Decimal]] = sorted(
        {(one.window_no, one.credit_limit) for one in windows if one.credit_limit is not None}
    )
    return "\n".join(f"{window}: {amount(limit)}" for window, limit in limits) or "none"
