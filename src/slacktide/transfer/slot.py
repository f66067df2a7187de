"""The slot: made before anything is read, checked on every start, and never trusted by its name alone.

The events:

1. A predecessor was killed while it made its slot: the journal knows the name but no consistent point. The half-made
   slot is ended with its backend and made anew.
2. A commit is logged before the consistent point and still invisible to new snapshots: the pass would miss it, and so
   would the stream. The slot's own snapshot S is written down; the pass reads only in snapshots that see all of S.
3. The slot is gone, or another one has its name, or somebody else confirmed for it; the source was restored, or failed
   over to a standby without it: whatever was logged meanwhile is lost to the stream. A new incarnation begins: a new
   slot and a pass over all the source's keys and all that the target knows.
4. A new incarnation begins while the old slot still serves: it would keep the source's log for nobody, and nobody would
   watch it. Every slot of the move but the current one is dropped; by the names in the journal, never by their form.
"""

from __future__ import annotations

import contextlib
import secrets
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
from psycopg import errors
from psycopg.sql import SQL, Literal

from slacktide.core import clock
from slacktide.core.errors import OutsideError
from slacktide.postgres import sql
from slacktide.postgres.connection import connect
from slacktide.postgres.position import format_lsn, parse_lsn
from slacktide.postgres.stream import ReplicationStream, SlotNotCreated
from slacktide.transfer.entry import Range
from slacktide.transfer.prepare import slot_stem

if TYPE_CHECKING:
    from collections.abc import Collection

    from psycopg.rows import TupleRow

    from slacktide.plan.model import Plan
    from slacktide.transfer.entry import Incarnation
    from slacktide.transfer.journal import Journal
    from slacktide.transfer.source import Source

_STATEMENTS = sql.load(__package__, "slot.sql")
RANGE_OBJECTS = 2000
WAIT_SECONDS = 10  # for one open transaction, before the operator is told of it


class SlotWaits(OutsideError):
    """The slot waits for transactions that write in the source: {transactions}. End them, or wait."""


class Found(msgspec.Struct, frozen=True):
    """What a source says of itself and of a slot."""

    system_id: str
    timeline: int
    confirmed: int | None
    lost: bool
    inserted: int


def ensure(journal: Journal, *, address: str, move: str) -> Incarnation:
    """Give the current incarnation with a slot that serves; where it does not, begin a new one. Raises SlotWaits."""
    known = journal.current()
    with connect(address, name=f"{move} slot") as connection:
        if known is not None and known.snapshot is not None:
            why = _unusable(known, look(connection, slot=known.slot))
            if why is None:
                _drop_all(journal, connection, but=known.slot)
                return known
            journal.remember(f"the slot {known.slot} cannot be used: {why}; everything is read again")
        incarnation = (
            known
            if known is not None and known.snapshot is None
            else journal.begin_incarnation(slot=f"slacktide_{slot_stem(move)}_{secrets.token_hex(4)}")
        )
        _drop_all(journal, connection)
        return _make(journal, incarnation, connection, address=address, move=move)


def look(connection: psycopg.Connection[TupleRow], *, slot: str) -> Found:
    """Ask the source for its identity and for the slot."""
    row = connection.execute(_STATEMENTS["look"], {"slot": slot}).fetchone()
    assert row is not None  # noqa: S101 -- this statement always gives a row
    system_id, timeline, confirmed, lost, inserted = row
    return Found(system_id, timeline, parse_lsn(confirmed) if confirmed else None, bool(lost), parse_lsn(inserted))


def _unusable(known: Incarnation, found: Found) -> str | None:
    reasons = {
        "the source is another database system": found.system_id != known.system_id,
        "the source was restored, or another server took over": found.timeline != known.timeline,
        "the source was restored to an earlier state": found.inserted < known.reached,
        "it is not there": found.confirmed is None,
        "the source no longer keeps the log that it needs": found.lost,
        "somebody else has read from it": (found.confirmed or 0) > max(known.reached, known.consistent_point),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def drop(connection: psycopg.Connection[TupleRow], *, slot: str) -> None:
    """End whoever uses a slot, and drop it, if it is there."""
    for _ in range(50):
        row = connection.execute(_STATEMENTS["end_user"], {"slot": slot}).fetchone()
        if row is None:
            return
        with contextlib.suppress(errors.ObjectInUse):
            connection.execute(_STATEMENTS["drop"], {"slot": slot})
            return
        clock.sleep(0.1)


def _drop_all(journal: Journal, connection: psycopg.Connection[TupleRow], *, but: str = "") -> None:
    """Drop every slot that this move has had, half made ones too; the current one stays where it is usable."""
    for (slot,) in journal.connection.execute(_STATEMENTS["slots"], {"move_id": journal.move_id}).fetchall():
        if slot != but:
            drop(connection, slot=slot)


def _make(
    journal: Journal,
    incarnation: Incarnation,
    connection: psycopg.Connection[TupleRow],
    *,
    address: str,
    move: str,
) -> Incarnation:
    found = look(connection, slot=incarnation.slot)
    with ReplicationStream(address, name=f"{move} slot", options=f"-c lock_timeout={WAIT_SECONDS}s") as stream:
        try:
            created = stream.create_slot(incarnation.slot)
        except SlotNotCreated as error:
            listed = writers(connection)
            raise SlotWaits(transactions="; ".join(listed)) if listed else error from error
        snapshot = _snapshot(connection, created.snapshot_name)
    journal.slot_made(
        incarnation=incarnation.incarnation, system_id=found.system_id, timeline=found.timeline,
        consistent_point=format_lsn(created.consistent_point), snapshot=snapshot,
    )  # fmt: skip
    return journal.incarnation()


def _snapshot(connection: psycopg.Connection[TupleRow], name: str) -> str:
    """Write down the snapshot of the consistent point, and let it go."""
    with connection.transaction():
        connection.execute("set transaction isolation level repeatable read")
        connection.execute(SQL("set transaction snapshot {}").format(Literal(name)))
        row: Any = connection.execute("select pg_current_snapshot()::text").fetchone()
        return str(row[0])


def writers(connection: psycopg.Connection[TupleRow]) -> list[str]:
    """List the transactions of the whole cluster that have written and are open, for which a new slot waits."""
    return [text for (text,) in connection.execute(_STATEMENTS["writers"], {})]  # so that %% becomes %


# -- the pass --------------------------------------------------------------------------------------------------------


def plan_pass(
    journal: Journal, source: Source, *, plan: Plan, incarnation: int, only: Collection[str] | None = None,
    absence: bool | None = None, known: bool = False,
) -> int:  # fmt: skip
    """Write the key ranges of a pass over the property into the journal; give their number.

    A pass that is not the first, or that finds objects at the target (`known`), also tells, at its end and in the
    reverse order, what is absent, unless told otherwise.
    """
    entities = [e for e in plan.moving if not e.shared and (only is None or e.name in only)]
    ends = {entity.name: source.range_ends(entity, size=RANGE_OBJECTS) for entity in entities}
    absence = known or incarnation > 1 or only is not None if absence is None else absence
    names = [(e.name, False) for e in entities] + ([(e.name, True) for e in reversed(entities)] if absence else [])
    first = journal.last_range(incarnation=incarnation) + 1
    ranges: list[Range] = []
    for name, absent in names:
        after = None
        for end, count in ends[name][:-1]:
            ranges.append(Range(first + len(ranges), name, after, end, absent, count))
            after = end
        last = ends[name][-1][1] if ends[name] else 0
        ranges.append(Range(first + len(ranges), name, after, None, absent, last))
    with journal.together():
        journal.add_ranges(ranges, incarnation=incarnation)
    return len(ranges)
