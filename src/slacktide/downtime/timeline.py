"""A value for every instant, that changes only at known boundaries.

Compiled once, asked often: an answer is one search among the boundaries. A boundary belongs to what begins
with it, as a period's start belongs to the period.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Generic, TypeVar

from slacktide.core.interval import Period

T = TypeVar("T")
V = TypeVar("V")


class Timeline(Generic[T]):
    """The value `first` until the first of the `changes`: instants in order, each with its new value."""

    __slots__ = ("boundaries", "values")

    def __init__(self, first: T, changes: Iterable[tuple[datetime, T]] = ()) -> None:
        """Keep the boundaries and the values between them."""
        given = list(changes)
        self.boundaries = [instant for instant, _ in given]
        self.values = [first, *(value for _, value in given)]

    def at(self, instant: datetime) -> T:
        """Give the value that holds at an instant."""
        return self.values[bisect_right(self.boundaries, instant)]

    def next_boundary(self, instant: datetime) -> datetime | None:
        """Give the first boundary after an instant, or None."""
        index = bisect_right(self.boundaries, instant)
        return self.boundaries[index] if index < len(self.boundaries) else None

    def between(self, first: datetime, last: datetime) -> list[T]:
        """Give the values that hold at some instant from `first` to `last`, in order."""
        return self.values[bisect_right(self.boundaries, first) : bisect_right(self.boundaries, last) + 1]

    def later(self, instant: datetime) -> Iterable[tuple[datetime, T]]:
        """Go through the boundaries after an instant, each with the value that begins there."""
        index = bisect_right(self.boundaries, instant)
        return zip(self.boundaries[index:], self.values[index + 1 :], strict=True)

    def periods(self, holds: Callable[[T], bool]) -> Iterable[Period]:
        """Go through the periods between boundaries whose value fits; the first value, without a start, is none."""
        ends: list[datetime | None] = [*self.boundaries[1:], None]
        for start, end, value in zip(self.boundaries, ends, self.values[1:], strict=False):
            if holds(value):
                yield Period(start, end)

    def since(self, instant: datetime) -> Timeline[T]:
        """Give the same from an instant on, without what was over before."""
        index = bisect_right(self.boundaries, instant)
        return Timeline(self.values[index], self.later(instant))

    def map(self, change: Callable[[datetime | None, T], V]) -> Timeline[V]:
        """Give the timeline of `change(boundary, value)`; the boundary of the first value is None."""
        first, *values = self.values
        changes = [(b, change(b, value)) for b, value in zip(self.boundaries, values, strict=True)]
        return Timeline(change(None, first), changes)


def overlay(items: Iterable[tuple[Period, T]]) -> Timeline[tuple[T, ...]]:
    """Lay items over each other: those whose period holds the instant, in the order of their starts.

    One sweep over the boundaries; what ends at a boundary has left there, what starts there has come.
    """
    ordered = sorted(items, key=lambda item: item[0].start)
    starts = [period.start for period, _ in ordered]
    ending: dict[datetime, list[int]] = defaultdict(list)
    for number, (period, _) in enumerate(ordered):
        if period.end is not None:
            ending[period.end].append(number)
    changes: list[tuple[datetime, tuple[T, ...]]] = []
    held: dict[int, T] = {}
    come = 0
    for boundary in sorted({*starts, *ending}):
        for number in ending.get(boundary, ()):
            del held[number]
        due = bisect_right(starts, boundary)
        held.update((number, ordered[number][1]) for number in range(come, due))
        come = due
        changes.append((boundary, tuple(held.values())))
    return Timeline((), changes)


def spans(periods: Iterable[Period]) -> Timeline[Period | None]:
    """Give the timeline of periods in order and apart, as of a `union`: the one that holds the instant, or None."""
    changes: list[tuple[datetime, Period | None]] = []
    for period in periods:
        changes.append((period.start, period))
        if period.end is not None:
            changes.append((period.end, None))
    return Timeline(None, changes)
