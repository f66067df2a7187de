"""How fast clerks trade, and whose turn it is to keep a transaction open for long."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from slacktide.core import clock

if TYPE_CHECKING:
    from slacktide.hotel.dice import Dice

_ARREARS_SECONDS = 1.0  # so much may be made up for
_FIRST_HOLD_SECONDS, _BETWEEN_HOLDS_SECONDS = 1.0, 10.0


class Pace:
    """So many changes a second by all clerks together; 0 is as fast as they can."""

    def __init__(self, rate: float) -> None:
        """Take the rate."""
        self._interval = 1 / rate if rate > 0 else 0.0
        self._next = clock.monotonic_seconds()
        self._lock = threading.Lock()

    def wait(self, end: threading.Event) -> None:
        """Wait until the next change is due, or the end."""
        if not self._interval:
            return
        with self._lock:
            now = clock.monotonic_seconds()
            due = max(self._next, now - _ARREARS_SECONDS)
            self._next = due + self._interval
        if due > now:
            end.wait(due - now)


class Holding:
    """Lets one clerk now and then keep a transaction open, never two at once."""

    def __init__(self) -> None:
        """Let the first one begin soon."""
        self._next = clock.monotonic_seconds() + _FIRST_HOLD_SECONDS
        self._lock = threading.Lock()

    def seconds(self, dice: Dice) -> float:
        """Give for how long to keep the transaction open: mostly not at all, else 1 to 3 seconds."""
        with self._lock:
            if clock.monotonic_seconds() < self._next:
                return 0.0
            self._next = clock.monotonic_seconds() + _BETWEEN_HOLDS_SECONDS
        return 1 + dice.below(200) / 100
