"""A period is aware, half-open, and its end may be missing. Only this module compares instants."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from slacktide.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable


class EmptyPeriod(InputError):
    """The end {end} is not after the start {start}: give an end that comes later."""


class Period(msgspec.Struct, frozen=True, order=False):
    """From `start`, which belongs to it, to `end`, which does not; without an end it never ends."""

    start: datetime
    end: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse a period that holds no instant."""
        if self.end is not None and self.end <= self.start:
            raise EmptyPeriod(start=self.start.isoformat(), end=self.end.isoformat())

    def contains(self, instant: datetime) -> bool:
        """Tell whether the instant lies in the period."""
        return self.start <= instant and (self.end is None or instant < self.end)

    def ended(self, instant: datetime) -> bool:
        """Tell whether the period is over at the instant."""
        return self.end is not None and self.end <= instant

    def overlaps(self, other: Period) -> bool:
        """Tell whether an instant lies in both."""
        return (other.end is None or self.start < other.end) and (self.end is None or other.start < self.end)

    def touches(self, other: Period) -> bool:
        """Tell whether the two overlap or one begins where the other ends."""
        return self.overlaps(other) or self.end == other.start or other.end == self.start


def union(periods: Iterable[Period]) -> list[Period]:
    """Join periods that overlap or touch into unbroken ones, earliest first."""
    joined: list[Period] = []
    for period in sorted(periods, key=lambda p: p.start):
        if joined and joined[-1].touches(period):
            last = joined[-1]
            end = None if last.end is None or period.end is None else max(last.end, period.end)
            joined[-1] = Period(last.start, end)
        else:
            joined.append(period)
    return joined
