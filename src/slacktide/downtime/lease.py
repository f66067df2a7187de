"""The lease rule: whether a task lease is live, away or ended, as a pure function of the facts and the time.

A lease is the server's record that a user has a task open. While it lives, its user may go on with that task although
a downtime keeps users out. What can happen to it, as events:

1. No sign of life for a minute, as when the browser is closed: it is *away*, and still live.
2. No sign of life for as long as the idle limit: it ends.
3. A downtime that keeps users out begins: the lease goes on, and ends when it has lasted the downtime limit in it. One
   that is opened in the downtime (as administrators may) has the limit from then on.
4. That downtime is over before the limit has come: nothing happens. The next one counts from its own start.
5. The organization becomes reference only: it ends.
6. It is released by its user, or ended by an administrator: that is recorded, and nothing undoes it.

7. Another limit begins, as it was set beforehand: what has ended by the one before stays so, though the new one is
   longer; by a shorter one it ends when that begins, and not before.

What ends first counts, and an end that has passed stays passed: after it no sign of life is accepted.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from slacktide.core.duration import parse_duration
from slacktide.core.interval import Period
from slacktide.downtime.schedule import Schedule
from slacktide.downtime.setting import Setting, lookup

LIMIT = "task_lease_limit"
IDLE_LIMIT = "task_lease_idle_limit"
DOWNTIME_LIMIT = "task_lease_downtime_limit"

AWAY_AFTER = timedelta(minutes=1)
_INSTANT = timedelta(microseconds=1)

Word = Literal["live", "away", "ended"]


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """A user has a task open, in a session, since `opened_at`; `ended_at` is set once an end is recorded."""

    id: str
    user: str
    session: str
    task: str
    organization: str
    opened_at: datetime
    last_sign_at: datetime
    ended_at: datetime | None = None
    ended_because: str | None = None


class Limits(msgspec.Struct, frozen=True):
    """How long a lease may be idle, and how long it may last in a downtime."""

    idle: timedelta
    downtime: timedelta


class Standing(msgspec.Struct, frozen=True):
    """What a lease is now; once it has ended, why and since when."""

    state: Word
    because: str | None = None
    at: datetime | None = None

    @property
    def live(self) -> bool:
        """Tell whether it counts: one that is away does."""
        return self.state != "ended"


def standing(
    lease: Lease,
    *,
    limits: Limits,
    barred: Iterable[Period] = (),
    reference_since: datetime | None = None,
    now: datetime,
) -> Standing:
    """Judge a lease.

    `barred` are the unbroken periods in which users are kept out of its organization, `reference_since` is when the
    organization became reference only.
    """
    if lease.ended_at is not None:
        return Standing("ended", lease.ended_because, lease.ended_at)
    ends = [(lease.last_sign_at + limits.idle, "idle")]
    ends += [(end, "downtime") for period in barred if (end := _end_in(period, lease, limits.downtime)) is not None]
    if reference_since is not None:
        ends.append((max(reference_since, lease.opened_at), "reference only"))
    at, because = min(ends)
    if Period(at).contains(now):
        return Standing("ended", because, at)
    return Standing("away" if Period(lease.last_sign_at + AWAY_AFTER).contains(now) else "live")


def limits_of(settings: Iterable[Setting], *, organization: str, now: datetime) -> Limits:
    """Give the limits that hold for an organization now."""
    known = [*settings]

    def value(parameter: str) -> timedelta:
        return parse_duration(lookup(parameter=parameter, settings=known, now=now, organization=organization))

    return Limits(value(IDLE_LIMIT), value(DOWNTIME_LIMIT))


def standing_by(lease: Lease, *, schedule: Schedule, settings: Iterable[Setting], now: datetime) -> Standing:
    """Judge a lease by the schedule and the settings. Raises UnknownOrganization.

    It has ended once it had by the limits of any instant since it was opened.
    """
    organization = lease.organization
    barred, reference_since = schedule.barred(organization), schedule.side(organization).reference_since
    known = [setting for setting in settings if setting.parameter in (IDLE_LIMIT, DOWNTIME_LIMIT)]
    found = Standing("live")
    for start, last in _stretches(known, lease, now=now):
        limits = limits_of(known, organization=organization, now=last)
        found = standing(lease, limits=limits, barred=barred, reference_since=reference_since, now=last)
        if not found.live:
            return found if found.at is None else msgspec.structs.replace(found, at=max(found.at, start))
    return found


def _stretches(settings: Iterable[Setting], lease: Lease, *, now: datetime) -> list[tuple[datetime, datetime]]:
    """Give the first and last instants of the stretches in which the limits stay the same, since it was opened."""
    opened = Period(lease.opened_at)
    changes = {at for each in settings for at in (each.start, each.end) if at is not None}
    starts = sorted({opened.start, *(at for at in changes if opened.contains(at) and Period(at).contains(now))})
    return [*zip(starts, [each - _INSTANT for each in starts[1:]] + [now], strict=True)]


def _end_in(period: Period, lease: Lease, limit: timedelta) -> datetime | None:
    """Give the end that a downtime gives the lease, or None where one of them is over before."""
    if period.ended(lease.opened_at):
        return None
    end = max(period.start, lease.opened_at) + limit
    return end if period.contains(end) else None
