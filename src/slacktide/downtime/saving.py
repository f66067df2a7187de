"""What may be saved and when (downtime specification, section 3).

Value, start and end are saved together, in one act. What has begun keeps its start and level, what is over
keeps everything, and what was once open without an end stays a downtime until an end is given, whatever its
value becomes. The control database holds the same rules by constraints and triggers; here they are said in
sentences.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from slacktide.core.duration import format_instant
from slacktide.core.errors import InputError, UsageError
from slacktide.downtime.parameter import Level
from slacktide.downtime.setting import Setting


class EndNotAfterStart(InputError):
    """The end {end} is not after the start {start}: give an end that comes later, as in --for PT2H."""


class EndPassed(InputError):
    """The end {end} is before now, {now}: what has been in effect stays so; --end now ends it at once."""


class AlreadyOver(InputError):
    """{id} ended at {end} and cannot be changed any more: make another one with `{again}`."""


class AlreadyBegun(InputError):
    """{id} began at {start}, so that its start and level cannot be changed: end it with `{ending}`."""


class NotBegun(InputError):
    """{id} begins only at {start}, so that there is nothing to end: cancel it with `slacktide downtime cancel {id} --reason TEXT`."""  # noqa: E501 -- the message is one sentence


class NothingToVerify(InputError):
    """{id} is switched off or recurs, so that nobody can verify in it: schedule one for that with `slacktide downtime schedule`."""  # noqa: E501 -- the message is one sentence


class NobodyToVerify(UsageError):
    """No tester is named, so that {id} stays as it is: `slacktide downtime end {id} --verifying USER --reason TEXT`, or without --verifying to end it for everybody."""  # noqa: E501 -- the message is one sentence


class NotDeletable(InputError):
    """{id} has begun or was saved without an end, so that it cannot be deleted: end it with `{ending}`."""


class Overlap(InputError):
    """{new} overlaps {other}, which sets {parameter} for the same {level} from {start} to {end}: give another period, or end that one with `slacktide setting change {other} --end T`."""  # noqa: E501 -- the message is one sentence


class WholeSetting(InputError):
    """Users, message, contact and recurrence belong to a downtime, and {parameter} is none: leave them out."""


class Saved(msgspec.Struct, frozen=True):
    """A setting as it is to be saved, and what the one who saves it must be told."""

    setting: Setting
    warnings: tuple[str, ...] = ()


def new_setting(setting: Setting, *, now: datetime, others: Iterable[Setting] = ()) -> Setting:
    """Give a new setting as it is to be saved: its value canonical, latched where it opens without an end.

    A series is checked by `series.new_series` before.

    `others` are the settings that it might overlap. A start before now is accepted and in effect at once.
    """
    setting.definition.check_level(setting.level)
    own = setting.users or setting.message or setting.contact or setting.recurrence
    if not setting.definition.is_downtime and own:
        raise WholeSetting(parameter=setting.parameter)
    _check_end(setting, now=now)
    saved = msgspec.structs.replace(
        setting, value=setting.definition.canonical(setting.value), latched=_latches(setting)
    )
    _check_overlap(saved, others)
    return saved


def changed_setting(old: Setting, new: Setting, *, now: datetime, others: Iterable[Setting] = ()) -> Saved:
    """Give a changed setting as it is to be saved, with warnings. `new` is `old` with other values."""
    if old.over(now):
        raise already_over(old)
    if old.begun(now) and _identity(old) != _identity(new):
        raise already_begun(old)
    new.definition.check_level(new.level)
    cancelled = new.end == new.start == old.start and not old.begun(now)
    if not cancelled and (new.end != old.end or new.start != old.start):
        _check_end(new, now=now)
    value = new.definition.canonical(new.value)
    saved = msgspec.structs.replace(new, value=value, latched=old.latched or _latches(new))
    _check_overlap(saved, others)
    return Saved(saved, _warnings(old, saved, now=now))


def ended_setting(old: Setting, *, now: datetime) -> Setting:
    """Give a downtime as it is when it ends now. Raises NotBegun or AlreadyOver."""
    if old.over(now):
        raise already_over(old)
    if not old.begun(now):
        raise NotBegun(id=old.id, start=format_instant(old.start))
    return changed_setting(old, msgspec.structs.replace(old, end=now), now=now).setting


def verified_setting(old: Setting, *, testers: Iterable[str], now: datetime) -> Setting:
    """Give a downtime in effect as it is when testers may enter, and nobody else.

    Raises NobodyToVerify, NotBegun, AlreadyOver, NothingToVerify.
    """
    named = tuple(dict.fromkeys(testers))
    if not named:
        raise NobodyToVerify(id=old.id)
    if old.over(now):
        raise already_over(old)
    if not old.begun(now):
        raise NotBegun(id=old.id, start=format_instant(old.start))
    if not old.is_on or old.recurrence:
        raise NothingToVerify(id=old.id)
    return msgspec.structs.replace(old, testers=named)


def cancelled_setting(old: Setting, *, now: datetime) -> Setting:
    """Give a downtime that has not begun as it is when it is cancelled: its end is its start."""
    if old.over(now):
        raise already_over(old)
    if old.begun(now):
        raise already_begun(old)
    return changed_setting(old, msgspec.structs.replace(old, end=old.start), now=now).setting


def lifts(old: Setting, new: Setting, *, now: datetime) -> bool:
    """Tell whether a change ends, cancels or switches off what was a downtime, now or to come."""
    return (old.is_on and not old.over(now)) and not (new.is_on and not new.over(now))


def check_deletable(setting: Setting, *, now: datetime) -> None:
    """Refuse to delete a latched setting, or one that has begun."""
    if setting.latched or setting.begun(now):
        raise not_deletable(setting)


def _latches(setting: Setting) -> bool:
    return setting.definition.is_downtime and setting.value == "Y" and setting.end is None and not setting.recurrence


def _check_end(setting: Setting, *, now: datetime) -> None:
    if setting.end is None:
        return
    if setting.end <= setting.start:
        raise EndNotAfterStart(end=format_instant(setting.end), start=format_instant(setting.start))
    if setting.end < now:
        raise EndPassed(end=format_instant(setting.end), now=format_instant(now))


def _check_overlap(setting: Setting, others: Iterable[Setting]) -> None:
    if setting.definition.is_downtime or setting.period is None:
        return
    for other in others:
        same = (other.parameter, other.level, other.level_value) == (
            setting.parameter,
            setting.level,
            setting.level_value,
        )
        if same and other.id != setting.id and other.period is not None and other.period.overlaps(setting.period):
            raise Overlap(
                new=f"{setting.parameter} = {setting.value!r} from {format_instant(setting.start)}",
                other=other.id,
                parameter=other.parameter,
                level=other.level.value,
                start=format_instant(other.start),
                end=_shown(other.end),
            )


def _identity(setting: Setting) -> tuple[datetime, str, Level, str | None]:
    return setting.start, setting.parameter, setting.level, setting.level_value


def _warnings(old: Setting, saved: Setting, *, now: datetime) -> tuple[str, ...]:
    """Warn about a value that does not do what it says: N on what was once opened without an end."""
    said_off = saved.latched and saved.value == "N" and not saved.over(now)
    if not said_off or (saved.end is not None and old.value == "N"):
        return ()
    until = f"until {_shown(saved.end)} " if saved.end else ""
    warning = (
        f"{saved.id} was opened without an end, so that it stays in effect {until}although its value is N now: "
        f"end it with `{_ending(saved)}`."
    )
    return (warning,)


def already_over(setting: Setting, *, end: datetime | None = None) -> AlreadyOver:
    """Give the refusal of changing what is over, with the command for another one."""
    again = "slacktide downtime schedule" if setting.definition.is_downtime else "slacktide setting add"
    return AlreadyOver(id=setting.id, end=_shown(end or setting.end), again=again)


def already_begun(setting: Setting, *, start: datetime | None = None) -> AlreadyBegun:
    """Give the refusal of changing what has begun, with the command that ends it."""
    return AlreadyBegun(id=setting.id, start=format_instant(start or setting.start), ending=_ending(setting))


def not_deletable(setting: Setting) -> NotDeletable:
    """Give the refusal of deleting what has begun or is latched, with the command that ends it."""
    return NotDeletable(id=setting.id, ending=_ending(setting))


def _ending(setting: Setting) -> str:
    if setting.definition.is_downtime:
        return f"slacktide downtime end {setting.id} --reason TEXT"
    return f"slacktide setting change {setting.id} --end now"


def _shown(end: datetime | None) -> str:
    return "no end" if end is None else format_instant(end)
