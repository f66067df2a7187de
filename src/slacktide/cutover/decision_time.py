"""The latest decision time: the last minute at which abandoning still reopens the source by the hour named at Start.

Abandoning opens the source first and clears the target afterwards, so only the opening counts: what a rehearsal
measured of it, and never less than the five seconds that are promised. People need time too: the margin is for who has
to hear it, decide, and type the property's code.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from slacktide.core.duration import format_instant
from slacktide.cutover import prediction

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.transfer.move import Move

PROMISED = timedelta(seconds=5)
MARGIN = timedelta(minutes=1)


class DecisionTime(msgspec.Struct, frozen=True):
    """The hour to be open by, and until when abandoning still keeps it."""

    open_by: datetime
    latest: datetime

    def passed(self, now: datetime) -> bool:
        """Tell whether it is too late to abandon in time."""
        return now >= self.latest

    def sentence(self, now: datetime) -> str:
        """Say it as the operator reads it, loudly when it is over."""
        by, latest = (format_instant(each.replace(microsecond=0)) for each in (self.open_by, self.latest))
        if self.passed(now):
            return (
                f"THE LATEST DECISION TIME HAS PASSED ({latest}): abandoning may not open the source by {by} any more"
            )
        left = int((self.latest - now).total_seconds())
        return f"latest decision time: {latest}, in {left // 60} min {left % 60} s; until then abandoning opens by {by}"


def decision_time(
    control: psycopg.Connection[TupleRow], *, move: Move, open_by: datetime | None
) -> DecisionTime | None:
    """Give the latest decision time; None where no hour was named."""
    if open_by is None:
        return None
    rehearsal = prediction.last(control, move=move)
    measured = rehearsal.measured.source_open_seconds if rehearsal and rehearsal.measured else 0.0
    return for_hour(open_by, opening_seconds=measured)


def for_hour(open_by: datetime, *, opening_seconds: float) -> DecisionTime:
    """Give the latest decision time for an hour, where opening the source takes so long."""
    return DecisionTime(open_by, open_by - max(PROMISED, timedelta(seconds=opening_seconds)) - MARGIN)
