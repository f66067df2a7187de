"""The parameters of the site's behaviour: one table of data (downtime specification, section 2).

A parameter allows some levels, weakest first site, organization, user, and values of one type. A value is
kept as text in its canonical form, so that the database, the screens and the rules speak of the same thing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum

import msgspec

from slacktide.core.duration import parse_duration
from slacktide.core.errors import InputError, UsageError


class UnknownParameter(UsageError):
    """There is no parameter {parameter!r}: it is one of {known}."""


class LevelNotAllowed(InputError):
    """The parameter {parameter} has no setting at the level {level}: give it at the level {allowed}."""


class BadValue(InputError):
    """{value!r} is not a value of {parameter}: give {expected}."""


class Level(StrEnum):
    """Where a setting holds, weakest first."""

    SITE = "site"
    ORGANIZATION = "organization"
    USER = "user"

    @property
    def strength(self) -> int:
        """Tell how strong it is: a lookup takes the strongest level that matches."""
        return list(Level).index(self)


Scope = Level  # a downtime's scope is the level of its setting: the site or an organization


class Kind(msgspec.Struct, frozen=True):
    """A type of values: what is expected, said to a person, and how text is brought to its canonical form."""

    expected: str
    canonical: Callable[[str], str]  # raises ValueError, or BadDuration


class Parameter(msgspec.Struct, frozen=True):
    """A named setting of the site's behaviour."""

    name: str
    title: str
    levels: tuple[Level, ...]
    kind: Kind
    default: str
    category: str = "downtime"

    @property
    def is_downtime(self) -> bool:
        """Tell whether its settings are downtimes, whose periods may overlap."""
        return self.name in (SITE_DOWNTIME, ORGANIZATION_DOWNTIME)

    def check_level(self, level: Level) -> None:
        """Refuse a level that the parameter does not allow."""
        if level not in self.levels:
            raise LevelNotAllowed(parameter=self.name, level=level.value, allowed=" or ".join(self.levels))

    def canonical(self, value: str) -> str:
        """Bring a value to its canonical form. Raises BadValue."""
        try:
            return self.kind.canonical(value)
        except (ValueError, UsageError) as error:
            raise BadValue(value=value, parameter=self.name, expected=self.kind.expected) from error


def _word(*words: str) -> Kind:
    def canonical(text: str) -> str:
        if text not in words:
            raise ValueError(text)
        return text

    return Kind(" or ".join(words), canonical)


def _number(least: int, most: int, *others: str) -> Kind:
    def canonical(text: str) -> str:
        if text in others:
            return text
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise ValueError(text)
        return str(int(text))

    return Kind(" or ".join([f"a whole number from {least} to {most}", *others]), canonical)


def _duration(least: timedelta, most: timedelta, expected: str) -> Kind:
    def canonical(text: str) -> str:
        duration = parse_duration(text)
        if not least <= duration <= most:
            raise ValueError(text)
        return text

    return Kind(expected, canonical)


def _durations(text: str) -> str:
    durations = {item.strip(): parse_duration(item.strip()) for item in text.split(",") if item.strip()}
    if any(duration <= timedelta() for duration in durations.values()):
        raise ValueError(text)
    return ", ".join(sorted(durations, key=durations.__getitem__, reverse=True))


SITE_DOWNTIME = "site_scheduled_downtime"
ORGANIZATION_DOWNTIME = "organization_scheduled_downtime"
DISABLE_USER_ACCESS = "disable_user_access"
EMAIL_SECURITY = "email_notification_security"
EMAIL_SCOPE = "email_link_downtime_scope"
MESSAGE = "downtime_message"
CONTACT = "downtime_contact"
LEAD_TIMES = "downtime_notice_lead_times"
RECHECK_INTERVAL = "hold_recheck_interval"

_SITE = (Level.SITE,)
_BOTH = (Level.SITE, Level.ORGANIZATION)
_YES_NO = _word("Y", "N")
_TEXT = Kind("a text", str)
_LIMIT = _duration(timedelta(seconds=1), timedelta(days=36500), "an ISO 8601 duration of at least one second")
_RECHECK = _duration(timedelta(seconds=10), timedelta(hours=1), "an ISO 8601 duration from PT10S to PT1H")
_LEAD_TIMES = Kind("ISO 8601 durations with commas between, like P1D, PT1H", _durations)

PARAMETERS: dict[str, Parameter] = {
    parameter.name: parameter
    for parameter in (
        Parameter(SITE_DOWNTIME, "Site Level Administrative Scheduled Downtime", _SITE, _YES_NO, "N"),
        Parameter(
            ORGANIZATION_DOWNTIME,
            "Organization Level Administrative Scheduled Downtime",
            (Level.ORGANIZATION,),
            _YES_NO,
            "N",
        ),
        Parameter(DISABLE_USER_ACCESS, "Disable user access during scheduled downtime", _BOTH, _YES_NO, "Y"),
        Parameter(
            EMAIL_SECURITY,
            "Email notification security",
            tuple(Level),
            _word("low", "medium", "high"),
            "high",
            category="e-mail",
        ),
        Parameter(
            EMAIL_SCOPE,
            "Which downtime sends e-mail links to the log-in",
            _SITE,
            _word("any", "own"),
            "any",
            category="e-mail",
        ),
        Parameter(MESSAGE, "Text shown during a downtime", _BOTH, _TEXT, ""),
        Parameter(CONTACT, "Contact shown during a downtime", _BOTH, _TEXT, "your administrator"),
        Parameter(
            LEAD_TIMES,
            "Warn users before a downtime",
            _BOTH,
            _LEAD_TIMES,
            "P7D, P1D, PT1H, PT15M, PT5M",
        ),
        Parameter(RECHECK_INTERVAL, "How often held work looks again", _SITE, _RECHECK, "PT5M", category="held work"),
        Parameter(
            "hold_release_rate",
            "Held items released per second and organization",
            _BOTH,
            _number(1, 10_000, "none"),
            "none",
            category="held work",
        ),
        Parameter(
            "task_lease_limit",
            "Tasks of one organization that a user may have open",
            _BOTH,
            _number(1, 100),
            "5",
            category="lease",
        ),
        Parameter(
            "task_lease_idle_limit",
            "A task lease ends when idle this long",
            _BOTH,
            _LIMIT,
            "PT1H",
            category="lease",
        ),
        Parameter(
            "task_lease_downtime_limit",
            "A task lease ends this long after a downtime's start",
            _BOTH,
            _LIMIT,
            "PT8H",
            category="lease",
        ),
    )
}


def parameter_named(name: str) -> Parameter:
    """Give the parameter of that name. Raises UnknownParameter."""
    if name not in PARAMETERS:
        raise UnknownParameter(parameter=name, known=", ".join(PARAMETERS))
    return PARAMETERS[name]
