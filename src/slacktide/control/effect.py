"""Whom and what a downtime concerns, counted as it is now: normal users, leases, open tasks."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

import msgspec
import psycopg

from slacktide.control.lease import list_leases
from slacktide.control.schedule import known_of
from slacktide.downtime.setting import Setting
from slacktide.postgres.sql import load

_sql = load("slacktide.control", "effect.sql")


class Effects(msgspec.Struct, frozen=True):
    """The counts by organization; `everybody` counts the normal users of the site."""

    users: dict[str, int]
    leases: dict[str, int]
    tasks: dict[str, int]
    everybody: int

    def of(self, setting: Setting, *, now: datetime) -> dict[str, int]:
        """Give what a downtime concerns, as `downtime show` prints it; one that is over concerns nobody."""
        if setting.over(now):
            counts = {"users": 0, "leases": 0, "tasks": 0}
        elif setting.organization is None:
            everything = {"leases": sum(self.leases.values()), "tasks": sum(self.tasks.values())}
            counts = {"users": self.everybody, **everything}
        else:
            by_name = {"users": self.users, "leases": self.leases, "tasks": self.tasks}
            counts = {name: found.get(setting.organization, 0) for name, found in by_name.items()}
        return counts | {"held_expected": 0}  # held work is counted by who knows it: `holding.expected`


def effects_of(connection: psycopg.Connection[Any], *, now: datetime) -> Effects:
    """Count what downtimes concern now."""
    leases = list_leases(connection, known=known_of(connection), now=now)
    row = connection.execute(_sql["everybody"]).fetchone()
    return Effects(
        users=dict(connection.execute(_sql["users"]).fetchall()),
        leases=dict(Counter(one.lease.organization for one in leases)),
        tasks=dict(connection.execute(_sql["tasks"]).fetchall()),
        everybody=row[0] if row else 0,
    )
