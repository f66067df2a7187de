"""How the pack writes values: names, days, times, money. Text that somebody typed is `cutover.paper`'s."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from slacktide.cutover.paper import plain

if TYPE_CHECKING:
    from collections.abc import Iterable


def name(last: str, first: str, *, vip: bool = False) -> str:
    """Write a name as it is looked for: the last name first."""
    both = ", ".join(part for part in (plain(last), plain(first)) if part)
    return f"{both or '(no name)'}{' (VIP)' if vip else ''}"


def day(on: date) -> str:
    """Write a day so that nobody can take it for another, as `Mon 15 Aug 2016`."""
    return f"{on:%a} {on.day} {on:%b %Y}"


def short_day(on: date) -> str:
    """Write a day where the year goes without saying, as `Mon 15 Aug`."""
    return f"{on:%a} {on.day} {on:%b}"


def moment(at: datetime, *, zone: str) -> str:
    """Write an instant as the property's clocks show it, with how far they are from UTC."""
    local = at.astimezone(ZoneInfo(zone))
    offset = f"{local:%z}"
    return f"{day(local.date())} {local:%H:%M:%S} (UTC{offset[:3]}:{offset[3:]})"


def amount(value: Decimal) -> str:
    """Write an amount of money; a payment or credit is negative."""
    return f"{value:,.2f}"


def money(currency: str, value: Decimal) -> str:
    """Write an amount with its currency, which no line break parts."""
    return f"{currency}\u00a0{amount(value)}"


def sums(found: Iterable[tuple[str, Decimal]]) -> str:
    """Add up amounts by currency, a line for each."""
    by_currency: dict[str, Decimal] = defaultdict(Decimal)
    for currency, value in found:
        by_currency[currency] += value
    return "\n".join(money(currency, value) for currency, value in sorted(by_currency.items()))
