"""The drain of a downtime: how long after its start those who still hold it up may finish, and what happens then.

A pure function of the downtime, its drain and the time. The deadline counts from the start, of each occurrence of a
series anew: a downtime that is extended keeps it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

import msgspec

from slacktide.core.errors import UsageError
from slacktide.core.interval import Period
from slacktide.downtime.setting import Setting, in_effect

Then = Literal["end", "wait", "give-up"]
"""What happens at the deadline to what is still closing: the leases end, it goes on waiting, or the downtime ends."""


class DrainUnsaid(UsageError):
    """What happens at the end of the drain is not said: with `--drain PT30M` give `--drain-then end`, which ends the leases, `--drain-then wait`, or `--drain-then give-up`, which ends the downtime."""  # noqa: E501 -- the message is one sentence


class Drain(msgspec.Struct, frozen=True, kw_only=True):
    """A drain. `done_for` is the start of the downtime, or of its occurrence, for which it has been carried out."""

    after: timedelta
    then: Then
    set_by: str = ""
    reason: str = ""
    done_for: datetime | None = None
    outcome: str | None = None


def start_in_effect(setting: Setting, *, now: datetime) -> datetime | None:
    """Give the start of the downtime in effect, of a series that of the occurrence; None where none is."""
    if not in_effect(setting, now):
        return None
    if setting.recurrence is None:
        return setting.start
    return next((each.period.start for each in setting.ahead(now) if each.period.contains(now)), None)


def due_for(setting: Setting, drain: Drain, *, now: datetime) -> datetime | None:
    """Give the start for which the drain is to be carried out now; None where it is not."""
    start = start_in_effect(setting, now=now)
    if start is None or setting.testers or start == drain.done_for:
        return None
    return start if Period(start + drain.after).contains(now) else None


def deadline_of(setting: Setting, drain: Drain, *, now: datetime) -> datetime | None:
    """Give the deadline of the downtime in effect or, before it, of the next one; None where nothing is to come."""
    if setting.over(now):
        return None
    ahead = setting.ahead(now, count=1)
    return (ahead[0].period.start if ahead else setting.start) + drain.after
