"""A parameter setting, and when it is in effect: the naive reading of the rules (section 3).

Everything faster (the compiled schedule) is tested against what stands here.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from slacktide.core.interval import Period
from slacktide.downtime.parameter import Level, Parameter, parameter_named
from slacktide.downtime.recurrence import Occurrence, Recurrence, next_occurrences, occurrences

Users = Literal["in", "out"]


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One row: parameter, level, level value, value, start, end.

    `latched` says that it was once saved with value Y and no end. `users`, `message` and `contact` are what a
    downtime carries itself; None leaves them to the parameters. `zone` is the one in which its times are
    shown. One with a `recurrence` is a series: it begins with the occurrence at `start`, and has none that
    starts at its `end` or later. With `testers` it is verifying: open for these users and closed for all others.
    `sequence` says how often it was changed, the last time at `changed_at`; `zone_moved_at` when an update of zone data
    last moved a series.
    """

    id: str
    parameter: str
    level: Level
    value: str
    start: datetime
    organization: str | None = None
    user: str | None = None
    end: datetime | None = None
    latched: bool = False
    users: Users | None = None
    message: str | None = None
    contact: str | None = None
    zone: str = "UTC"
    reason: str = ""
    recurrence: Recurrence | None = None
    testers: tuple[str, ...] = ()
    sequence: int = 0
    changed_at: datetime | None = None
    zone_moved_at: datetime | None = None

    @property
    def level_value(self) -> str | None:
        """Whose it is: the organization's code, the user's name, or None for the site."""
        return self.organization if self.level is Level.ORGANIZATION else self.user

    @property
    def definition(self) -> Parameter:
        """The parameter that it sets."""
        return parameter_named(self.parameter)

    @property
    def period(self) -> Period | None:
        """When it holds, by start and end alone; None for one that was cancelled, whose end is its start."""
        return None if self.end is not None and self.end <= self.start else Period(self.start, self.end)

    @property
    def is_on(self) -> bool:
        """Tell whether it is a downtime at all: switched on, or latched."""
        return self.definition.is_downtime and (self.value == "Y" or self.latched)

    def occurrences(self, within: Period) -> list[Occurrence]:
        """Give the occurrences of a series that have an instant within a period; none of another setting."""
        if self.recurrence is None:
            return []
        return [*occurrences(self.recurrence, start=self.start, zone=self.zone, stop=self.end, within=within)]

    def ahead(self, now: datetime, *, count: int = 10) -> list[Occurrence]:
        """Give the next occurrences of a series that are not over; none of another setting."""
        if self.recurrence is None:
            return []
        return next_occurrences(self.recurrence, start=self.start, zone=self.zone, stop=self.end, now=now, count=count)

    def during(self, period: Period) -> Setting:
        """Give the downtime that one occurrence of it is."""
        return msgspec.structs.replace(self, start=period.start, end=period.end, recurrence=None)

    def begun(self, now: datetime) -> bool:
        """Tell whether its start has come; of a series also whether one that was moved has begun."""
        moved = self.recurrence.overrides if self.recurrence else ()
        return self.start <= now or any(each.start is not None and each.start <= now for each in moved)

    def over(self, now: datetime) -> bool:
        """Tell whether its end has come, or it was cancelled; of a series whether no occurrence is left."""
        if self.recurrence is not None:
            return not self.ahead(now, count=1)
        return self.period is None or self.period.ended(now)


def in_effect(setting: Setting, now: datetime) -> bool:
    """Tell whether a setting of a downtime parameter is in effect: the specification's own formula.

    A series is in effect while it is on and one of its occurrences lasts.
    """
    if setting.recurrence is not None:
        lasting = setting.occurrences(Period(now, now + timedelta(microseconds=1)))
        return setting.value == "Y" and bool(lasting)
    return (
        setting.start <= now
        and (setting.end is None or now < setting.end)
        and (setting.value == "Y" or setting.latched)
    )


def lookup(
    *,
    parameter: str,
    settings: Iterable[Setting],
    now: datetime,
    organization: str | None = None,
    user: str | None = None,
) -> str:
    """Give a value: of the settings that hold now the strongest level that matches, else the default.

    A question that is the site's own (its downtime's users, message and contact) is asked without
    organization and user.
    """
    whose = {Level.SITE: None, Level.ORGANIZATION: organization, Level.USER: user}
    matching = [
        setting
        for setting in settings
        if setting.parameter == parameter
        and setting.period is not None
        and setting.period.contains(now)
        and setting.level_value == whose[setting.level]
        and (setting.level is Level.SITE or setting.level_value is not None)
    ]
    strongest = max(matching, key=lambda setting: setting.level.strength, default=None)
    return strongest.value if strongest else parameter_named(parameter).default
