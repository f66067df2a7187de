"""Downtimes, as administrators schedule, look at, extend, end and cancel them.

Each function is one transaction: the instant is read from the control database's clock in it, the rules are
asked, the setting is saved and the audit trail written. Whoever keeps the schedule is told by the database
itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import psycopg

from slacktide.control.audit import record_audit, require_reason
from slacktide.control.effect import Effects, effects_of
from slacktide.control.organization import list_sides, organization_of
from slacktide.control.schedule import state_of, still_down
from slacktide.control.setting import control_now, insert_setting, list_settings, setting_of, update_setting
from slacktide.control.user import user_of
from slacktide.core.duration import format_instant, parse_duration
from slacktide.core.errors import InputError, UsageError
from slacktide.core.instant import later, parse_instant, parse_zone
from slacktide.downtime import series
from slacktide.downtime.parameter import DISABLE_USER_ACCESS, ORGANIZATION_DOWNTIME, SITE_DOWNTIME, Level
from slacktide.downtime.recurrence import Recurrence, shown
from slacktide.downtime.saving import (
    Saved,
    cancelled_setting,
    changed_setting,
    ended_setting,
    lifts,
    new_setting,
    verified_setting,
)
from slacktide.downtime.schedule import Organization
from slacktide.downtime.series import LengthRefused, SeriesOnly
from slacktide.downtime.setting import Setting, Users, lookup


class UnknownDowntime(UsageError):
    """There is no downtime {id!r}: `slacktide downtime list` shows those that there are."""


class EndUnsaid(UsageError):
    """A downtime needs exactly one end: add --end T, --for D or --until-ended."""


class ScopeUnsaid(UsageError):
    """A downtime needs one scope: add --site --yes, or --organization CODE."""


class NotLater(InputError):
    """{end} is not later than the end of {id}, {present}: bring an end forward with `slacktide downtime change {id} --end T --reason TEXT`."""  # noqa: E501 -- the message is one sentence


class Answer(msgspec.Struct, frozen=True):
    """What a command prints: one JSON document a downtime, and warnings for the one who asked."""

    downtimes: list[dict[str, Any]]
    warnings: tuple[str, ...] = ()


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """A downtime as it is asked for: times and duration are text, as commands take them."""

    start: str | None = None
    end: str | None = None
    duration: str | None = None
    until_ended: bool = False
    users: Users | None = None
    zone: str | None = None
    message: str | None = None
    contact: str | None = None
    rrule: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be understood, whatever the scope."""
        if self.rrule is not None and (self.duration is None or self.end is not None or self.until_ended):
            raise LengthRefused
        if (self.end is not None) + (self.duration is not None) + self.until_ended != 1:
            raise EndUnsaid

    @property
    def recurrence(self) -> Recurrence | None:
        """The rule and the length of a series, as they are asked for."""
        if self.rrule is None or self.duration is None:
            return None
        return Recurrence(rule=self.rrule, length=parse_duration(self.duration))

    def period(self, *, now: datetime, zone: str | None) -> tuple[datetime, datetime | None]:
        """Give start and end in a zone. Raises what `parse_instant` raises."""
        start = now if self.start is None else parse_instant(self.start, now=now, zone=zone)
        if self.rrule is not None:
            return start, None
        if self.duration is not None:
            return start, later(start, by=self.duration)
        if self.end is None:
            return start, None
        return start, parse_instant(self.end, now=now, zone=zone, start=start, end=True)


def schedule_downtime(
    connection: psycopg.Connection[Any],
    *,
    wish: Wish,
    site: bool = False,
    organizations: Sequence[str] = (),
    dry_run: bool = False,
    who: str,
    reason: str,
) -> Answer:
    """Schedule a downtime of the site, or one of each organization: all of them or none.

    A local time is of the wish's zone, else of each organization's own. With `dry_run` nothing is saved and
    the IDs are null. Raises UnknownOrganization, and what the rules of saving refuse.
    """
    require_reason(reason, what="slacktide downtime schedule")
    if site == bool(organizations):
        raise ScopeUnsaid
    with connection.transaction():
        now = control_now(connection)
        owners = [organization_of(connection, code=code) for code in dict.fromkeys(organizations)]
        drafts = [_draft(wish, owner, now=now, reason=reason) for owner in (owners if not site else [None])]
        saved = drafts if dry_run else [_add(connection, draft, who=who) for draft in drafts]
        return Answer(_answers(connection, saved, now=now), left_behind(connection, saved))


def list_downtimes(connection: psycopg.Connection[Any]) -> list[dict[str, Any]]:
    """Give all downtimes, past ones too, in the order of their starts, as `downtime list` prints them."""
    downtimes = [setting for setting in list_settings(connection) if setting.definition.is_downtime]
    return _answers(connection, downtimes, now=control_now(connection))


def show_downtime(connection: psycopg.Connection[Any], *, id: str) -> dict[str, Any]:  # noqa: A002 -- the word of the interface
    """Give one downtime as `downtime show` prints it. Raises UnknownDowntime."""
    setting = downtime_of(connection, id=id)
    return _answers(connection, [setting], now=control_now(connection))[0]


def downtime_of(connection: psycopg.Connection[Any], *, id: str) -> Setting:  # noqa: A002 -- the word of the interface
    """Give the setting of a downtime; in a transaction it stays as it is until the end.

    Raises UnknownDowntime.
    """
    setting = setting_of(connection, id=id)
    if setting is None or not setting.definition.is_downtime:
        raise UnknownDowntime(id=id)
    return setting


def downtimes_in_effect(connection: psycopg.Connection[Any], *, organization: str) -> list[Setting]:
    """Give an organization's own downtimes in effect now, without the site's and without durable closings."""
    state = state_of(connection, organization=organization)
    return [setting for setting in state.because if setting.level is Level.ORGANIZATION and setting.id.isdigit()]


def end_downtime(
    connection: psycopg.Connection[Any],
    *,
    id: str,  # noqa: A002 -- the word of the interface
    verifying: Sequence[str] | None = None,
    who: str,
    reason: str,
) -> dict[str, Any]:
    """End a downtime now; of a series the occurrence in effect. With `verifying` open it for these users alone instead.

    The answer is the downtime, and in `because` what still keeps its scope down. Raises UnknownDowntime, NotBegun
    (cancel it instead), AlreadyOver, NoneInEffect, NobodyToVerify, NothingToVerify, UnknownUser.
    """
    require_reason(reason, what=f"slacktide downtime end {id}")
    with connection.transaction():
        now = control_now(connection)
        setting = downtime_of(connection, id=id)
        testers = [user_of(connection, name=name).name for name in verifying or () if name.strip()]
        what = "downtime end" if verifying is None else "downtime verify"
        if verifying is not None:
            ended = verified_setting(setting, testers=testers, now=now)
        else:
            ended = (series.ended if setting.recurrence else ended_setting)(setting, now=now)
        _save(connection, before=setting, after=ended, what=what, who=who, reason=reason)
        answer = _answers(connection, [ended], now=now)[0]
        return answer | {"because": _left(connection, ended, now=now), "verifying": testers}


def cancel_downtime(
    connection: psycopg.Connection[Any],
    *,
    id: str,  # noqa: A002 -- the word of the interface
    who: str,
    reason: str,
) -> dict[str, Any]:
    """Cancel a downtime that has not begun; of a series all that is still to come.

    The answer has in `because` what keeps its scope down. Raises UnknownDowntime, AlreadyBegun (end it instead),
    AlreadyOver.
    """
    require_reason(reason, what=f"slacktide downtime cancel {id}")
    with connection.transaction():
        now = control_now(connection)
        setting = downtime_of(connection, id=id)
        cancelled = (series.cancelled if setting.recurrence else cancelled_setting)(setting, now=now)
        _save(connection, before=setting, after=cancelled, what="downtime cancel", who=who, reason=reason)
        return _answers(connection, [cancelled], now=now)[0] | {"because": _left(connection, cancelled, now=now)}


def change_downtime(
    connection: psycopg.Connection[Any],
    *,
    id: str,  # noqa: A002 -- the word of the interface
    end: str | None = None,
    duration: str | None = None,
    only_later: bool = False,
    who: str,
    reason: str,
) -> Answer:
    """Give a downtime another end: a time (`none`: until it is ended), or as much later as `duration` says.

    With `only_later` (extend) an earlier end is refused; of a series it is the occurrence in effect that is extended.
    An end that ends or cancels it needs a reason; then the answer has in `because` what keeps its scope down.
    Raises UnknownDowntime, AlreadyOver, EndPassed, NotLater, NoneInEffect, SeriesOnly.
    """
    with connection.transaction():
        now = control_now(connection)
        setting = downtime_of(connection, id=id)
        if setting.recurrence and not only_later:
            raise SeriesOnly(id=id)
        lasting = setting.during(series.in_effect_of(setting, now=now).period) if setting.recurrence else setting
        wanted = _changed_end(lasting, end=end, duration=duration, now=now, zone=_zone(connection, setting))
        if only_later and (lasting.end is None or (wanted is not None and wanted <= lasting.end)):
            present = "which has none" if lasting.end is None else format_instant(lasting.end)
            raise NotLater(id=id, end=end or duration, present=present)
        saved = _with_end(setting, wanted, now=now)
        lifted = lifts(setting, saved.setting, now=now)
        if lifted:
            require_reason(reason, what=f"slacktide downtime change {id}")
        _save(connection, before=setting, after=saved.setting, what="downtime change", who=who, reason=reason)
        answer = _answers(connection, [saved.setting], now=now)[0]
        left = {"because": _left(connection, saved.setting, now=now)} if lifted else {}
        return Answer([answer | left], saved.warnings)


def _with_end(setting: Setting, end: datetime | None, *, now: datetime) -> Saved:
    if setting.recurrence is None:
        return changed_setting(setting, msgspec.structs.replace(setting, end=end), now=now)
    if end is None:
        raise SeriesOnly(id=setting.id)
    return Saved(series.extended(setting, end=end, now=now))


def change_occurrence(
    connection: psycopg.Connection[Any],
    *,
    id: str,  # noqa: A002 -- the word of the interface
    occurrence: str,
    to: str | None = None,
    who: str,
    reason: str,
) -> dict[str, Any]:
    """Move an occurrence of a series, named by its start, to another one; without `to` leave it out.

    Raises UnknownDowntime, NotASeries, UnknownOccurrence, AlreadyBegun, EndPassed, and what `parse_instant` raises.
    """
    require_reason(reason, what=f"slacktide downtime {'move' if to else 'skip'} {id}")
    with connection.transaction():
        now = control_now(connection)
        setting = downtime_of(connection, id=id)
        zone = _zone(connection, setting)
        at = parse_instant(occurrence, now=now, zone=zone)
        if to is None:
            changed = series.without(setting, occurrence=at, now=now)
        else:
            changed = series.moved(setting, occurrence=at, to=parse_instant(to, now=now, zone=zone), now=now)
        what = "downtime move" if to else "downtime skip"
        _save(connection, before=setting, after=changed, what=what, who=who, reason=reason)
        return _answers(connection, [changed], now=now)[0]


def _changed_end(
    setting: Setting, *, end: str | None, duration: str | None, now: datetime, zone: str
) -> datetime | None:
    if (end is None) == (duration is None):
        raise EndUnsaid
    if end == "none":
        return None
    if end is not None:
        return parse_instant(end, now=now, zone=zone, start=setting.start, end=True)
    return None if setting.end is None or duration is None else later(setting.end, by=duration)


def _zone(connection: psycopg.Connection[Any], setting: Setting) -> str:
    if setting.organization is None:
        return setting.zone
    return organization_of(connection, code=setting.organization).zone


def _draft(wish: Wish, owner: Organization | None, *, now: datetime, reason: str) -> Setting:
    zone = wish.zone or (owner.zone if owner else None)
    start, end = wish.period(now=now, zone=zone)
    draft = Setting(
        id="",
        parameter=ORGANIZATION_DOWNTIME if owner else SITE_DOWNTIME,
        level=Level.ORGANIZATION if owner else Level.SITE,
        organization=owner.code if owner else None,
        value="Y",
        start=start,
        end=end,
        users=wish.users,
        message=wish.message,
        contact=wish.contact,
        zone=parse_zone(zone or "UTC").key,
        reason=reason,
        recurrence=wish.recurrence,
    )
    return new_setting(series.new_series(draft, now=now) if draft.recurrence else draft, now=now)


def _add(connection: psycopg.Connection[Any], draft: Setting, *, who: str) -> Setting:
    setting = insert_setting(connection, setting=draft, who=who)
    record_audit(
        connection,
        who=who,
        what="downtime schedule",
        object=f"downtime {setting.id}",
        after=setting,
        reason=setting.reason,
    )
    return setting


def _save(
    connection: psycopg.Connection[Any], *, before: Setting, after: Setting, what: str, who: str, reason: str
) -> None:
    update_setting(connection, setting=after)
    subject = f"downtime {after.id}"
    record_audit(connection, who=who, what=what, object=subject, before=before, after=after, reason=reason)


def _left(connection: psycopg.Connection[Any], lifted: Setting, *, now: datetime) -> list[dict[str, Any]]:
    return still_down(connection, organization=lifted.organization, now=now)


def left_behind(connection: psycopg.Connection[Any], saved: Sequence[Setting]) -> tuple[str, ...]:
    """Warn about organizations that are only kept for reference: their downtime is accepted all the same."""
    codes = {setting.organization for setting in saved if setting.definition.is_downtime}
    return tuple(
        f"{side.organization} is here for reference only and lives at {side.lives_at}: the downtime holds here."
        for side in list_sides(connection)
        if side.organization in codes and side.state == "reference only"
    )


def _answers(connection: psycopg.Connection[Any], found: Sequence[Setting], *, now: datetime) -> list[dict[str, Any]]:
    """Give the JSON documents of downtimes; what is not saved yet is among them too."""
    settings, effects = [*list_settings(connection), *found], effects_of(connection, now=now)
    return [_answer(setting, settings=settings, effects=effects, now=now) for setting in found]


def _answer(setting: Setting, *, settings: Sequence[Setting], effects: Effects, now: datetime) -> dict[str, Any]:
    verifying = setting.testers and setting.begun(now) and not setting.over(now)
    moved = setting.zone_moved_at
    return {
        "id": setting.id or None,
        "scope": setting.level.value,
        "organization": setting.organization,
        "start": format_instant(setting.start),
        "end": setting.end and format_instant(setting.end),
        "value": setting.value,
        "latched": setting.latched,
        "users": ("out" if setting.testers else setting.users) or _users_by_parameter(setting, settings, now=now),
        "rrule": setting.recurrence and setting.recurrence.rule,
        "occurrences": [shown(occurrence) for occurrence in setting.ahead(now)],
        "effect": effects.of(setting, now=now),
        "commands": _commands(setting, now=now),
        **({"verifying": list(setting.testers)} if verifying else {}),
        **({"moved_by_zone_data": format_instant(moved)} if moved else {}),
    }


def _users_by_parameter(setting: Setting, settings: Sequence[Setting], *, now: datetime) -> Users:
    at = now if setting.begun(now) and not setting.over(now) else setting.start
    value = lookup(parameter=DISABLE_USER_ACCESS, settings=settings, now=at, organization=setting.organization)
    return "out" if value == "Y" else "in"


def _commands(setting: Setting, *, now: datetime) -> dict[str, str | None]:
    """Give the commands that would be accepted now; null for those that would be refused."""
    command = f"slacktide downtime {{}} {setting.id}"
    live = bool(setting.id) and not setting.over(now)
    ahead = setting.ahead(now, count=1)
    begun = ahead[0].period.contains(now) if ahead else setting.begun(now)
    extendable = begun if setting.recurrence else setting.end is not None
    return {
        "extend": f"{command.format('extend')} --by PT1H" if live and extendable else None,
        "end": f"{command.format('end')} --reason TEXT" if live and begun else None,
        "cancel": f"{command.format('cancel')} --reason TEXT" if live and (setting.recurrence or not begun) else None,
    }
