"""`GET /metrics`: what an alarm needs to know, for Prometheus.

Nobody is named but organizations, gates and tokens; a token that may see some organizations gets only those, and only
its own gates.

1. Many ask at once, or one asks without a pause: there is one measurement at a time, and what it gave serves for a
   second.
2. The control database is silent: `slacktide_control_database_up` is 0, what this server counts itself is still there,
   and everything else is missing, so that no alarm is calmed by old numbers.
3. The measurement lasts: it is made in a thread, so that decisions do not wait.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

import msgspec
import psycopg

from slacktide.control.gate import list_gates
from slacktide.control.lease import list_leases
from slacktide.control.schedule import Known, known_of
from slacktide.control.session import list_sessions
from slacktide.control.setting import control_now
from slacktide.control.token import Token
from slacktide.core import clock
from slacktide.core.errors import SlacktideError
from slacktide.cutover.state import codes, measure_of, states
from slacktide.downtime.decision import Decision
from slacktide.downtime.schedule import Schedule
from slacktide.downtime.state import EXIT_STATUS, State
from slacktide.downtime.table import Action
from slacktide.gates.keeper import Keeper
from slacktide.gates.refusal import Reply
from slacktide.holding.sums import held_risks, held_sums
from slacktide.postgres.connection import connect
from slacktide.server.exposition import Family, Sample, content_type, exposition
from slacktide.worker.presence import count_workers

_FRESH_SECONDS = 1.0
_LIMITS = "-c statement_timeout=5000 -c lock_timeout=2000"
_OWN = ("organization", "token")


class Decisions:
    """How many decisions this server has made, by action, decision and code."""

    def __init__(self) -> None:
        """Begin with none."""
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def count(self, action: Action, decision: Decision | None) -> None:
        """Count one; None is one that was allowed."""
        word, code = ("allow", "") if decision is None else (decision.decision, decision.code or "")
        self._counts[action.value, word, code] += 1

    def samples(self) -> tuple[Sample, ...]:
        """Give them as they stand."""
        names = ("action", "decision", "code")
        counts = sorted(self._counts.items())
        return tuple(Sample(count, dict(zip(names, key, strict=True))) for key, count in counts)


class Metrics:
    """What is measured of one control database."""

    def __init__(self, address: str, *, keeper: Keeper) -> None:
        """Take the control database's address, and the server's own keeper."""
        self.decisions = Decisions()
        self._address, self._keeper = address, keeper
        self._measured: tuple[Family, ...] = ()
        self._measured_at = float("-inf")
        self._lock = asyncio.Lock()

    async def answer(self, *, token: Token, accept: str) -> Reply:
        """Answer a scraper."""
        async with self._lock:
            if clock.monotonic_seconds() - self._measured_at > _FRESH_SECONDS:
                self._measured = await asyncio.to_thread(self._measure)
                self._measured_at = clock.monotonic_seconds()
        form = content_type(accept)
        body = exposition(_seen_by(token, [*self._own(), *self._measured]), form=form)
        headers = (("Content-Type", form), ("Cache-Control", "no-store"), ("Content-Length", str(len(body))))
        return Reply(HTTPStatus.OK, headers, body)

    def _own(self) -> Iterator[Family]:
        """Give what this server knows without asking anybody."""
        yield Family("slacktide_build", "The version of the server.", (Sample(1, {"version": version("slacktide")}),))
        age = self._keeper.moment().age_seconds
        text = "How old what this server decides by is; past 60 seconds it closes near downtimes."
        yield Family("slacktide_schedule_age_seconds", text, () if age is None else (Sample(age),))
        text = "Decisions of this server since it started."
        yield Family("slacktide_decisions", text, self.decisions.samples(), "counter")

    def _measure(self) -> tuple[Family, ...]:
        up, text = "slacktide_control_database_up", "Whether the control database answers."
        try:
            with connect(self._address, name="metrics", options=_LIMITS) as connection:
                return (*_families(connection), Family(up, text, (Sample(1),)))
        except (psycopg.Error, SlacktideError):
            return (Family(up, text, (Sample(0),)),)


def _seen_by(token: Token, families: Iterable[Family]) -> Iterator[Family]:
    """Leave out what a token may not see."""
    for family in families:
        yield msgspec.structs.replace(family, samples=tuple(one for one in family.samples if _may_see(token, one)))


def _may_see(token: Token, sample: Sample) -> bool:
    if not token.organizations:
        return True
    organization, of_token = (sample.labels.get(name, "") for name in _OWN)
    return (not organization or token.may_see(organization)) and of_token in ("", token.name)


def _families(connection: psycopg.Connection[Any]) -> Iterator[Family]:
    now = control_now(connection)
    found = states(connection, organizations=codes(connection), measured=measure_of(connection))
    yield from _scopes(found)
    known = known_of(connection)
    yield from _people(connection, known=known, now=now)
    yield from _held(connection, schedule=known.schedule, now=now)
    yield from _gates(connection)
    workers = (Sample(count_workers(connection)),)
    yield Family("slacktide_workers", "Workers that live.", workers)


def _scopes(found: list[State]) -> Iterator[Family]:
    scopes = [({"scope": one.scope.value, "organization": one.organization or ""}, one) for one in found]
    words = [Sample(one.state == word, labels | {"state": word}) for labels, one in scopes for word in EXIT_STATUS]
    yield Family("slacktide_scope_state", "1 for the state that the site or an organization is in.", tuple(words))
    until = [Sample(one.until.timestamp(), labels) for labels, one in scopes if one.until is not None]
    yield Family("slacktide_scope_until_timestamp_seconds", "When what is down ends, if that is known.", tuple(until))
    starts = [Sample(one.next_start.timestamp(), labels) for labels, one in scopes if one.next_start is not None]
    yield Family("slacktide_scope_next_start_timestamp_seconds", "When the next downtime begins.", tuple(starts))
    holders = [
        Sample(count, labels | {"holder": kind})
        for labels, one in scopes
        for kind, count in msgspec.to_builtins(one.holders).items()
    ]
    yield Family("slacktide_holders", "Who is waited for when it closes; administrators do not count.", tuple(holders))


def _people(connection: psycopg.Connection[Any], *, known: Known, now: datetime) -> Iterator[Family]:
    judged = list_leases(connection, known=known, now=now)
    leases = Counter((one.lease.organization, one.standing.state) for one in judged)
    samples = [Sample(count, {"organization": code, "state": word}) for (code, word), count in sorted(leases.items())]
    yield Family("slacktide_leases", "Task leases that live, by organization.", tuple(samples))
    sessions = Counter("administrator" if one.admin else "user" for one in list_sessions(connection))
    roles = [Sample(sessions[role], {"role": role}) for role in ("administrator", "user")]
    yield Family("slacktide_sessions", "Sessions that live.", tuple(roles))


def _held(connection: psycopg.Connection[Any], *, schedule: Schedule, now: datetime) -> Iterator[Family]:
    sums = held_sums(connection, schedule=schedule, now=now)
    labels = [{"organization": one.organization, "state": one.state, "because": one.because} for one in sums]
    items = [Sample(one.count, each) for one, each in zip(sums, labels, strict=True)]
    yield Family("slacktide_held_items", "Held work that is not done.", tuple(items))
    oldest = [Sample(one.oldest_age_seconds, each) for one, each in zip(sums, labels, strict=True)]
    yield Family("slacktide_held_oldest_age_seconds", "How long ago the oldest of it arrived.", tuple(oldest))
    risks = [
        Sample(count, {"organization": one.organization, "date": date})
        for one in held_risks(connection, schedule=schedule, now=now)
        for date, count in (("due", one.due), ("discount", one.discounts))
    ]
    text = "Dates of held work that come no later than the day on which it can go on."
    yield Family("slacktide_held_dates_at_risk", text, tuple(risks))


def _gates(connection: psycopg.Connection[Any]) -> Iterator[Family]:
    gates = [({"token": one["token"], "gate": one["name"]}, one) for one in list_gates(connection)]
    ages = [Sample(one["age_seconds"], labels) for labels, one in gates]
    yield Family("slacktide_gate_age_seconds", "How long ago a gate last had the schedule.", tuple(ages))
    offsets = [Sample(one["offset_seconds"], labels) for labels, one in gates if one["offset_seconds"] is not None]
    text = "How far the clock of a gate's machine is behind the control database's."
    yield Family("slacktide_gate_offset_seconds", text, tuple(offsets))
