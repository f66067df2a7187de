"""How much work a downtime will probably hold: what waits now, and what usually arrives in such hours.

It is an estimate, by one rule that everybody can follow:

* Whoever arrives is taken to arrive as in the same hours of the same weekdays before. Of the whole weeks back at which
  these hours are over, the latest four count, as far as there is a record of them; their mean is expected.
* Where the record does not reach back that far, the mean rate of all that has arrived so far counts, over a day at
  least.
* An insert and the import that follows from it are two items, of which only the first waits. So of each organization
  the larger of the two counts is taken.
* What waits now is added where the downtime is in effect now: behind a later start it has gone on long before.
* A downtime without an end is taken for a day; of a series its next occurrence counts; one that is over, cancelled or
  switched off holds nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from math import ceil
from typing import Any

import psycopg

from slacktide.control.setting import control_now
from slacktide.core.interval import Period
from slacktide.postgres.sql import load

_sql = load(__package__, "expected.sql")
WEEKS = 4
_WEEK = timedelta(weeks=1)
_DAY = timedelta(days=1)


def with_expected(connection: psycopg.Connection[Any], answers: Iterable[dict[str, Any]]) -> None:
    """Put into documents of downtimes (`control.downtime`) how much they will hold, as `effect.held_expected`."""
    now = control_now(connection)
    for answer in answers:
        period = _period(answer)
        expected = 0 if period is None else expected_of(connection, answer["organization"], period=period, now=now)
        answer["effect"]["held_expected"] = expected


def expected_of(connection: psycopg.Connection[Any], organization: str | None, *, period: Period, now: datetime) -> int:
    """Estimate how many items of an organization (None: of all) a downtime holds at its end."""
    if period.ended(now):
        return 0
    facts: dict[str, Any] = {"organization": organization}
    first, total, waiting = connection.execute(_sql["record"], facts).fetchone() or (None, 0, 0)
    if first is None:
        return 0
    ahead = ahead_of(period, now=now)
    windows = windows_of(ahead, first=first, now=now)
    starts, ends = [window.start for window in windows], [window.end for window in windows]
    counts = [count for (count,) in connection.execute(_sql["arrivals"], facts | {"starts": starts, "ends": ends})]
    mean = sum(counts) / len(counts) if counts else total * (_length(ahead) / max(now - first, _DAY))
    return int(ceil(mean) + (waiting if period.contains(now) else 0))


def ahead_of(period: Period, *, now: datetime) -> Period:
    """Give what of a downtime is still to come; one without an end is taken for a day."""
    start = now if period.contains(now) else period.start
    return Period(start, period.end or start + _DAY)


def windows_of(ahead: Period, *, first: datetime, now: datetime) -> list[Period]:
    """Give the same hours of weeks before, the latest first, that are over and behind the first arrival."""
    nearest = max(1, ceil((ahead.start + _length(ahead) - now) / _WEEK))
    back = [_WEEK * number for number in range(nearest, nearest + WEEKS)]
    windows = [Period(ahead.start - by, ahead.start + _length(ahead) - by) for by in back]
    return [window for window in windows if Period(first).contains(window.start)]


def _length(period: Period) -> timedelta:
    return period.end - period.start if period.end is not None else _DAY


def _period(answer: dict[str, Any]) -> Period | None:
    """Give the period in which a downtime holds next, by its document."""
    if answer["value"] != "Y" and not answer["latched"]:
        return None
    if answer["rrule"] and not answer["occurrences"]:
        return None
    shown = answer["occurrences"][0] if answer["rrule"] else answer
    start, end = (shown[name] and datetime.fromisoformat(shown[name]) for name in ("start", "end"))
    return None if start == end else Period(start, end)
