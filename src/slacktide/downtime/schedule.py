"""The compiled schedule: what every scope is at every instant, worked out once from settings and sides.

A scope (the site, or a side of an organization) passes through *phases*. A phase begins at a boundary, where
a downtime begins or ends or a parameter that matters to it changes, and in it nothing changes. So a decision
at an instant is one search for the scope's phase, and what is known beforehand takes effect at its instant
without any message.

Two facts come from the sides and not from settings. A *closed* side carries a durable closing: it counts as
an organization downtime, users out, without a known end. A side that is *reference only* has been left: the
organization lives elsewhere, mostly at its other side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Literal

import msgspec

from slacktide.core.errors import UsageError
from slacktide.core.interval import Period, union
from slacktide.downtime.setting import Setting
from slacktide.downtime.timeline import Timeline, spans

LAST_INSTANT = datetime.max.replace(tzinfo=UTC)
SideName = Literal["source", "target"]
SideState = Literal["open", "closed", "reference only"]


class UnknownOrganization(UsageError):
    """There is no organization {organization!r}: add it with `slacktide organization add {organization} --name NAME --zone ZONE`."""  # noqa: E501 -- the message is one sentence


class UnknownSide(UsageError):
    """The organization {organization} has no side {side!r}: leave the side out."""


class Organization(msgspec.Struct, frozen=True):
    """One tenant of the site; `zone` is the IANA zone in which its times are entered and shown."""

    code: str
    name: str
    zone: str


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """An organization in one database, and the state of that side since an instant.

    `lives_at` says, for one that is reference only, where the organization lives now.
    """

    organization: str
    side: SideName
    state: SideState
    since: datetime
    database: str | None = None
    lives_at: str | None = None


class Phase(msgspec.Struct, frozen=True):
    """What a scope is between two boundaries.

    `downtimes` are those in effect, `users_out` tells whether one of them bars normal users; `testers` are those whom
    none of them bars. `period` is the unbroken period (union of touching and overlapping downtimes) around it; message
    and contact are those to be shown.
    """

    downtimes: tuple[Setting, ...] = ()
    users_out: bool = False
    period: Period | None = None
    message: str = ""
    contact: str = ""
    zone: str = "UTC"
    testers: frozenset[str] = frozenset()

    @property
    def in_effect(self) -> bool:
        """Tell whether a downtime of the scope is in effect."""
        return self.period is not None

    def bars(self, user: str | None) -> bool:
        """Tell whether a downtime of the scope bars this user, as a normal one."""
        return self.users_out and user not in self.testers


class SideSchedule(msgspec.Struct, frozen=True):
    """One side of an organization: its phases and, once it is reference only, since when and where to go."""

    phases: Timeline[Phase]
    reference_since: datetime | None = None
    lives_at: str | None = None

    def reference_only(self, now: datetime) -> bool:
        """Tell whether the organization has left this side."""
        return self.reference_since is not None and self.reference_since <= now


class OrganizationSchedule(msgspec.Struct, frozen=True):
    """An organization's sides; by `home`, where it lives, it is judged unless a side is named.

    `made_from` are the settings and sides that it was compiled from: from the same ones it need not be again.
    """

    organization: Organization
    home: SideSchedule
    sides: dict[SideName, SideSchedule]
    made_from: tuple[list[Setting], list[Side]] | None = None


class Calm(msgspec.Struct, frozen=True):
    """A stretch from an instant to a later one in which nothing of a scope is in effect and no answer changes."""

    start: datetime
    end: datetime
    recheck: timedelta


class Schedule(msgspec.Struct, frozen=True, dict=True):
    """What decisions are made by. Made by `compiling.compile_schedule`.

    Of recurring downtimes it knows the occurrences from `behind` up to the `horizon` (None: nothing recurs). No answer
    is valid beyond; whoever keeps a schedule compiles it again by then. `in_doubt`: it may be an old one, see `doubt`.
    What was found to be calm is remembered in `calms`, the last stretch of each side of an organization: it follows
    from the rest, and is worked out when it is asked for, since most requests ask for few organizations.
    `told_of` are the periods in which anything is down, for one who may not see every organization.
    """

    site: Timeline[Phase]
    organizations: Mapping[str, OrganizationSchedule]
    recheck: Timeline[timedelta]
    email_scope: Timeline[str]
    horizon: datetime | None = None
    behind: datetime | None = None
    in_doubt: bool = False
    calms: dict[tuple[str | None, SideName | None], Calm] = {}
    told_of: Timeline[Period | None] | None = None

    @cached_property
    def any_downtime(self) -> Timeline[Period | None]:
        """The unbroken periods in which anything is down; worked out when they are asked for."""
        if self.told_of is not None:
            return self.told_of
        timelines = [self.site, *(found.home.phases for found in self.organizations.values())]
        periods = (phase.period for timeline in timelines for phase in timeline.values if phase.period is not None)
        return spans(union(periods))

    def calm(self, now: datetime, *, organization: str | None, side: SideName | None) -> Calm | None:
        """Give the stretch around now in which nothing is in effect, or None. Raises UnknownOrganization."""
        known = self.calms.get((organization, side))
        if known is not None and known.start <= now < known.end:
            return known
        return self._find_calm(now, organization, side)

    def _find_calm(self, now: datetime, organization: str | None, side: SideName | None) -> Calm | None:
        own = None if organization is None else self.side(organization, side)
        if self.in_doubt or self.site.at(now).in_effect:
            return None
        if own is not None and (own.phases.at(now).in_effect or own.reference_since is not None):
            return None
        boundary = self.next_boundary(now, organization=organization, side=side)
        found = Calm(now, LAST_INSTANT if boundary is None else boundary, self.recheck.at(now))
        self.calms[organization, side] = found
        return found

    def around(self, instant: datetime) -> bool:
        """Tell whether the schedule knows all that matters at an instant."""
        return self.horizon is None or self.behind is None or Period(self.behind, self.horizon).contains(instant)

    def side(self, organization: str, side: SideName | None = None) -> SideSchedule:
        """Give a side of an organization: the one named, or the one where it lives.

        Raises UnknownOrganization.
        """
        if organization not in self.organizations:
            raise UnknownOrganization(organization=organization)
        found = self.organizations[organization]
        if side is None:
            return found.home
        if side not in found.sides:
            raise UnknownSide(organization=organization, side=side)
        return found.sides[side]

    def barred(self, organization: str | None = None) -> list[Period]:
        """Give the unbroken periods in which normal users are kept out, of an organization (None: of the site)."""
        return self._spans(organization, lambda phase: phase.users_out)

    def last_open_since(self, now: datetime, *, organization: str | None = None) -> datetime | None:
        """Give the instant at which a scope was last opened: the end of the last downtime but the present one.

        None where it was never closed, as far as is known.
        """
        closed = self._spans(organization, lambda phase: phase.in_effect)
        return max((period.end for period in closed if period.end is not None and period.ended(now)), default=None)

    def _spans(self, organization: str | None, holds: Callable[[Phase], bool]) -> list[Period]:
        timelines = [self.site] if organization is None else [self.site, self.side(organization).phases]
        return union(period for timeline in timelines for period in timeline.periods(holds))

    def next_boundary(
        self, now: datetime, *, organization: str | None = None, side: SideName | None = None, link: bool = False
    ) -> datetime | None:
        """Give the first instant after now at which an answer may change, as far as is known.

        Those about an e-mail `link` may change with the downtime of anybody.
        """
        timelines: list[Timeline[Phase]] = [self.site]
        if organization is not None:
            timelines.append(self.side(organization, side).phases)
        others = [self.recheck.next_boundary(now), self.horizon]
        if link:
            others += [self.any_downtime.next_boundary(now), self.email_scope.next_boundary(now)]
        found = [*(timeline.next_boundary(now) for timeline in timelines), *others]
        return min((instant for instant in found if instant is not None), default=None)
