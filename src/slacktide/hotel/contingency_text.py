"""How the pack writes values: days, times, money, and text that somebody typed.

What was typed is data. Here it loses only what would break a line or turn its direction; that it is no markup is seen
to by who renders (`html.escape`, and for the PDF by handing all text over as JSON).
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Iterable

_ZERO_WIDTH = 0x200B  # here a line may be broken
_LONGEST_WORD = 24
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_KEPT = {"\u200d", "\ufe0f"}  # they join an emoji's parts


def plain(text: str) -> str:
    """Give typed text on one line, without control characters and without those that turn its direction."""
    shown = (
        " " if c.isspace() else "" if unicodedata.category(c) in _HIDDEN and c not in _KEPT else c for c in spaced(text)
    )
    return " ".join("".join(shown).split())


def spaced(text: str) -> str:
    """Have every control character part words."""
    return "".join(" " if unicodedata.category(c) == "Cc" else c for c in text)


def breakable(text: str) -> str:
    """Let a word that is too long for a column be broken."""
    mark = chr(_ZERO_WIDTH)
    return " ".join(
        mark.join(word[n : n + _LONGEST_WORD] for n in range(0, len(word), _LONGEST_WORD)) for word in text.split(" ")
    )


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
