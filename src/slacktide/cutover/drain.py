"""Carrying out drains: what happens to a downtime that is still closing at its deadline, though nobody watches.

A worker does it. The events:

1. Two workers see the same deadline: the downtime's row is locked, and what was done is noted in the transaction that
   did it; the second one finds it done.
2. The worker is killed half way: nothing was done, and another one does it.
3. No worker lives at the deadline: it is carried out by the first one that does, if the downtime is in effect then.
4. The downtime is ended, extended or given testers meanwhile: under the lock it is judged as it is now.
5. A lease ends, or the last writer commits, at that very moment: what is quiet is left alone. A guarded database that
   does not answer cannot be called quiet.
6. A move has closed the property for good (*Start Down Time Procedures*): giving up would not open it, and would take
   the downtime from under the move. So it goes on waiting, and says so.
7. Users are in: no lease is waited for, and none is ended.
8. One cannot be carried out: the others are, and it is tried again in the next round.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from slacktide.control.audit import record_audit
from slacktide.control.downtime import downtime_of, end_downtime
from slacktide.control.drain import drain_of, drains, note_done
from slacktide.control.lease import end_leases
from slacktide.control.schedule import schedule_of
from slacktide.control.setting import control_now
from slacktide.cutover.bulkhead import Bulkhead
from slacktide.cutover.state import Measured, measure_of, state
from slacktide.downtime.drain import Drain, due_for
from slacktide.downtime.setting import Setting
from slacktide.downtime.state import State

_Connection = psycopg.Connection[TupleRow]
QUIET_IN_TIME = "nobody was left"


def carry_out(connection: _Connection, *, bulkhead: Bulkhead) -> list[str]:
    """Carry out every drain that is due; give what came of each."""
    outcomes: list[str | None] = []
    for key in drains(connection):
        with bulkhead.around(f"downtime {key}", control=connection):
            outcomes.append(_carry_out(connection, key))
    return [outcome for outcome in outcomes if outcome is not None]


def _carry_out(connection: _Connection, key: str) -> str | None:
    """Carry out a drain if it is due; the databases are asked before anything is locked."""
    if _due(connection, key) is None:
        return None
    organization = downtime_of(connection, id=key).organization
    measured = measure_of(connection, [organization])
    with connection.transaction():
        due = _due(connection, key)
        return None if due is None else _done(connection, *due, measured=measured)


def _due(connection: _Connection, key: str) -> tuple[Setting, Drain, datetime] | None:
    """Give a drain that is due, with the start of its downtime; in a transaction both stay as they are."""
    setting, drain = downtime_of(connection, id=key), drain_of(connection, id=key)
    start = None if drain is None else due_for(setting, drain, now=control_now(connection))
    return None if drain is None or start is None else (setting, drain, start)


def _done(connection: _Connection, setting: Setting, drain: Drain, start: datetime, *, measured: Measured) -> str:
    found = state(connection, organization=setting.organization, measured=measured)
    facts = {"who": f"the drain of {drain.set_by}", "reason": drain.reason}
    outcome = _act(connection, setting, drain, found, **facts) if found.state == "closing" else QUIET_IN_TIME
    note_done(connection, id=setting.id, start=start, outcome=outcome)
    after = {"then": drain.then, "state": found.answer()["holders"] | {"state": found.state}, "outcome": outcome}
    record_audit(connection, what="downtime drained", object=f"downtime {setting.id}", after=after, **facts)
    return outcome


def _act(connection: _Connection, setting: Setting, drain: Drain, found: State, **facts: Any) -> str:
    """Do what the drain says to a downtime that is still closing; give what was done."""
    if drain.then == "end" and _users_out(connection, setting):
        return f"ended {len(end_leases(connection, organization=setting.organization, **facts))} leases"
    if drain.then == "give-up" and not _closed_by_a_move(found):
        end_downtime(connection, id=setting.id, **facts)
        return "given up: the downtime was ended"
    left = found.holders
    return f"goes on waiting for {left.leases} leases, {left.sessions} sessions, {left.transactions} transactions"


def _users_out(connection: _Connection, setting: Setting) -> bool:
    schedule, now = schedule_of(connection), control_now(connection)
    own = () if setting.organization is None else (schedule.side(setting.organization).phases,)
    return any(timeline.at(now).users_out for timeline in (schedule.site, *own))


def _closed_by_a_move(found: State) -> bool:
    """Tell whether a durable closing keeps it down: that of a move has no number, as downtimes have."""
    return any(not setting.id.isdigit() for setting in found.because)
