"""The schedule as it stands in the control database, and the states that follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
import psycopg
from psycopg.pq import TransactionStatus

from slacktide.control.organization import list_organizations, list_sides
from slacktide.control.setting import control_now, list_settings
from slacktide.downtime.schedule import Schedule, SideName, compile_schedule
from slacktide.downtime.setting import Setting
from slacktide.downtime.state import Holders, State
from slacktide.downtime.state import state_of as state_by
from slacktide.postgres.sql import load

_sql = load("slacktide.control", "schedule.sql")

CHANNEL = "slacktide_schedule"  # NOTIFY on each change of organizations, sides and settings


class Known(msgspec.Struct, frozen=True):
    """All settings, and the schedule that follows from them, organizations and sides."""

    settings: list[Setting]
    schedule: Schedule


def known_of(connection: psycopg.Connection[Any], *, around: datetime | None = None) -> Known:
    """Read what decisions are made by, as of one instant, or as the caller's transaction sees it.

    It is for use around an instant, now where none is given.
    """
    outermost = connection.info.transaction_status is TransactionStatus.IDLE
    with connection.transaction():
        if outermost:
            connection.execute(_sql["one_instant"])
        settings = list_settings(connection)
        schedule = compile_schedule(
            settings=settings,
            organizations=list_organizations(connection),
            sides=list_sides(connection),
            around=around or control_now(connection),
        )
        return Known(settings, schedule)


def schedule_of(connection: psycopg.Connection[Any], *, around: datetime | None = None) -> Schedule:
    """Compile the schedule from what is saved; see `known_of`."""
    return known_of(connection, around=around).schedule


def state_of(
    connection: psycopg.Connection[Any],
    *,
    organization: str | None = None,
    side: SideName | None = None,
    at: datetime | None = None,
    holders: Holders | None = None,
    held: int = 0,
) -> State:
    """Give the state of an organization (None: of the site), by the database's clock or at an instant.

    `holders` is what was measured under the closing (None: nothing was, so that what is down is closing).
    Raises UnknownOrganization.
    """
    return state_by(
        schedule=schedule_of(connection, around=at),
        now=at or control_now(connection),
        organization=organization,
        side=side,
        holders=holders,
        held=held,
    )


def states_of(
    connection: psycopg.Connection[Any],
    *,
    at: datetime | None = None,
    holders: Mapping[str | None, Holders] | None = None,
) -> list[State]:
    """Give the states of the site and of every organization; `holders` by organization, None for the site."""
    schedule, now, measured = schedule_of(connection, around=at), at or control_now(connection), holders or {}
    scopes: list[str | None] = [None, *schedule.organizations]
    return [
        state_by(schedule=schedule, now=now, organization=organization, holders=measured.get(organization))
        for organization in scopes
    ]
