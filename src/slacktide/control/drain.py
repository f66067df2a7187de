"""Drains, as the control database keeps them: one for a downtime, whoever watches it. The rule is `downtime.drain`.

Carrying one out takes who holds the guarded databases up as well, so `slacktide.cutover.drain` does it, in a worker.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import psycopg

from slacktide.control.audit import record_audit, require_reason
from slacktide.control.downtime import downtime_of
from slacktide.control.setting import control_now
from slacktide.core.duration import BadDuration, format_instant
from slacktide.downtime.drain import Drain, Then, deadline_of, start_in_effect
from slacktide.postgres.sql import load

_sql = load("slacktide.control", "drain.sql")


def set_drain(
    connection: psycopg.Connection[Any],
    *,
    id: str,  # noqa: A002 -- the word of the interface
    after: timedelta,
    then: Then,
    from_now: bool = False,
    who: str,
    reason: str,
) -> Drain:
    """Give a downtime a drain, or another one, to be carried out once: so long after its start.

    With `from_now` it is so long after now for a downtime that is in effect. Raises UnknownDowntime, ReasonMissing,
    BadDuration.
    """
    require_reason(reason, what="slacktide downtime wait --drain")
    if after < timedelta():
        raise BadDuration(text=msgspec.to_builtins(after))
    with connection.transaction():
        setting, now = downtime_of(connection, id=id), control_now(connection)
        start = start_in_effect(setting, now=now) if from_now else None
        drain = Drain(after=after if start is None else now - start + after, then=then, set_by=who, reason=reason)
        before = drain_of(connection, id=id)
        connection.execute(_sql["set"], msgspec.structs.asdict(drain) | {"id": id})
        facts = {"who": who, "what": "downtime drain", "object": f"downtime {id}", "reason": reason}
        record_audit(connection, before=before, after=drain, **facts)
    return drain


def drain_of(connection: psycopg.Connection[Any], *, id: str) -> Drain | None:  # noqa: A002 -- the word of the interface
    """Give the drain of a downtime, if it has one; whoever changes it holds the downtime's row."""
    row = connection.execute(_sql["one"], {"id": id}).fetchone()
    return None if row is None else _drain(row)


def drains(connection: psycopg.Connection[Any]) -> list[str]:
    """Give the downtimes that have a drain and may be in effect now."""
    return [key for (key,) in connection.execute(_sql["open"])]


def note_done(connection: psycopg.Connection[Any], *, id: str, start: datetime, outcome: str) -> None:  # noqa: A002 -- the word of the interface
    """Note that a drain has been carried out for the downtime that began at `start`."""
    connection.execute(_sql["done"], {"id": id, "start": start, "outcome": outcome})


def with_drains(connection: psycopg.Connection[Any], answers: Iterable[dict[str, Any]]) -> None:
    """Put into documents of downtimes (`control.downtime`) their drains, where they have one, as `drain`."""
    now = control_now(connection)
    for answer in answers:
        drain = drain_of(connection, id=answer["id"]) if answer["id"] else None
        if drain is not None:
            deadline = deadline_of(downtime_of(connection, id=answer["id"]), drain, now=now)
            answer["drain"] = {
                "after": msgspec.to_builtins(drain.after),
                "deadline": deadline and format_instant(deadline),
                "then": drain.then,
                "outcome": drain.outcome,
            }


def _drain(row: Sequence[Any]) -> Drain:
    after, then, set_by, reason, done_for, outcome = row
    done = done_for and done_for.astimezone(UTC)
    return Drain(after=after, then=then, set_by=set_by, reason=reason, done_for=done, outcome=outcome)
