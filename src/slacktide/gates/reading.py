"""One reading of the one clock, the control database's, and what time it is by that reading later.

The events against which it stands:

1. This machine's clock is wrong. It is not asked for the time: the reading is the server's, carried on by a clock that
   only counts seconds.
2. The answer took a while. The reading belongs to the middle of the round trip, so that it is wrong by half of that at
   the most.
3. This machine's clock steps, or the machine slept and the count of seconds stood still. The two then disagree by more
   than a second, and the keeper reads anew at once.
4. The machine slept and the server cannot be reached. The age is what the one of the two clocks says that says more,
   so that old knowledge is not taken for fresh.
5. A new reading is earlier than what was already said to be the time. A boundary once passed stays passed: the time
   stands still until the reading has caught up.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

TOLERANCE_SECONDS = 1.0


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """The server's time `now`, read when the count of seconds was `at` and the machine's own clock said `wall`.

    `floor` is the latest time that an earlier reading gave; `age_seconds` how old what came with it was already;
    `error_seconds` by how much `at` may be wrong.
    """

    now: datetime
    at: float
    wall: datetime
    age_seconds: float = 0.0
    floor: datetime | None = None
    error_seconds: float = 0.0

    @property
    def offset_seconds(self) -> float:
        """How far the machine's clock is behind the server's (negative: ahead)."""
        return (self.now - self.wall).total_seconds()

    def time(self, monotonic: float) -> datetime:
        """Give the server's time at a count of seconds."""
        found = self.now + timedelta(seconds=monotonic - self.at)
        return found if self.floor is None else max(found, self.floor)

    def disagrees(self, monotonic: float, wall: datetime) -> bool:
        """Tell whether the machine's clock has stepped since, or the count of seconds stood still."""
        return abs(self._wall_elapsed(wall) - (monotonic - self.at)) > TOLERANCE_SECONDS

    def age(self, monotonic: float, wall: datetime) -> float:
        """Give how many seconds old this knowledge is, by the clock that says more."""
        return self.age_seconds + max(monotonic - self.at, self._wall_elapsed(wall))

    def _wall_elapsed(self, wall: datetime) -> float:
        return (wall - self.wall).total_seconds()


def take_reading(
    *, now: datetime, sent: float, received: float, wall: datetime, age_seconds: float, before: Reading | None
) -> Reading:
    """Take the server's `now` for the middle between sending and receiving; `wall` was read when it was received."""
    half = (received - sent) / 2
    return Reading(
        now=now,
        at=sent + half,
        wall=wall - timedelta(seconds=half),
        age_seconds=age_seconds,
        floor=None if before is None else before.time(received),
        error_seconds=half,
    )
