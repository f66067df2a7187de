"""Which dates of held work are at risk: those that come no later than the day on which it can go on.

A payment has a day on which it is due, and may have a last day of its discount, both days of its organization. What is
imported on such a day may be too late for that day's payment run, so the day itself is at risk too. While the end of
what holds it is not known, each date is.
"""

from __future__ import annotations

from datetime import date
from typing import Literal
from zoneinfo import ZoneInfo

from slacktide.downtime.decision import Decision
from slacktide.holding.item import Item

Risk = Literal["due", "discount"]


def first_day(decision: Decision, *, zone: str) -> date:
    """Give the day, in a zone, on which work can go on that is judged so; the last day of all if nobody knows."""
    if decision.decision != "hold":
        return decision.now.astimezone(ZoneInfo(zone)).date()
    return date.max if decision.until is None else decision.until.astimezone(ZoneInfo(zone)).date()


def dates_at_risk(item: Item, *, first: date) -> list[Risk]:
    """Name the dates of an item that waits which come no later than the first day on which it can go on."""
    dates: dict[Risk, date | None] = {"due": item.due_on, "discount": item.discount_until}
    return [name for name, day in dates.items() if day is not None and day <= first]
