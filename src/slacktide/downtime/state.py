"""The state word of a site or an organization, as a pure function of the facts.

"In effect" is a clock fact: the schedule says it. "Quiet" is a measured fact: whoever closes has had the
exclusive lock after the start and has counted nobody left. So without a measurement a scope that is down is
*closing*.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from slacktide.core.duration import format_instant
from slacktide.core.errors import ExitStatus
from slacktide.core.interval import Period, union
from slacktide.downtime.parameter import Level
from slacktide.downtime.schedule import Phase, Schedule, SideName
from slacktide.downtime.setting import Setting

# What `status` ends with in each state.
EXIT_STATUS = {
    "open": ExitStatus.DONE,
    "scheduled": ExitStatus.DONE,
    "closing": ExitStatus.HELD,
    "quiet": ExitStatus.HELD,
    "down, users in": ExitStatus.HELD,
    "verifying": ExitStatus.HELD,
    "reference only": ExitStatus.DENIED,
}


class Holders(msgspec.Struct, frozen=True):
    """How many still hold a scope up, as measured. Admin sessions are not among them."""

    leases: int = 0
    sessions: int = 0
    transactions: int = 0

    @property
    def nobody(self) -> bool:
        """Tell whether nothing is left."""
        return not (self.leases or self.sessions or self.transactions)


class State(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a scope at an instant, and what `status` says of it.

    `could_pass` names the roles that the guard does not stop; that is nothing for everybody to read.
    """

    scope: Level
    organization: str | None
    state: str
    because: tuple[Setting, ...]
    until: datetime | None
    next_start: datetime | None
    holders: Holders
    held: int
    lives_at: str | None
    could_pass: list[dict[str, Any]] = []

    @property
    def exit_status(self) -> ExitStatus:
        """What `status` ends with."""
        return EXIT_STATUS[self.state]

    def answer(self) -> dict[str, Any]:
        """Give the JSON document of `status`."""
        return {
            "scope": self.scope.value,
            "organization": self.organization,
            "state": self.state,
            "because": [because(setting) for setting in self.because],
            "until": self.until and format_instant(self.until),
            "next_start": self.next_start and format_instant(self.next_start),
            "holders": msgspec.to_builtins(self.holders),
            "held": self.held,
            "lives_at": self.lives_at,
        }


def because(setting: Setting) -> dict[str, Any]:
    """Give one downtime that keeps a scope down, as JSON lists it."""
    return {
        "id": setting.id,
        "scope": setting.level.value,
        "start": format_instant(setting.start),
        "end": setting.end and format_instant(setting.end),
        "reason": setting.reason,
    }


def state_of(
    *,
    schedule: Schedule,
    now: datetime,
    organization: str | None = None,
    side: SideName | None = None,
    holders: Holders | None = None,
    verifying: bool = False,
    held: int = 0,
) -> State:
    """Give the state of an organization (None: of the site) at an instant.

    `holders` is what was measured after the start (None: nothing was); `verifying` says that named testers
    may enter. Raises UnknownOrganization.
    """
    home = schedule.side(organization, side) if organization is not None else None
    timelines = [schedule.site] if home is None else [schedule.site, home.phases]
    phases = [timeline.at(now) for timeline in timelines]
    unbroken = union(phase.period for timeline in timelines for phase in timeline.values if phase.period is not None)
    left = home is not None and home.reference_only(now)
    next_start = next((period.start for period in unbroken if not Period(period.start).contains(now)), None)
    return State(
        scope=Level.SITE if home is None else Level.ORGANIZATION,
        organization=organization,
        state="reference only"
        if left
        else _word(phases, holders, verifying=verifying or _verifying(phases), scheduled=next_start is not None),
        because=tuple(setting for phase in phases for setting in phase.downtimes),
        until=next((period.end for period in unbroken if period.contains(now)), None),
        next_start=next_start,
        holders=holders or Holders(),
        held=held,
        lives_at=home.lives_at if home is not None and left else None,
    )


def _verifying(phases: list[Phase]) -> bool:
    """Tell whether each downtime in effect is open for testers."""
    return all(setting.testers for phase in phases for setting in phase.downtimes)


def _word(phases: list[Phase], holders: Holders | None, *, verifying: bool, scheduled: bool) -> str:
    if not any(phase.in_effect for phase in phases):
        return "scheduled" if scheduled else "open"
    if verifying:
        return "verifying"
    if not any(phase.users_out for phase in phases):
        return "closing" if holders is None or holders.transactions else "down, users in"
    return "quiet" if holders is not None and holders.nobody else "closing"
