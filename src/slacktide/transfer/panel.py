"""The monitoring window of the four processes, as a value.

Steady (migration specification, section 2): the pass is complete, the first process is less than 100 changes and less
than 5 seconds behind, and every later one has fewer than 100 records queued. What it does not count stands beside it.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from slacktide.postgres import sql
from slacktide.transfer.journal import LOCK_CLASS, MISCELLANEOUS, OWNED, PROCESSES
from slacktide.transfer.uncounted import Uncounted

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.transfer.move import Move

_STATEMENTS = sql.load(__package__, "panel.sql")
STEADY_RECORDS = 100
STEADY_SECONDS = 5.0
_CHART_BEATS = 10  # in one point of a chart
MESSAGE_STATES = ("ready", "generated", "transferred", "processed", "warning", "failed", "waiting", "superseded")


class Panel(msgspec.Struct):
    """One process: its state, what is queued before it and done by it, and for what it waits."""

    state: str
    pid: int | None = None
    host: str | None = None
    queued: int = 0
    done: int = 0
    failed: int = 0
    rate_per_second: float = 0.0
    lag_seconds: float = 0.0
    waits_for: str | None = None
    since: datetime | None = None
    oldest_seconds: float | None = None
    chart: list[float] = []  # the rate, oldest first, of each five seconds of the last two minutes


class MoveStatus(msgspec.Struct):
    """A move at one moment, as `move status` gives it."""

    name: str
    task: int
    state: str
    steady: bool
    steady_since: datetime | None
    as_of: datetime | None
    processes: dict[str, Panel]
    messages: dict[str, int]
    source_position: str | None
    errors: list[str]
    pass_left: int = 0
    pass_ranges: int = 0
    pass_objects: int = 0
    expected_end: datetime | None = None  # of the pass
    uncounted: Uncounted | None = None
    miscellaneous: Panel | None = None


class _Queues(msgspec.Struct):
    journal: int
    journal_oldest: float | None
    pass_left: int
    pass_ranges: int
    generated: int
    generated_oldest: float | None
    transferred: int
    transferred_oldest: float | None


def status(connection: psycopg.Connection[TupleRow], *, move: Move) -> MoveStatus:
    """Look at a move, and note since when it is steady."""
    facts: dict[str, Any] = {"move_id": move.move_id}
    queues = _Queues(*(connection.execute(_STATEMENTS["queues"], facts).fetchone() or ()))
    panels, errors, uncounted = _panels(connection, facts, queues)
    miscellaneous = panels.pop(MISCELLANEOUS)
    steady = is_steady(panels, queues.pass_left, queues.pass_ranges)
    since = _one(connection, "note_steady", facts | {"steady": steady})
    as_of, position = connection.execute(_STATEMENTS["as_of"], facts).fetchone() or (None, None)
    objects, expected_end = connection.execute(_STATEMENTS["pass"], facts).fetchone() or (0, None)
    messages = dict.fromkeys(MESSAGE_STATES, 0)
    for state, count in connection.execute(_STATEMENTS["messages"], facts):
        messages[state] += int(count)
    messages["ready"] = queues.journal
    return MoveStatus(
        name=move.name,
        task=move.task,
        state=move.state,
        steady=steady,
        steady_since=since,
        as_of=as_of,
        processes=panels,
        messages=messages,
        source_position=position,
        errors=errors,
        pass_left=queues.pass_left,
        pass_ranges=queues.pass_ranges,
        pass_objects=objects,
        expected_end=expected_end,
        uncounted=uncounted,
        miscellaneous=miscellaneous,
    )


def is_steady(panels: dict[str, Panel], pass_left: int, pass_ranges: int) -> bool:
    """Judge by the specification's rule; a move whose pass was never planned is not steady."""
    first = panels["synchronization"]
    return (
        pass_ranges > 0
        and pass_left == 0
        and first.lag_seconds < STEADY_SECONDS
        and all(panels[name].queued < STEADY_RECORDS for name in PROCESSES)
    )


def _panels(
    connection: psycopg.Connection[TupleRow], facts: dict[str, Any], queues: _Queues
) -> tuple[dict[str, Panel], list[str], Uncounted | None]:
    panels = {name: Panel(state="stopped") for name in (*PROCESSES, MISCELLANEOUS)}
    errors: list[str] = []
    uncounted: Uncounted | None = None
    listed = facts | {"class": LOCK_CLASS, "processes": [*OWNED]}
    for row in connection.execute(_STATEMENTS["processes"], listed).fetchall():
        name, wanted, state, since, pid, host, waits_for, error, done, rate, lag, rates, seen, owned = row
        if name not in panels:
            continue
        if not owned if state in ("running", "waiting") else wanted == "running":
            state, waits_for = ("waiting", "a worker") if wanted == "running" else ("stopped", None)
        panels[name] = Panel(state, done=done, lag_seconds=lag or 0.0, waits_for=waits_for, since=since)
        if owned:
            panels[name].pid, panels[name].host = pid, host
            panels[name].rate_per_second, panels[name].chart = rate, _chart(rates)
        if seen:
            uncounted = msgspec.convert(seen, Uncounted)
        if error:
            errors.append(f"{name}: {error}")
    _fill(panels, queues)
    failed, waiting = connection.execute(_STATEMENTS["failures"], facts).fetchone() or (0, 0)
    panels["process"].failed = failed + waiting
    return panels, errors, uncounted


def _chart(rates: list[float]) -> list[float]:
    """Give the mean of every ten beats, oldest first; those that make no ten yet come first."""
    ends = range(len(rates), 0, -_CHART_BEATS)
    parts = [rates[max(end - _CHART_BEATS, 0) : end] for end in reversed(ends)]
    return [round(sum(part) / len(part), 1) for part in parts]


def _fill(panels: dict[str, Panel], queues: _Queues) -> None:
    for name, queued, oldest in (
        ("generate", queues.journal + queues.pass_left, queues.journal_oldest),
        ("transfer", queues.generated, queues.generated_oldest),
        ("process", queues.transferred, queues.transferred_oldest),
    ):
        panels[name].queued, panels[name].oldest_seconds = int(queued), oldest
        panels[name].lag_seconds = round(oldest or 0.0, 3)


def _one(connection: psycopg.Connection[TupleRow], name: str, facts: dict[str, Any]) -> Any:
    row = connection.execute(_STATEMENTS[name], facts).fetchone()
    return row[0] if row else None


class Problem(msgspec.Struct):
    """A message that did not simply arrive; `accepted_by` names who accepted that."""

    id: int
    entity: str
    key: str
    state: str
    reason: str
    waits_for_entity: str | None
    waits_for_key: str | None
    at: datetime
    batch: int
    accepted_by: str | None = None


def problems(
    connection: psycopg.Connection[TupleRow], *, move: Move, state: str | None = None, entity: str | None = None,
    limit: int = 1000,
) -> list[Problem]:  # fmt: skip
    """List the messages that failed, wait, or were warned about."""
    facts = {"move_id": move.move_id, "state": state, "entity": entity, "limit": limit}
    return [Problem(*row) for row in connection.execute(_STATEMENTS["problems"], facts)]
