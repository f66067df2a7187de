"""Verification ahead: now and then, or asked for, at the border between two batches, while the property trades.

It is done where the border is made: Generate keeps the instant of its last batch open until that batch is applied,
and makes no other one meanwhile. The first time everything is read; then only what changed. The events:

1. Somebody asks for one (`move verify`): the request has a number in the control database, and stays until a
   verification that began after it has answered with that number, whoever was killed meanwhile.
2. Generate has to end while a long comparison runs: the statements of both sides are cancelled, and nothing of it is
   written down.
"""

from __future__ import annotations

import contextlib
import threading
from datetime import date
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.sql import SQL, Identifier

from slacktide.core import clock
from slacktide.postgres.connection import connect
from slacktide.transfer.acceptance import accepted_keys
from slacktide.transfer.move import set_fact
from slacktide.transfer.returning import compared_codes, kept_codes
from slacktide.transfer.source_sql import qualified
from slacktide.transfer.verify_carry import verify_ahead
from slacktide.transfer.verify_read import Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psycopg.rows import TupleRow

    from slacktide.plan.model import PropertyTable
    from slacktide.transfer.entry import Batch
    from slacktide.transfer.journal import Journal
    from slacktide.transfer.move import Move
    from slacktide.transfer.source import Source
    from slacktide.transfer.verify import Verification

_EVERY_SECONDS = 20.0
_APPLIED_SECONDS = 60.0
_MOST_QUEUED = 3
_LOOK_SECONDS = 0.2
FACT = "verified"


def subject_of(move: Move, journal: Journal) -> Subject:
    """Say what is verified."""
    kept = kept_codes(journal.connection, move=move)
    return Subject(
        plan=move.plan,
        move=move.name,
        source_property=move.property_code,
        target_property=move.target_property,
        codes=compared_codes(journal.conversions(), kept=kept),
        kept=kept,
        accepted=accepted_keys(journal.connection, move_id=move.move_id),
    )


def business_date(connection: Any, table: PropertyTable, *, property_code: str) -> date:
    """Give a property's business date in one database."""
    row = connection.execute(
        SQL("select {} from {} where {} = %s").format(
            Identifier(table.business_date), Identifier(table.schema, table.table), Identifier(table.column)
        ),
        [property_code],
    ).fetchone()
    found: date = row[0]
    return found


def summary(verification: Verification, *, seconds: float, answers: int) -> dict[str, Any]:
    """Give what is kept of a verification for the panel; `answers` is the last request that it answers."""
    listed = [f"{d.entity} {d.key}: {d.what}" for d in verification.differences[:20]]
    return {
        "batch": verification.batch,
        "read": verification.read,
        "carried": verification.carried,
        "different": verification.different,
        "equal": verification.equal,
        "differences": listed,
        "seconds": round(seconds, 3),
        "at": clock.now().isoformat(),
        "answers": answers,
    }


def _analyze(target: psycopg.Connection[TupleRow], move: Move) -> None:
    """Give the tables that the pass has filled their statistics: without them large joins become nested loops."""
    for table in move.plan.table.values():
        target.execute(SQL("analyze {}").format(qualified(table)))
    target.execute("analyze slacktide.key_map")


@contextlib.contextmanager
def _left_when(ended: Callable[[], bool], *connections: psycopg.Connection[TupleRow]) -> Iterator[None]:
    """Cancel what is done in the block over these connections, again and again, once it has to end."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_LOOK_SECONDS):
            if ended():
                for each in connections:
                    with contextlib.suppress(psycopg.Error):
                        each.cancel_safe()

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    finally:
        done.set()
        watching.join()


class Ahead:
    """The verification ahead of one move, inside Generate."""

    def __init__(
        self, move: Move, journal: Journal, source: Source, *, ended: Callable[[], bool] = lambda: False
    ) -> None:
        """Take what Generate has; `ended` tells that it has to end."""
        self._move, self._journal, self._source, self._ended = move, journal, source, ended
        self._last: float | None = None
        self._analyzed = False

    def is_due(self, queued: int) -> bool:
        """Tell whether it is time: the pass is complete, little is queued, and it is asked for or long enough ago."""
        if self._last is not None and clock.monotonic_seconds() - self._last < _EVERY_SECONDS:
            asked, answered = self._journal.verification_asked()
            if asked == answered:
                return False
        incarnation = self._journal.incarnation().incarnation
        return (
            queued <= _MOST_QUEUED
            and self._journal.last_range(incarnation=incarnation) > 0
            and not self._journal.ranges_left(incarnation=incarnation)
        )

    def verify(self, batch: Batch) -> None:
        """Verify at a batch's instant, as soon as it is applied; give it up where that takes too long."""
        begun = self._last = clock.monotonic_seconds()
        asked, _ = self._journal.verification_asked()
        if not self._applied(batch):
            return
        move = self._move
        self._journal.say("waiting", waits_for=f"the comparison of both sides as of batch {batch.number}")
        with (
            connect(move.target, name=f"{move.name} verify") as target,
            _left_when(self._ended, self._source.connection, target),
        ):
            if FACT not in move.facts and not self._analyzed:
                _analyze(target, move)
                self._analyzed = True
            found = verify_ahead(
                control=self._journal.connection,
                source=self._source.connection,
                target=target,
                subject=subject_of(move, self._journal),
                move_id=move.move_id,
                business_date=business_date(
                    self._source.connection, move.plan.property, property_code=move.property_code
                ),
            )
        now = self._last = clock.monotonic_seconds()
        set_fact(
            self._journal.connection, move=move, name=FACT, value=summary(found, seconds=now - begun, answers=asked)
        )

    def _applied(self, batch: Batch) -> bool:
        limit = clock.monotonic_seconds() + _APPLIED_SECONDS
        self._journal.say(
            "waiting", waits_for=f"Process to apply batch {batch.number}, so that both sides can be compared"
        )
        while (state := self._journal.batch_state(batch.number)) != "processed":
            if state == "lost" or clock.monotonic_seconds() > limit or self._ended() or not self._journal.wanted():
                return False
            self._journal.wait(0.05)
        return True
