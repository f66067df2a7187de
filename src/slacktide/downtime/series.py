"""What may be done with a recurring downtime and with one of its occurrences (downtime specification, section 3).

An occurrence that is still to come can be left out or moved; the one in effect can end now, or later than it would.
What is over stays. The series as a whole can be cancelled: then nothing of it is still to come.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from slacktide.core.duration import format_instant
from slacktide.core.errors import InputError, UsageError
from slacktide.core.interval import Period
from slacktide.downtime.recurrence import BadRule, Occurrence, Override, canonical_rule, instant_of, reading_of
from slacktide.downtime.saving import EndNotAfterStart, EndPassed, already_begun, already_over
from slacktide.downtime.setting import Setting

_LONGEST = timedelta(days=366)
_MOST_AT_ONCE = 10


class NotASeries(UsageError):
    """{id} does not recur, so that it has no occurrences: `slacktide downtime show {id}`."""


class SeriesOnly(InputError):
    """{id} recurs, so that it has no end of its own to be changed: end or extend the occurrence in effect, or skip, move or cancel what is to come."""  # noqa: E501 -- the message is one sentence


class LengthRefused(InputError):
    """A recurring downtime needs the length of its occurrences, up to 366 days: add --for, as in --for PT2H, and no end."""  # noqa: E501 -- the message is one sentence


class NothingAhead(InputError):
    """The recurrence {rule!r} has no occurrence that is still to come: give one that goes on."""


class NoneInEffect(InputError):
    """No occurrence of {id} is in effect: the next one starts at {next}. Leave it out with `slacktide downtime skip {id} --occurrence {next} --reason TEXT`."""  # noqa: E501 -- the message is one sentence


class UnknownOccurrence(InputError):
    """{id} has no occurrence that starts at {occurrence} and is still to come: the next ones start at {next}."""


def new_series(setting: Setting, *, now: datetime) -> Setting:
    """Give a series as it is to be saved: its rule checked and complete.

    Raises NotASeries, LengthRefused, NothingAhead, and what `canonical_rule` raises.
    """
    series = setting.recurrence
    if series is None:
        raise NotASeries(id=setting.id)
    if setting.end is not None or not timedelta() < series.length <= _LONGEST:
        raise LengthRefused
    start = setting.start.replace(microsecond=0)  # a rule names seconds
    rule = canonical_rule(series.rule, start=start, zone=setting.zone)
    series = msgspec.structs.replace(series, rule=rule, first=reading_of(start, zone=setting.zone))
    saved = msgspec.structs.replace(setting, start=start, recurrence=series)
    _check_load(saved, rule=rule, now=now)
    if saved.over(now):
        raise NothingAhead(rule=rule)
    return saved


def _check_load(setting: Setting, *, rule: str, now: datetime) -> None:
    """Refuse a series that would make every compiling of the schedule slow, for everybody."""
    if Period(setting.start, setting.start + _LONGEST).ended(now):
        raise BadRule(rule=rule, reason=f"it starts {_LONGEST.days} days ago or more: start with a later occurrence")
    periods = [each.period for each in setting.occurrences(Period(setting.start, setting.start + 2 * _LONGEST))]
    if any(first.contains(later.start) for first, later in zip(periods, periods[_MOST_AT_ONCE:], strict=False)):
        reason = f"more than {_MOST_AT_ONCE} of its occurrences would last at once: let them be shorter, or fewer"
        raise BadRule(rule=rule, reason=reason)


def without(setting: Setting, *, occurrence: datetime, now: datetime) -> Setting:
    """Leave out the occurrence that starts at an instant. Raises UnknownOccurrence, AlreadyBegun."""
    found = _ahead(setting, occurrence, now=now)
    return _with(setting, Override(occurrence=found.reading))


def moved(setting: Setting, *, occurrence: datetime, to: datetime, now: datetime) -> Setting:
    """Let the occurrence that starts at an instant start at another one, for as long. Raises EndPassed too."""
    found = _ahead(setting, occurrence, now=now)
    lasting = found.period.end - found.period.start if found.period.end else timedelta()
    period = Period(to, to + lasting)
    if period.ended(now):
        raise EndPassed(end=format_instant(to + lasting), now=format_instant(now))
    return _with(setting, Override(occurrence=found.reading, start=period.start, end=period.end))


def ended(setting: Setting, *, now: datetime) -> Setting:
    """End the occurrence in effect now. Raises NoneInEffect."""
    return _until(setting, in_effect_of(setting, now=now), end=now)


def extended(setting: Setting, *, end: datetime, now: datetime) -> Setting:
    """Let the occurrence in effect end at another instant. Raises NoneInEffect, EndNotAfterStart, EndPassed."""
    if Period(end).contains(now) and end != now:
        raise EndPassed(end=format_instant(end), now=format_instant(now))
    return _until(setting, in_effect_of(setting, now=now), end=end)


def cancelled(setting: Setting, *, now: datetime) -> Setting:
    """Give a series of which nothing is still to come; an occurrence in effect goes on to its end.

    Raises AlreadyOver.
    """
    if setting.over(now) or (setting.end is not None and Period(setting.end).contains(now)):
        raise already_over(setting, end=setting.end or now)
    kept = tuple(o for o in _overrides(setting) if o.period is None or Period(o.period.start).contains(now))
    gone = tuple(Override(occurrence=o.occurrence) for o in _overrides(setting) if o not in kept)
    series = msgspec.structs.replace(setting.recurrence, overrides=kept + gone) if setting.recurrence else None
    return msgspec.structs.replace(setting, end=max(now, setting.start), recurrence=series)


def in_effect_of(setting: Setting, *, now: datetime) -> Occurrence:
    """Give the occurrence in effect. Raises NotASeries, NoneInEffect."""
    if setting.recurrence is None:
        raise NotASeries(id=setting.id)
    ahead = setting.ahead(now)
    lasting = next((each for each in ahead if each.period.contains(now)), None)
    if lasting is None:
        raise NoneInEffect(id=setting.id, next=format_instant(ahead[0].period.start) if ahead else "no time")
    return lasting


def _ahead(setting: Setting, start: datetime, *, now: datetime) -> Occurrence:
    """Give the occurrence that starts, or by its rule would start, at an instant, and has not begun."""
    if setting.recurrence is None:
        raise NotASeries(id=setting.id)
    near = setting.occurrences(Period(min(start, now), max(start, now) + timedelta(microseconds=1)))
    for each in (*near, *setting.ahead(now, count=100)):
        if start in (each.period.start, instant_of(each.reading, zone=setting.zone)):
            if Period(each.period.start).contains(now):
                raise already_begun(setting, start=each.period.start)
            return each
    listed = ", ".join(format_instant(each.period.start) for each in setting.ahead(now, count=3)) or "no time"
    raise UnknownOccurrence(id=setting.id, occurrence=format_instant(start), next=listed)


def _until(setting: Setting, occurrence: Occurrence, *, end: datetime) -> Setting:
    start = occurrence.period.start
    if not Period(start).contains(end) or end == start:
        raise EndNotAfterStart(end=format_instant(end), start=format_instant(start))
    return _with(setting, Override(occurrence=occurrence.reading, start=start, end=end))


def _with(setting: Setting, override: Override) -> Setting:
    others = tuple(each for each in _overrides(setting) if each.occurrence != override.occurrence)
    series = msgspec.structs.replace(setting.recurrence, overrides=(*others, override)) if setting.recurrence else None
    return msgspec.structs.replace(setting, recurrence=series)


def _overrides(setting: Setting) -> tuple[Override, ...]:
    return setting.recurrence.overrides if setting.recurrence else ()
