"""Parameter settings, as administrators add, look at, change and delete them.

Each function is one transaction, as in `control.downtime`: the instant is read from the control database's clock in
it, the rules are asked, the setting is saved with value, start and end in one act, and the audit trail is written.
What could go wrong, and what stands against it:

1. Two add settings that overlap, at once, and each sees the other not yet: who adds or changes a setting of a parameter
   holds that parameter's lock, so that the second one sees the first and is refused by its name. A constraint holds for
   who comes another way.
2. One changes a setting while another deletes it: its row is locked; the second one finds it changed, or not there.
3. A setting begins between the look at the clock and its deletion: the trigger in the database looks once more.
4. A lease has ended by a limit that is raised here, or in a downtime that bars nobody any more: its end is recorded
   first, or it would live again.
5. The process is killed half way: nothing was saved, and nothing is in the trail.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import psycopg

from slacktide.control.audit import record_audit, require_reason
from slacktide.control.downtime import left_behind
from slacktide.control.lease import record_ends
from slacktide.control.organization import organization_of
from slacktide.control.schedule import still_down
from slacktide.control.setting import (
    control_now,
    delete_setting,
    insert_setting,
    list_settings,
    lock_parameter,
    update_setting,
)
from slacktide.control.setting import setting_of as find_setting
from slacktide.control.user import user_of
from slacktide.core.duration import format_instant
from slacktide.core.errors import UsageError
from slacktide.core.instant import parse_instant, parse_zone
from slacktide.downtime.lease import DOWNTIME_LIMIT, IDLE_LIMIT
from slacktide.downtime.parameter import (
    DISABLE_USER_ACCESS,
    ORGANIZATION_DOWNTIME,
    SITE_DOWNTIME,
    Level,
    parameter_named,
)
from slacktide.downtime.saving import changed_setting, check_deletable, lifts, new_setting, not_deletable
from slacktide.downtime.series import SeriesOnly
from slacktide.downtime.setting import Setting, in_effect

_ENDING = (IDLE_LIMIT, DOWNTIME_LIMIT, DISABLE_USER_ACCESS, ORGANIZATION_DOWNTIME, SITE_DOWNTIME)
"""What leases end by."""


class UnknownSetting(UsageError):
    """There is no setting {id!r}: `slacktide setting list` shows those that there are."""


class LevelUnsaid(UsageError):
    """A setting of {parameter} needs one level: add {allowed}."""


class NothingSaid(UsageError):
    """Nothing to change was said: `slacktide setting change {id} VALUE --start T --end T` takes one or more of them."""


class Whose(msgspec.Struct, frozen=True):
    """A level and its value, as they are asked for: the site, an organization's code or a user's name."""

    site: bool = False
    organization: str | None = None
    user: str | None = None

    @property
    def level(self) -> Level | None:
        """The level, or None where none or more than one is said."""
        said = {Level.SITE: self.site, Level.ORGANIZATION: self.organization, Level.USER: self.user}
        levels = [level for level, given in said.items() if given]
        return levels[0] if len(levels) == 1 else None

    @property
    def said(self) -> bool:
        """Tell whether any level is said."""
        return self.site or self.organization is not None or self.user is not None


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """Start and end as they are asked for, as text; None leaves them as they are, and `none` is no end."""

    start: str | None = None
    end: str | None = None
    zone: str | None = None


class Answer(msgspec.Struct, frozen=True):
    """What a command prints: the setting's JSON document, and warnings for the one who asked."""

    setting: dict[str, Any]
    warnings: tuple[str, ...] = ()


def add_setting(
    connection: psycopg.Connection[Any],
    *,
    parameter: str,
    value: str,
    whose: Whose,
    times: Times = Times(),  # noqa: B008 -- a value that never changes
    who: str,
    reason: str = "",
) -> Answer:
    """Add a setting.

    Raises what the rules of saving refuse, UnknownParameter, LevelUnsaid, UnknownOrganization, UnknownUser.
    """
    definition = parameter_named(parameter)
    level = whose.level
    if level is None:
        raise LevelUnsaid(parameter=parameter, allowed=_levels(parameter))
    definition.check_level(level)
    with connection.transaction():
        lock_parameter(connection, parameter=parameter)
        if whose.user is not None:
            user_of(connection, name=whose.user)
        now = control_now(connection)
        zone = _zone(connection, whose.organization, times)
        draft = Setting(
            id="",
            parameter=parameter,
            level=level,
            organization=whose.organization,
            user=whose.user,
            value=value,
            start=now,
            zone=parse_zone(zone or "UTC").key,
            reason=reason,
        )
        draft = _timed(draft, times, now=now, zone=zone)
        setting = new_setting(draft, now=now, others=list_settings(connection))
        _before_ending(connection, parameter)
        setting = insert_setting(connection, setting=setting, who=who)
        _record(connection, "add", before=None, after=setting, who=who, reason=reason)
        return Answer(_answer(setting, now=now), left_behind(connection, [setting]))


def change_setting(
    connection: psycopg.Connection[Any],
    *,
    id: str,  # noqa: A002 -- the word of the interface
    value: str | None = None,
    whose: Whose = Whose(),  # noqa: B008 -- a value that never changes
    times: Times = Times(),  # noqa: B008 -- a value that never changes
    who: str,
    reason: str = "",
) -> Answer:
    """Change value, start, end and level of a setting in one act; what is not said stays as it is.

    What ends or switches off a downtime needs a reason; the answer has in `because` what still keeps its scope down.
    Raises UnknownSetting, NothingSaid, SeriesOnly, and what the rules of saving refuse.
    """
    if value is None and times.start is None and times.end is None and not whose.said:
        raise NothingSaid(id=id)
    with connection.transaction():
        old = _locked(connection, id)
        if old.recurrence and (times.start or times.end):
            raise SeriesOnly(id=id)
        now = control_now(connection)
        new = _moved(old, whose)
        if whose.user is not None:
            user_of(connection, name=whose.user)
        zone = _zone(connection, new.organization, times, default=old.zone)
        new = _timed(new, times, now=now, zone=zone)
        new = msgspec.structs.replace(new, value=old.value if value is None else value)
        saved = changed_setting(old, new, now=now, others=list_settings(connection))
        lifted = lifts(old, saved.setting, now=now)
        if lifted:
            require_reason(reason, what=f"slacktide setting change {id}")
        _before_ending(connection, old.parameter)
        update_setting(connection, setting=saved.setting)
        _record(connection, "change", before=old, after=saved.setting, who=who, reason=reason)
        left = {"because": still_down(connection, organization=old.organization, now=now)} if lifted else {}
        return Answer(_answer(saved.setting, now=now) | left, saved.warnings)


def remove_setting(
    connection: psycopg.Connection[Any],
    *,
    id: str,  # noqa: A002 -- the word of the interface
    who: str,
    reason: str = "",
) -> Answer:
    """Delete a setting that has not begun and was never latched. Raises UnknownSetting, NotDeletable."""
    with connection.transaction():
        old = _locked(connection, id)
        now = control_now(connection)
        check_deletable(old, now=now)
        try:
            delete_setting(connection, id=id)
        except psycopg.errors.RestrictViolation as error:
            raise not_deletable(old) from error
        _record(connection, "delete", before=old, after=None, who=who, reason=reason)
        return Answer(_answer(old, now=now))


def settings_answer(
    connection: psycopg.Connection[Any],
    *,
    parameter: str | None = None,
    whose: Whose = Whose(),  # noqa: B008 -- a value that never changes
) -> list[dict[str, Any]]:
    """Give all settings, past ones too, in the order of their starts; of a parameter, of a level value.

    Raises UnknownParameter, LevelUnsaid, UnknownOrganization.
    """
    if parameter is not None:
        parameter_named(parameter)
    if whose.said and whose.level is None:
        raise LevelUnsaid(parameter=parameter or "any parameter", allowed="--site, --organization CODE or --user NAME")
    if whose.organization is not None:
        organization_of(connection, code=whose.organization)
    if whose.user is not None:
        user_of(connection, name=whose.user)
    now = control_now(connection)
    return [
        _answer(setting, now=now)
        for setting in list_settings(connection)
        if parameter in (None, setting.parameter)
        and (not whose.said or (setting.level, setting.level_value) == (whose.level, whose.organization or whose.user))
    ]


def _before_ending(connection: psycopg.Connection[Any], parameter: str) -> None:
    """Record which leases have ended by what is set now, before that is another."""
    if parameter in _ENDING:
        record_ends(connection)


def _locked(connection: psycopg.Connection[Any], key: str) -> Setting:
    """Give a setting that stays as it is until the end of the transaction, as do others of its parameter."""
    setting = find_setting(connection, id=key)
    if setting is None:
        raise UnknownSetting(id=key)
    lock_parameter(connection, parameter=setting.parameter)
    return setting


def _moved(old: Setting, whose: Whose) -> Setting:
    if not whose.said:
        return old
    level = whose.level
    if level is None:
        raise LevelUnsaid(parameter=old.parameter, allowed=_levels(old.parameter))
    return msgspec.structs.replace(old, level=level, organization=whose.organization, user=whose.user)


def _timed(setting: Setting, times: Times, *, now: datetime, zone: str | None) -> Setting:
    start, end = setting.start, setting.end
    if times.start is not None:
        start = parse_instant(times.start, now=now, zone=zone)
    if times.end == "none":
        end = None
    elif times.end is not None:
        end = parse_instant(times.end, now=now, zone=zone, start=start, end=True)
    return msgspec.structs.replace(setting, start=start, end=end)


def _zone(
    connection: psycopg.Connection[Any], organization: str | None, times: Times, *, default: str | None = None
) -> str | None:
    """Give the zone of local times: the one that is said, else the organization's. Raises UnknownOrganization."""
    own = organization_of(connection, code=organization).zone if organization is not None else default
    return times.zone or own


def _levels(parameter: str) -> str:
    options = {Level.SITE: "--site", Level.ORGANIZATION: "--organization CODE", Level.USER: "--user NAME"}
    return " or ".join(options[level] for level in parameter_named(parameter).levels)


def _record(
    connection: psycopg.Connection[Any],
    verb: str,
    *,
    before: Setting | None,
    after: Setting | None,
    who: str,
    reason: str,
) -> None:
    named = after or before
    subject = f"setting {named.id if named else ''}"
    what = f"setting {verb}"
    record_audit(connection, who=who, what=what, object=subject, before=before, after=after, reason=reason)


def _answer(setting: Setting, *, now: datetime) -> dict[str, Any]:
    """Give the JSON document of one setting; `in_effect` of a downtime is whether it is down by it now."""
    holds = setting.period is not None and setting.period.contains(now)
    return {
        "id": setting.id,
        "parameter": setting.parameter,
        "title": setting.definition.title,
        "level": setting.level.value,
        "organization": setting.organization,
        "user": setting.user,
        "value": setting.value,
        "start": format_instant(setting.start),
        "end": setting.end and format_instant(setting.end),
        "latched": setting.latched,
        "in_effect": in_effect(setting, now) if setting.definition.is_downtime else holds,
        "rrule": setting.recurrence and setting.recurrence.rule,
        "reason": setting.reason,
    }
