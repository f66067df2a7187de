"""What an update of zone data does to recurring downtimes (downtime specification, section 3).

A series follows its zone: it keeps its readings, and their instants move. That needs nobody. Here it is found and told:
the next starts of each series are kept as they were looked at, and compared with what they are now.

1. An update moves starts: the trail says which, from when to when. The setting counts as changed, so that calendars and
   those who keep the schedule hear of it; notices compare what was told by themselves.
2. A series has not begun: its start is saved anew. One that has begun keeps it.
3. An occurrence lasts and would now begin at another instant: what has begun is not rewritten, and it is given the
   period that it had.
4. Somebody leaves out, moves or cancels: that is no update. Only starts by the rule are compared, which nobody else
   can change.
5. It is changed between the reading of the settings and this look: its row is locked and read anew.
6. Two look at once, or one is killed: the caller's transaction is one at a time, and holds the trail and what was
   looked at. Whoever comes next finds it told.
7. A series is new and nobody has looked at it when the update comes: its start, as it was saved, is what was looked at.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import msgspec
import psycopg

from slacktide.control.audit import record_audit
from slacktide.control.setting import setting_of, update_setting
from slacktide.core.interval import Period
from slacktide.downtime.recurrence import Override, Recurrence, instant_of
from slacktide.downtime.setting import Setting
from slacktide.postgres.sql import load

_sql = load("slacktide.control", "zone_data.sql")
_WHO = "the zone data"
_MARGIN = timedelta(days=2)  # no zone moves a start by more


class Start(msgspec.Struct, frozen=True):
    """A start of a series: the reading that names it, and its instant; None where it takes place no more."""

    occurrence: datetime
    start: datetime | None


def follow_zone_data(connection: psycopg.Connection[Any], *, settings: Iterable[Setting], now: datetime) -> list[str]:
    """Find, save and tell what an update of zone data has moved of these settings; give the series concerned.

    In the caller's transaction, which nobody else is in at the same time.
    """
    looked_at = {key: msgspec.convert(starts, list[Start]) for key, starts in connection.execute(_sql["looked_at"])}
    changed = [each.id for each in settings if _recurs(each) and _next(each, now=now) != looked_at.get(each.id)]
    return [key for key in changed if _follow(connection, key, looked_at.get(key), now=now)]


def _recurs(setting: Setting) -> bool:
    return setting.recurrence is not None and setting.is_on and setting.end is None


def _next(setting: Setting, *, now: datetime) -> list[Start]:
    """Give the next starts by the rule, which no override replaces."""
    named = {each.occurrence for each in _series(setting).overrides}
    return [Start(each.reading, each.period.start) for each in setting.ahead(now) if each.reading not in named]


def _follow(connection: psycopg.Connection[Any], key: str, kept: list[Start] | None, *, now: datetime) -> bool:
    """Look at one series, as it is saved now; tell whether it was moved."""
    setting = setting_of(connection, id=key)
    if setting is None or not _recurs(setting):
        return False
    before = _moved(setting, kept or [_first(setting)], now=now)
    if before:
        carried = _carried(setting, before, now=now)
        update_setting(connection, setting=carried)
        _tell(connection, setting, before, _now(carried, before))
        setting = carried
    facts = {"id": key, "starts": msgspec.json.encode(_next(setting, now=now)).decode()}
    connection.execute(_sql["look"], facts)
    return bool(before)


def _first(setting: Setting) -> Start:
    return Start(_series(setting).first_reading(start=setting.start, zone=setting.zone), setting.start)


def _moved(setting: Setting, kept: list[Start], *, now: datetime) -> list[Start]:
    """Give those of the kept starts that are not over and are another now, as they were."""
    series = _series(setting)
    named = {each.occurrence for each in series.overrides}
    open_ = [each for each in kept if each.start and not Period(each.start, each.start + series.length).ended(now)]
    mine = [each for each in open_ if each.occurrence not in named]
    return [was for was, is_ in zip(mine, _now(setting, mine), strict=True) if was != is_]


def _now(setting: Setting, starts: list[Start]) -> list[Start]:
    """Give starts as they are now."""
    instants = [each.start for each in starts if each.start]
    within = Period(min(instants) - _MARGIN, max(instants) + _MARGIN) if instants else None
    found = {each.reading: each.period.start for each in setting.occurrences(within)} if within else {}
    return [Start(each.occurrence, found.get(each.occurrence)) for each in starts]


def _carried(setting: Setting, before: list[Start], *, now: datetime) -> Setting:
    """Give a series as it is to be saved after an update that moved starts."""
    series = _series(setting)
    begun = [each for each in before if each.start and Period(each.start).contains(now)]
    kept = [Override(each.occurrence, each.start, each.start + series.length) for each in begun if each.start]
    first = _first(setting)
    start = setting.start if setting.begun(now) else instant_of(first.occurrence, zone=setting.zone)
    series = msgspec.structs.replace(series, overrides=(*series.overrides, *kept))
    return msgspec.structs.replace(setting, start=start, recurrence=series, zone_moved_at=now)


def _tell(connection: psycopg.Connection[Any], setting: Setting, before: list[Start], after: list[Start]) -> None:
    record_audit(
        connection,
        who=_WHO,
        what="downtime moved by zone data",
        object=f"downtime {setting.id}",
        before={"occurrences": before},
        after={"occurrences": after},
        reason=f"the zone data of {setting.zone} have changed",
    )


def _series(setting: Setting) -> Recurrence:
    """Give the recurrence of a series; of another setting none that is ever asked for."""
    return setting.recurrence or Recurrence(rule="", length=timedelta())
