"""Which notice of a downtime is due, as a pure function of the downtime, of what was told, and of the time.

A downtime here is a single one or one occurrence of a series. The table says what is told, given what was told last
and what the downtime is now. Whatever was missed meanwhile is not made up for: one notice tells all that is new.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from slacktide.core.interval import Period
from slacktide.downtime.setting import Users


class Stage(StrEnum):
    """What was told last; of one that nobody was told of, it is as if it had been cancelled."""

    CANCELLED = "cancelled"
    AHEAD = "ahead"
    STARTED = "started"
    ENDED = "ended"


class Present(StrEnum):
    """What the downtime is now."""

    GONE = "gone"
    AHEAD = "ahead"
    LASTING = "lasting"
    OVER = "over"


class Kind(StrEnum):
    """What a notice tells."""

    AHEAD = "ahead"
    CHANGED = "changed"
    STARTED = "started"
    ENDED = "ended"
    CANCELLED = "cancelled"


class Facts(msgspec.Struct, frozen=True):
    """What is told of a downtime: its period, and whether users may work on."""

    period: Period
    users: Users


class Told(msgspec.Struct, frozen=True):
    """What was told last, and the shortest lead time at which it was told."""

    stage: Stage
    facts: Facts
    lead: timedelta | None = None


TABLE: dict[tuple[Stage, Present], tuple[Kind, ...]] = {
    (Stage.CANCELLED, Present.GONE): (),
    (Stage.CANCELLED, Present.AHEAD): (Kind.AHEAD,),
    (Stage.CANCELLED, Present.LASTING): (Kind.STARTED,),
    (Stage.CANCELLED, Present.OVER): (),
    (Stage.AHEAD, Present.GONE): (Kind.CANCELLED,),
    (Stage.AHEAD, Present.AHEAD): (Kind.CHANGED, Kind.AHEAD),
    (Stage.AHEAD, Present.LASTING): (Kind.STARTED,),
    (Stage.AHEAD, Present.OVER): (Kind.ENDED,),
    (Stage.STARTED, Present.GONE): (Kind.ENDED,),
    (Stage.STARTED, Present.AHEAD): (Kind.CHANGED,),
    (Stage.STARTED, Present.LASTING): (Kind.CHANGED,),
    (Stage.STARTED, Present.OVER): (Kind.ENDED,),
    (Stage.ENDED, Present.GONE): (),
    (Stage.ENDED, Present.AHEAD): (),
    (Stage.ENDED, Present.LASTING): (Kind.STARTED,),
    (Stage.ENDED, Present.OVER): (),
}
"""What can be told, given what was told last and what the downtime is; the first that is due is told."""

_AFTER = {
    Kind.AHEAD: Stage.AHEAD,
    Kind.STARTED: Stage.STARTED,
    Kind.ENDED: Stage.ENDED,
    Kind.CANCELLED: Stage.CANCELLED,
}


class Step(msgspec.Struct, frozen=True):
    """A notice that is due, and what has been told with it."""

    kind: Kind
    told: Told


def present(facts: Facts | None, *, now: datetime) -> Present:
    """Tell what a downtime is at an instant; without facts it was cancelled or switched off."""
    if facts is None:
        return Present.GONE
    if facts.period.ended(now):
        return Present.OVER
    return Present.LASTING if facts.period.contains(now) else Present.AHEAD


def due(facts: Facts | None, *, told: Told | None, leads: Iterable[timedelta], now: datetime) -> Step | None:
    """Give the notice that is due of a downtime, or None."""
    stage = told.stage if told else Stage.CANCELLED
    if facts is None and told is not None:
        facts_told = told.facts
    elif facts is not None:
        facts_told = facts
    else:
        return None
    is_now, lead = present(facts, now=now), None if facts is None else _lead(facts.period.start, leads=leads, now=now)
    for kind in TABLE[stage, is_now]:
        if kind is Kind.CHANGED and told is not None and facts != told.facts:
            return Step(kind, Told(Stage.AHEAD if is_now is Present.AHEAD else stage, facts_told, lead))
        if kind is Kind.AHEAD and not _is_new(lead, told if stage is Stage.AHEAD else None):
            continue
        if kind is not Kind.CHANGED:
            return Step(kind, Told(_AFTER[kind], facts_told, lead))
    return None


def next_instant(facts: Facts | None, *, leads: Iterable[timedelta], now: datetime) -> datetime | None:
    """Give the first instant after now at which something may be due without any change."""
    if facts is None:
        return None
    start, end = facts.period.start, facts.period.end
    instants = [*(start - lead for lead in leads), start, *([end] if end else [])]
    return min((instant for instant in instants if not Period(instant).contains(now)), default=None)


def _lead(start: datetime, *, leads: Iterable[timedelta], now: datetime) -> timedelta | None:
    """Give the shortest lead time that has come."""
    return min((lead for lead in leads if Period(start - lead).contains(now)), default=None)


def _is_new(lead: timedelta | None, told: Told | None) -> bool:
    return lead is not None and (told is None or told.lead is None or lead < told.lead)
