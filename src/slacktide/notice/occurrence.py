"""The downtimes that notices are about, worked out from the settings: single ones, and occurrences of series.

One is named by the setting, the scope and, of a series, the reading that names the occurrence, so that it stays the
same when it is moved. Of a setting that goes to another organization, the one of the former organization is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from slacktide.core.duration import parse_duration
from slacktide.core.interval import Period
from slacktide.downtime.parameter import CONTACT, DISABLE_USER_ACCESS, LEAD_TIMES, MESSAGE
from slacktide.downtime.recurrence import instant_of
from slacktide.downtime.schedule import Organization
from slacktide.downtime.setting import Setting, Users, lookup
from slacktide.notice.rule import Facts

_AHEAD = timedelta(minutes=5)
_BEHIND = timedelta(days=1)


class Name(msgspec.Struct, frozen=True):
    """Which downtime it is: the setting's ID, the organization (None: the site), and the reading ('': a single one)."""

    downtime: str
    organization: str | None
    occurrence: str = ""


class Downtime(msgspec.Struct, frozen=True):
    """A downtime with what is told of it; `leads` are the lead times at which it is announced."""

    name: Name
    facts: Facts
    leads: tuple[timedelta, ...]
    message: str
    contact: str
    zone: str
    scope: str


class Known(msgspec.Struct, frozen=True):
    """What notices are made from: all settings and organizations, at an instant."""

    settings: Sequence[Setting]
    organizations: Mapping[str, Organization]
    now: datetime

    def downtimes(self, named: Iterable[Name] = ()) -> dict[Name, Downtime]:
        """Give what could be told of: what lasts, what has just been, what lies within the lead times, and the named.

        A named one that is missing here has been cancelled, switched off or left out.
        """
        wanted: dict[str, set[str]] = {}
        for name in named:
            wanted.setdefault(name.downtime, set()).add(name.occurrence)
        return {
            each.name: each
            for setting in self.settings
            if setting.is_on
            for each in self._of(setting, wanted.get(setting.id, set()))
        }

    def leads(self, organization: str | None) -> tuple[timedelta, ...]:
        """Give the lead times that hold now, for an organization's downtimes or the site's."""
        value = self._value(LEAD_TIMES, organization, at=self.now)
        return tuple(parse_duration(item.strip()) for item in value.split(",") if item.strip())

    def gone(self, name: Name, facts: Facts) -> Downtime:
        """Give what is told of a downtime that is there no more, by what was told of it."""
        setting = next((each for each in self.settings if each.id == name.downtime), None)
        own = (setting.message or "", setting.contact, setting.zone) if setting is not None else ("", None, "UTC")
        return self._told(name, facts, (), own)

    def _of(self, setting: Setting, readings: set[str]) -> Iterable[Downtime]:
        leads = self.leads(setting.organization)
        if setting.recurrence is None:
            if setting.period is not None:
                yield self._downtime(setting, setting.period, "", leads)
            return
        within = Period(self.now - _BEHIND, self.now + max(leads, default=timedelta()) + _AHEAD)
        found = {each.reading.isoformat(): each.period for each in setting.occurrences(within)}
        others = {reading: _period_of(setting, datetime.fromisoformat(reading)) for reading in readings if reading}
        for reading, period in (others | found).items():
            if period is not None:
                yield self._downtime(setting, period, reading, leads)

    def _downtime(self, setting: Setting, period: Period, occurrence: str, leads: tuple[timedelta, ...]) -> Downtime:
        name = Name(setting.id, setting.organization, occurrence)
        message = setting.message or self._value(MESSAGE, setting.organization, at=period.start)
        facts = Facts(period, self._users(setting, period))
        return self._told(name, facts, leads, (message, setting.contact, setting.zone))

    def _told(
        self, name: Name, facts: Facts, leads: tuple[timedelta, ...], own: tuple[str, str | None, str]
    ) -> Downtime:
        message, contact, zone = own
        code = name.organization
        owner = self.organizations.get(code) if code is not None else None
        return Downtime(
            name=name,
            facts=facts,
            leads=leads,
            message=message,
            contact=contact or self._value(CONTACT, code, at=facts.period.start),
            zone=owner.zone if owner else zone,
            scope="The system" if code is None else f"The organization {owner.name if owner else code}",
        )

    def _users(self, setting: Setting, period: Period) -> Users:
        if setting.testers or setting.users is not None:
            return "out" if setting.testers else setting.users or "out"
        at = self.now if period.contains(self.now) else period.start
        return "out" if self._value(DISABLE_USER_ACCESS, setting.organization, at=at) == "Y" else "in"

    def _value(self, parameter: str, organization: str | None, *, at: datetime) -> str:
        return lookup(parameter=parameter, settings=self.settings, now=at, organization=organization)


def _period_of(setting: Setting, reading: datetime) -> Period | None:
    """Give the period of one occurrence, wherever it lies; None for one that is left out, or not to come any more."""
    series = setting.recurrence
    if series is None:
        return None
    moved = {override.occurrence: override for override in series.overrides}
    if reading in moved:
        return moved[reading].period
    at = instant_of(reading, zone=setting.zone)
    return None if setting.end is not None and Period(setting.end).contains(at) else Period(at, at + series.length)
