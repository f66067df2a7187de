"""Where a keeper has its schedule from: what every source does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

import msgspec

from slacktide.core.errors import OutsideError
from slacktide.downtime.schedule import Schedule


class ScheduleNotFetched(OutsideError):
    """The gate could not fetch the schedule from {place}: {reason}. It goes on by what it knows for {seconds:.0f} s, and closes as the specification says then; see that the server runs and that the token is valid."""  # noqa: E501 -- the message is one sentence


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """What a look brought: the schedule (None: it is the one that is known), its tag, and the server's time.

    `sent` and `received` are counts of seconds around the moment at which the time was read; `age_seconds` is how old
    the schedule was where it came from.
    """

    schedule: Schedule | None
    tag: str
    now: datetime
    sent: float
    received: float
    age_seconds: float = 0.0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a gate says of itself when it fetches: the tag that it has, its clock's offset and its knowledge's age."""

    tag: str | None = None
    offset_seconds: float | None = None
    age_seconds: float | None = None


class Source(Protocol):
    """A place that the schedule comes from, used by one thread."""

    interval_seconds: float

    def fetch(self, *, known: str | None, report: Report, monotonic: Callable[[], float]) -> Fetched:
        """Look once; `known` is the tag of what is there already. Raises ScheduleNotFetched."""

    def wait(self, seconds: float) -> bool:
        """Wait until told of a change, which it tells, or so many seconds."""

    def forked(self) -> None:
        """Forget what belongs to the process that this one was forked from."""

    def end(self) -> None:
        """Let a wait end soon; called by any thread."""

    def close(self) -> None:
        """Free what it holds; called by the thread that used it, at its end."""
