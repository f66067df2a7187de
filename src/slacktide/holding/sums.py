"""How much is held, by organization, state and cause, and which dates are at risk, for whoever watches from outside.

The cause is one of few words, so that a series stays one: the code of the decision that holds it, `retry` and `stopped`
for failures of the ERP, `turn` for what may go on at once, and none for what does not wait.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import psycopg

from slacktide.downtime.decision import Decision, decide
from slacktide.downtime.schedule import Schedule
from slacktide.holding.item import Step
from slacktide.holding.look import ACTIONS
from slacktide.holding.risk import first_day
from slacktide.postgres.sql import load

_sql = load(__package__, "held.sql")
_STEP: Step = "insert"  # a downtime holds both steps alike
_FAILS = ("retry", "stopped")


class Sum(msgspec.Struct, frozen=True):
    """How many items there are, and how old the oldest is."""

    organization: str
    state: str
    because: str
    count: int
    oldest_age_seconds: float


class Risks(msgspec.Struct, frozen=True):
    """How many dates of an organization's held work are at risk (see `risk`)."""

    organization: str
    due: int
    discounts: int


def held_sums(connection: psycopg.Connection[Any], *, schedule: Schedule, now: datetime) -> list[Sum]:
    """Count what is not done."""
    found = []
    for organization, state, kind, count, oldest in connection.execute(_sql["sums"]):
        decision = _decision(schedule, now, organization)
        waits = state in ("waiting", "running")
        because = (decision.code if decision.decision == "hold" else None) or (kind if kind in _FAILS else "turn")
        found.append(Sum(organization, state, because if waits else "", count, oldest))
    return found


def held_risks(connection: psycopg.Connection[Any], *, schedule: Schedule, now: datetime) -> list[Risks]:
    """Count the dates at risk of what waits, by organization; those without a dated item are left out."""
    first = {
        code: first_day(_decision(schedule, now, code), zone=found.organization.zone)
        for code, found in schedule.organizations.items()
    }
    facts = {"organizations": [*first], "days": [*first.values()]}
    return [Risks(*row) for row in connection.execute(_sql["at_risk"], facts)]


def _decision(schedule: Schedule, now: datetime, organization: str) -> Decision:
    return decide(action=ACTIONS[_STEP], schedule=schedule, now=now, organization=organization)
