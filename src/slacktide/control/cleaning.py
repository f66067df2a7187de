"""Cleaning up: leases and sessions that ended longer ago than they are kept. The audit trail stays for ever.

1. A lease is over by its limits, and nobody has recorded that: it is judged by the rule first, and its end recorded;
   one that lives by the rule is left, however old it is, and its session with it.
2. A session was left without a log-out: it is over by its idle limit, and ended there, once none of its leases is left
   open.
3. Something that lives is deleted by a mistake of ours: the database refuses it, and what ended within a day too.
4. Several workers clean up at once: each takes rows that no other one has.
5. There is much to delete: it goes in pieces, each a transaction of its own, so that nobody waits.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import psycopg

from slacktide.control.audit import record_audit
from slacktide.control.lease import record_ends
from slacktide.postgres.sql import load

_sql = load("slacktide.control", "cleaning.sql")
_WHO = "the clean-up"
PIECE = 1000


class Cleaned(msgspec.Struct, frozen=True):
    """How much was deleted."""

    leases: int = 0
    sessions: int = 0


def clean(connection: psycopg.Connection[Any], *, keep: timedelta) -> Cleaned:
    """Delete what ended longer ago than `keep`, which is a day at least."""
    facts = {"keep": keep, "piece": PIECE}
    record_ends(connection)
    connection.execute(_sql["end_idle"], facts)
    leases = _pieces(connection, "leases", facts)
    cleaned = Cleaned(leases, _pieces(connection, "sessions", facts))
    if cleaned != Cleaned():
        reason = f"ended longer ago than {msgspec.to_builtins(keep)}"
        record_audit(connection, who=_WHO, what="clean-up", object="sessions and leases", after=cleaned, reason=reason)
    return cleaned


def _pieces(connection: psycopg.Connection[Any], statement: str, facts: dict[str, Any]) -> int:
    total = 0
    while deleted := connection.execute(_sql[statement], facts).rowcount:
        total += deleted
    return total
