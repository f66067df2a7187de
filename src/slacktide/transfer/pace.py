"""How fast the initial pass reads, and at which hours of the day: the source's guests come first.

Only the pass is paced. Changes are carried all the time, or they would pile up while it pauses. The events:

1. The hours go over midnight, or the clocks change in between: what counts is the time of the day at the property, now.
2. Somebody changes them while the pass runs: they are asked again before each range.
3. The down time has begun: whatever is left of a pass then is read at once.
"""

from __future__ import annotations

import re
from datetime import datetime, time
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec

from slacktide.control.audit import record_audit
from slacktide.control.organization import organization_of
from slacktide.control.setting import control_now
from slacktide.core import clock
from slacktide.core.errors import UsageError
from slacktide.transfer.move import load_move, set_fact

if TYPE_CHECKING:
    from collections.abc import Mapping

    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.transfer.journal import Journal
    from slacktide.transfer.move import Move

ALWAYS = "always"
FACT = "pace"
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_ASK_SECONDS = 1.0


class BadHours(UsageError):
    """{hours!r} are no hours of the day: write `slacktide move processes pace {move} --hours 22:00-06:00`, or `--hours always`."""  # noqa: E501 -- the message is one sentence


class BadRate(UsageError):
    """{rate} objects a second are no rate: write `slacktide move processes pace {move} --rate 500`, or `--rate 0` for full speed."""  # noqa: E501 -- the message is one sentence


class Paced(msgspec.Struct, frozen=True):
    """When the pass may read, as `22:00-06:00` or `always`, and how many objects a second; 0 is without a limit."""

    hours: str = ALWAYS
    rate: int = 0


def pace_of(facts: Mapping[str, Any]) -> Paced:
    """Give a move's pace, from its facts."""
    return msgspec.convert(facts.get(FACT) or {}, Paced)


def change(
    control: psycopg.Connection[TupleRow], *, move: Move, hours: str | None, rate: int | None, who: str, reason: str
) -> Paced:
    """Change what is given of a move's pace, and note who did. Raises BadHours, BadRate."""
    before = pace_of(move.facts)
    after = Paced(before.hours if hours is None else hours, before.rate if rate is None else rate)
    if after.hours != ALWAYS and (_HOURS.fullmatch(after.hours) is None or len({*after.hours.split("-")}) == 1):
        raise BadHours(hours=after.hours, move=move.name)
    if after.rate < 0:
        raise BadRate(rate=after.rate, move=move.name)
    if after != before:
        with control.transaction():
            set_fact(control, move=move, name=FACT, value=after)
            record_audit(control, who=who, what="move processes pace", object=f"move {move.name}", before=before,
                         after=after, reason=reason)  # fmt: skip
    return after


def within(hours: str, *, now: time) -> bool:
    """Tell whether a time of the day lies within hours, the end not among them; they may go over midnight."""
    if hours == ALWAYS:
        return True
    start, end = (time.fromisoformat(text) for text in hours.split("-"))
    return start <= now < end if start < end else now >= start or now < end


def sentence(pace: Paced, *, now: datetime, zone: str) -> str | None:
    """Say how the pass is paced now; nothing where it is not."""
    said = [f"at the most {pace.rate:,} objects a second"] if pace.rate else []
    if pace.hours != ALWAYS:
        reads = within(pace.hours, now=now.astimezone(ZoneInfo(zone)).time())
        said.insert(0, f"{'reads' if reads else 'PAUSES'} by the hours {pace.hours} ({zone}); changes are carried")
    return f"the pass {'; '.join(said)}" if said else None


class Pace:
    """The pace of one move's pass, asked before each range by the process that reads it."""

    def __init__(self, journal: Journal) -> None:
        """Take the journal, over whose connection the move is asked."""
        self._journal = journal
        self._asked = self._took_at = 0.0
        self._passes, self._rate, self._took = True, 0, 0

    def passes(self) -> bool:
        """Tell whether the pass may read its next range now."""
        now = clock.monotonic_seconds()
        if now - self._asked >= _ASK_SECONDS:
            self._asked = now
            self._ask()
        return self._passes and (not self._rate or now >= self._took_at + self._took / self._rate)

    def took(self, objects: int) -> None:
        """Note how many objects a batch held: so long the next range has to wait."""
        self._took_at, self._took = clock.monotonic_seconds(), objects

    def _ask(self) -> None:
        control = self._journal.connection
        move = load_move(control, name=self._journal.move_name())
        pace, zone = pace_of(move.facts), organization_of(control, code=move.organization).zone
        self._rate = pace.rate
        self._passes = within(pace.hours, now=control_now(control).astimezone(ZoneInfo(zone)).time())
