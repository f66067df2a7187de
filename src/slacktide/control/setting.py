"""Parameter settings, as the control database keeps them.

What may be saved is said in `slacktide.downtime.saving`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec
import psycopg

from slacktide.core.errors import OutsideError
from slacktide.downtime.parameter import Level
from slacktide.downtime.recurrence import Override, Recurrence
from slacktide.downtime.setting import Setting
from slacktide.postgres.sql import load

_sql = load("slacktide.control", "setting.sql")
_LARGEST_ID = 2**63
_FIELDS = ("id", "parameter", "level", "organization", "user", "value", "start", "end", "latched", "users", "message",
           "contact", "zone", "reason", "rrule", "length", "overrides", "sequence", "changed_at",
           "testers", "zone_moved_at", "first")  # fmt: skip

_INSTANTS = ("start", "end", "changed_at", "zone_moved_at")


class ClockSilent(OutsideError):
    """The control database did not tell its time."""


def control_now(connection: psycopg.Connection[Any]) -> datetime:
    """Give this instant by the one clock that counts: the control database's."""
    row = connection.execute(_sql["now"]).fetchone()
    if row is None:
        raise ClockSilent
    instant: datetime = row[0]
    return instant.astimezone(UTC)


def list_settings(connection: psycopg.Connection[Any], *, organization: str | None = None) -> list[Setting]:
    """Give the settings in the order of their starts: all, or those that matter to an organization."""
    return [_setting(row) for row in connection.execute(_sql["list"], {"organization": organization})]


def entered_zones(connection: psycopg.Connection[Any]) -> dict[str, str]:
    """Give the zones in which the settings of the site and of users were entered, by their IDs."""
    return dict(connection.execute(_sql["zones"]).fetchall())


def setting_of(connection: psycopg.Connection[Any], *, id: str) -> Setting | None:  # noqa: A002 -- the word of the interface
    """Give one setting, or None; in a transaction it stays as it is until the end."""
    if not (id.isascii() and id.isdigit() and int(id) < _LARGEST_ID):
        return None
    row = connection.execute(_sql["one"], {"id": id}).fetchone()
    return None if row is None else _setting(row)


def insert_setting(connection: psycopg.Connection[Any], *, setting: Setting, who: str) -> Setting:
    """Add a setting that the rules accept; give it with its ID."""
    row = connection.execute(_sql["add"], _facts(setting) | {"who": who}).fetchone()
    return msgspec.structs.replace(setting, id=row[0] if row else setting.id)


def update_setting(connection: psycopg.Connection[Any], *, setting: Setting) -> None:
    """Save a changed setting that the rules accept."""
    connection.execute(_sql["change"], _facts(setting))


def delete_setting(connection: psycopg.Connection[Any], *, id: str) -> None:  # noqa: A002 -- the word of the interface
    """Delete a setting that the rules let go."""
    connection.execute(_sql["delete"], {"id": id})


def lock_parameter(connection: psycopg.Connection[Any], *, parameter: str) -> None:
    """Let others who save a setting of this parameter wait until the end of the transaction."""
    connection.execute(_sql["lock"], {"parameter": parameter})


def _facts(setting: Setting) -> dict[str, Any]:
    series = setting.recurrence
    return msgspec.structs.asdict(setting) | {
        "testers": [*setting.testers],
        "rrule": series and series.rule,
        "length": series and series.length,
        "first": series and series.first,
        "overrides": msgspec.json.encode(series.overrides if series else ()).decode(),
    }


def _setting(row: Iterable[Any]) -> Setting:
    facts = dict(zip(_FIELDS, row, strict=True))
    rule, length, overrides, first = (facts.pop(name) for name in ("rrule", "length", "overrides", "first"))
    facts |= {name: facts[name] and facts[name].astimezone(UTC) for name in _INSTANTS}
    facts |= {"level": Level(facts["level"]), "testers": tuple(facts["testers"])}
    changes = msgspec.convert(overrides, tuple[Override, ...])
    series = rule and Recurrence(rule=rule, length=length, overrides=changes, first=first)
    return Setting(**facts, recurrence=series)
