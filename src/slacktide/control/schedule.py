"""The schedule as it stands in the control database, and the states that follow from it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import msgspec
import psycopg
from psycopg.pq import TransactionStatus

from slacktide.control.organization import list_organizations, list_sides
from slacktide.control.origin import doubt_of
from slacktide.control.setting import control_now, list_settings
from slacktide.downtime.compiling import compile_schedule, recompile_schedule
from slacktide.downtime.doubt import Doubt
from slacktide.downtime.schedule import Organization, Schedule, Side, SideName
from slacktide.downtime.setting import Setting
from slacktide.downtime.state import Holders, State, because
from slacktide.downtime.state import state_of as state_by
from slacktide.postgres.sql import load

_sql = load("slacktide.control", "schedule.sql")

CHANNEL = "slacktide_schedule"
"""Told of each change of organizations, sides and settings: an organization's code, or nothing for all."""

ALL = frozenset({""})
"""What a keeper takes as told when it does not know what has changed."""

_FEW = 20  # organizations that are read one by one; of more, everything is read at once


class Known(msgspec.Struct, frozen=True):
    """What decisions are made by: the settings of parameters that are looked up, and the schedule."""

    parameters: list[Setting]
    schedule: Schedule


def known_of(
    connection: psycopg.Connection[Any],
    *,
    around: datetime | None = None,
    organization: str | None = None,
    before: Schedule | None = None,
) -> Known:
    """Read what decisions are made by, as of one instant, or as the caller's transaction sees it.

    It is for use around an instant, now where none is given. For an organization it holds no other one: all but an
    e-mail link, which asks for any downtime, can be decided by it.
    """
    with _one_instant(connection):
        return compile_known(
            settings=list_settings(connection, organization=organization),
            organizations=list_organizations(connection, code=organization),
            sides=list_sides(connection, organization=organization),
            around=around or control_now(connection),
            before=before,
            doubt=doubt_of(connection),
        )


@contextmanager
def _one_instant(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Let everything be read as of one instant, or as the caller's transaction sees it."""
    outermost = connection.info.transaction_status is TransactionStatus.IDLE
    with connection.transaction():
        if outermost:
            connection.execute(_sql["one_instant"])
        yield


def compile_known(
    *,
    settings: list[Setting],
    organizations: list[Organization],
    sides: list[Side],
    around: datetime,
    before: Schedule | None = None,
    doubt: Doubt | None = None,
) -> Known:
    """Give what is known from settings, organizations and sides, and keeps of `before` what is the same."""
    schedule = compile_schedule(
        settings=settings, organizations=organizations, sides=sides, around=around, before=before, doubt=doubt
    )
    return Known([setting for setting in settings if not setting.definition.is_downtime], schedule)


def schedule_of(
    connection: psycopg.Connection[Any],
    *,
    around: datetime | None = None,
    organization: str | None = None,
    before: Schedule | None = None,
) -> Schedule:
    """Compile the schedule from what is saved; see `known_of`."""
    return known_of(connection, around=around, organization=organization, before=before).schedule


def reschedule(
    connection: psycopg.Connection[Any], *, before: Schedule, told: Collection[str], around: datetime
) -> Schedule:
    """Compile the schedule anew after changes. `told` is what the channel said since `before`, of the same `around`."""
    with _one_instant(connection):
        if "" in told or len(told) > _FEW or before.in_doubt or doubt_of(connection):
            return schedule_of(connection, around=around, before=before)
        for code in told:
            before = recompile_schedule(
                before,
                codes=[code],
                settings=list_settings(connection, organization=code),
                organizations=list_organizations(connection, code=code),
                sides=list_sides(connection, organization=code),
                around=around,
            )
    return before


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


def still_down(
    connection: psycopg.Connection[Any], *, organization: str | None, now: datetime | None = None
) -> list[dict[str, Any]]:
    """Give what keeps an organization (None: the site) down now, as every answer to an end lists it."""
    return [because(setting) for setting in state_of(connection, organization=organization, at=now).because]


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
