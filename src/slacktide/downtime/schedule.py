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

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

from slacktide.core.duration import parse_duration
from slacktide.core.errors import UsageError
from slacktide.core.interval import Period, union
from slacktide.downtime import parameter as parameters
from slacktide.downtime.doubt import Doubt
from slacktide.downtime.parameter import Level
from slacktide.downtime.setting import Setting, lookup
from slacktide.downtime.timeline import Timeline, overlay, spans

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

    `lives_at` says, for one that is reference only, where the organization lives now; `testers` may enter one that is
    closed.
    """

    organization: str
    side: SideName
    state: SideState
    since: datetime
    database: str | None = None
    lives_at: str | None = None
    testers: tuple[str, ...] = ()


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


class Schedule(msgspec.Struct, frozen=True):
    """What decisions are made by. Made by `compile_schedule`.

    Of recurring downtimes it knows the occurrences from `behind` up to the `horizon` (None: nothing recurs). No answer
    is valid beyond; whoever keeps a schedule compiles it again by then. `in_doubt`: it may be an old one, see `doubt`.
    What was found to be calm is remembered in `calms`, the last stretch of each side of an organization: it follows
    from the rest, and is worked out when it is asked for, since most requests ask for few organizations.
    """

    site: Timeline[Phase]
    organizations: Mapping[str, OrganizationSchedule]
    any_downtime: Timeline[Period | None]
    recheck: Timeline[timedelta]
    email_scope: Timeline[str]
    horizon: datetime | None = None
    behind: datetime | None = None
    in_doubt: bool = False
    calms: dict[tuple[str | None, SideName | None], Calm] = {}

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
        self, now: datetime, *, organization: str | None = None, side: SideName | None = None
    ) -> datetime | None:
        """Give the first instant after now at which an answer may change, as far as is known."""
        timelines: list[Timeline[Phase]] = [self.site]
        if organization is not None:
            timelines.append(self.side(organization, side).phases)
        others = (
            self.any_downtime.next_boundary(now),
            self.recheck.next_boundary(now),
            self.email_scope.next_boundary(now),
            self.horizon,
        )
        found = [*(timeline.next_boundary(now) for timeline in timelines), *others]
        return min((instant for instant in found if instant is not None), default=None)


_KNOWN_AHEAD = timedelta(days=35)
_KNOWN_BEHIND = timedelta(days=2)  # an answer of a stale schedule looks back by a day
_SHOWN = (parameters.DISABLE_USER_ACCESS, parameters.MESSAGE, parameters.CONTACT)


def compile_schedule(
    *,
    settings: Iterable[Setting],
    organizations: Iterable[Organization] = (),
    sides: Iterable[Side] = (),
    around: datetime,
    before: Schedule | None = None,
    doubt: Doubt | None = None,
) -> Schedule:
    """Work out the schedule from all settings, organizations and sides of the site, for use around an instant.

    Of a series it takes the occurrences from two days before to 35 days behind, and the next ones after now. Of the
    schedule of `before` it keeps the organizations for which nothing has changed. In `doubt` it is closed everywhere.
    """
    site: list[Setting] = []
    own: dict[str, list[Setting]] = defaultdict(list)
    given = [*settings, *([doubt.closing()] if doubt else [])]
    for setting in (each for one in given for each in _occurring(one, around=around)):
        if setting.level is Level.SITE:
            site.append(setting)
        elif setting.organization is not None:
            own[setting.organization].append(setting)
    own_sides: dict[str, list[Side]] = defaultdict(list)
    for side in sides:
        own_sides[side.organization].append(side)
    site_parameters = [setting for setting in site if setting.parameter in _SHOWN]
    known = before.organizations if before is not None else {}
    compiled = {
        organization.code: _organization(
            organization,
            own[organization.code] + site_parameters,
            own_sides[organization.code],
            before=known.get(organization.code),
        )
        for organization in organizations
    }
    site_phases = _phases([s for s in site if s.definition.is_downtime], site_parameters, organization=None)
    return Schedule(
        site=site_phases,
        organizations=compiled,
        any_downtime=spans(union(_periods(site_phases, *(found.home.phases for found in compiled.values())))),
        recheck=_values(parameters.RECHECK_INTERVAL, site).map(lambda _, value: parse_duration(value)),
        email_scope=_values(parameters.EMAIL_SCOPE, site),
        horizon=around + _KNOWN_AHEAD if any(setting.recurrence for setting in given) else None,
        behind=around - _KNOWN_BEHIND / 2,
        in_doubt=doubt is not None,
    )


def _occurring(setting: Setting, *, around: datetime) -> Iterable[Setting]:
    """Give a setting itself, or in place of a series its occurrences around an instant and those that come next."""
    if setting.recurrence is None:
        return [setting]
    if not setting.is_on:
        return []
    known = Period(around - _KNOWN_BEHIND, around + _KNOWN_AHEAD)
    found = {each.reading: each for each in (*setting.occurrences(known), *setting.ahead(around, count=2))}
    return [setting.during(each.period) for each in found.values()]


def _organization(
    organization: Organization,
    settings: list[Setting],
    sides: list[Side],
    *,
    before: OrganizationSchedule | None = None,
) -> OrganizationSchedule:
    made_from = (settings, sides)
    if before is not None and before.organization == organization and before.made_from == made_from:
        return before
    downtimes = [setting for setting in settings if setting.definition.is_downtime]
    shown = [setting for setting in settings if setting.parameter in _SHOWN]
    compiled: dict[SideName, SideSchedule] = {}
    for side in sides:
        closings = [_closing(side)] if side.state == "closed" else []
        left = side.state == "reference only"
        compiled[side.side] = SideSchedule(
            phases=_phases(downtimes + closings, shown, organization=organization),
            reference_since=side.since if left else None,
            lives_at=side.lives_at,
        )
    home = _home(compiled, downtimes, shown, organization)
    return OrganizationSchedule(organization, home, compiled, made_from)


def _home(
    sides: dict[SideName, SideSchedule],
    downtimes: list[Setting],
    shown: list[Setting],
    organization: Organization,
) -> SideSchedule:
    """Give the side where it lives: the source until that is left and there is a target that is not."""
    order: tuple[SideName, ...] = ("source", "target")
    known = [sides[name] for name in order if name in sides]
    here = [side for side in known if side.reference_since is None]
    if here or known:
        return (here or known)[0]
    return SideSchedule(phases=_phases(downtimes, shown, organization=organization))


def _closing(side: Side) -> Setting:
    """Give a durable closing as the downtime that it counts as."""
    return Setting(
        id=f"closing:{side.organization}:{side.side}",
        parameter=parameters.ORGANIZATION_DOWNTIME,
        level=Level.ORGANIZATION,
        organization=side.organization,
        value="Y",
        latched=True,
        start=side.since,
        users="out",
        testers=side.testers,
        reason="durable closing: a move's down time procedures have started",
    )


def _phases(
    downtimes: Iterable[Setting], shown: Iterable[Setting], *, organization: Organization | None
) -> Timeline[Phase]:
    lasting = [(setting.period, setting) for setting in downtimes if setting.is_on and setting.period is not None]
    others = [(period, setting) for setting in shown if (period := setting.period) is not None]
    unbroken = spans(union(period for period, _ in lasting))

    def phase(boundary: datetime | None, held: tuple[Setting, ...]) -> Phase:
        if boundary is None or (period := unbroken.at(boundary)) is None:
            return Phase()
        return _phase(boundary, held, period, organization)

    return overlay(lasting + others).map(phase)


def _phase(now: datetime, held: tuple[Setting, ...], period: Period, organization: Organization | None) -> Phase:
    """Work out one phase from what holds in it; an organization's values count for its own downtimes only."""
    code = organization.code if organization else None
    downtimes = tuple(setting for setting in held if setting.definition.is_downtime)
    latest = max(downtimes, key=lambda setting: (setting.end is None, setting.end or setting.start))

    def value(parameter: str) -> str:
        return lookup(parameter=parameter, settings=held, now=now, organization=code)

    disabled = value(parameters.DISABLE_USER_ACCESS) == "Y"
    barring = [s for s in downtimes if s.testers or s.users == "out" or (s.users is None and disabled)]
    return Phase(
        downtimes=downtimes,
        users_out=bool(barring),
        testers=frozenset.intersection(*(frozenset(s.testers) for s in barring)) if barring else frozenset(),
        period=period,
        message=latest.message or value(parameters.MESSAGE),
        contact=latest.contact or value(parameters.CONTACT),
        zone=organization.zone if organization else latest.zone,
    )


def _periods(*timelines: Timeline[Phase]) -> Iterable[Period]:
    return (phase.period for timeline in timelines for phase in timeline.values if phase.period is not None)


def _values(parameter: str, site: list[Setting]) -> Timeline[str]:
    default = parameters.parameter_named(parameter).default
    lasting = [(p, setting.value) for setting in site if setting.parameter == parameter and (p := setting.period)]
    return overlay(lasting).map(lambda _, held: held[-1] if held else default)
