"""Compiling: from settings, organizations and sides to the schedule.

Most changes are those of one organization. Then only it is compiled anew, and all others are kept as they are. The
events:

1. Something of the site changes: it matters to every organization, and everything is compiled.
2. Several organizations change at once, or one after the other: each is compiled from what is saved now, in any order.
3. One comes or goes: it is there, or is not, among those that are given.
4. Its last series is gone: the horizon stays as it was until all is compiled again. No answer is wrong by that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

import msgspec

from slacktide.core.duration import parse_duration
from slacktide.core.interval import Period, union
from slacktide.downtime import parameter as parameters
from slacktide.downtime.doubt import Doubt
from slacktide.downtime.parameter import Level
from slacktide.downtime.schedule import (
    Organization,
    OrganizationSchedule,
    Phase,
    Schedule,
    Side,
    SideName,
    SideSchedule,
)
from slacktide.downtime.setting import Setting, lookup
from slacktide.downtime.timeline import Timeline, overlay, spans

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
        recheck=_values(parameters.RECHECK_INTERVAL, site).map(lambda _, value: parse_duration(value)),
        email_scope=_values(parameters.EMAIL_SCOPE, site),
        horizon=around + _KNOWN_AHEAD if any(setting.recurrence for setting in given) else None,
        behind=around - _KNOWN_BEHIND / 2,
        in_doubt=doubt is not None,
    )


def recompile_schedule(
    before: Schedule,
    *,
    codes: Collection[str],
    settings: Iterable[Setting],
    organizations: Iterable[Organization],
    sides: Iterable[Side],
    around: datetime,
) -> Schedule:
    """Work out anew the organizations of these codes, where nothing of the site has changed since `before`.

    The settings are the site's and theirs; an organization that is not given is there no more.
    """
    part = compile_schedule(settings=settings, organizations=organizations, sides=sides, around=around, before=before)
    gone = set(codes) - part.organizations.keys()
    compiled = {code: found for code, found in before.organizations.items() if code not in gone}
    compiled.update(part.organizations)
    if part.organizations.keys() - before.organizations.keys():
        compiled = dict(sorted(compiled.items()))
    horizon = min(filter(None, (before.horizon, part.horizon)), default=None)
    return msgspec.structs.replace(before, organizations=compiled, horizon=horizon, calms={})


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


def _values(parameter: str, site: list[Setting]) -> Timeline[str]:
    default = parameters.parameter_named(parameter).default
    lasting = [(p, setting.value) for setting in site if setting.parameter == parameter and (p := setting.period)]
    return overlay(lasting).map(lambda _, held: held[-1] if held else default)
