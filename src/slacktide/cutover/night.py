"""What the steps of a System Down Time work with: the move, its databases, the engine, the record."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Self

from slacktide.core import clock
from slacktide.core.errors import OutsideError
from slacktide.cutover.attempt import STEPPING, State
from slacktide.cutover.engine import Engine
from slacktide.cutover.kind import find
from slacktide.cutover.record import Record
from slacktide.postgres.connection import connect
from slacktide.transfer import returning
from slacktide.transfer.ahead import subject_of
from slacktide.transfer.verify_carry import NothingVerified, verify_again, verify_ahead

if TYPE_CHECKING:
    from collections.abc import Callable

    from slacktide.transfer.entry import Batch
    from slacktide.transfer.journal import Journal
    from slacktide.transfer.move import Move
    from slacktide.transfer.verify import Verification


class Ended(OutsideError):
    """The procedure was told to stop; it goes on where it is when a worker takes it up."""


class Night:
    """One attempt, opened: connections to both databases and the engine, for as long as the procedure runs."""

    def __init__(self, *, move: Move, journal: Journal, ended: Callable[[], bool]) -> None:
        """Take the move and the procedure's own journal. Raises OwnedElsewhere."""
        self.move, self.journal, self.ended = move, journal, ended
        self.control = journal.connection
        self.record = Record(journal.connection, move_id=move.move_id, move=move.name)
        self.attempt = self.record.current()
        self.kind = find(move.plan.kind)
        self.engine = Engine(move, journal)
        self._waited = 0.0

    def __enter__(self) -> Self:
        """Connect."""
        self.source = connect(self.move.source, name=f"{self.move.name} down time")
        self.target = connect(self.move.target, name=f"{self.move.name} down time")
        self.engine.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        """Close everything; the closing stays."""
        self.engine.__exit__()
        for connection in (self.source, self.target):
            connection.close()

    def require_stepping(self) -> None:
        """Go on only while it is wanted: a safe point, at which nothing is half done. Raises Ended."""
        if self.ended() or State(self.record.current().state) not in STEPPING:
            raise Ended

    def moved_by_entity(self) -> dict[str, int]:
        """Give how many objects of each entity were written at the target since Start."""
        rows = self.target.execute(
            "select k.name, count(*) from slacktide.key_map k join slacktide.mover_move m using (move_no) "
            "where m.name = %s and k.batch > %s and k.hash is not null group by 1",
            [self.move.name, self.attempt.first_batch],
        )
        return dict(rows.fetchall())

    def own_objects(self) -> int:
        """Count the property's own objects that the target holds: neither shared ones nor those kept by reference."""
        names = [entity.name for entity in self.move.plan.moving if not entity.shared]
        row = self.target.execute(
            "select count(*) from slacktide.key_map k join slacktide.mover_move m using (move_no) "
            "where m.name = %s and k.name = any (%s) and not k.outside",
            [self.move.name, names],
        ).fetchone()
        return int(row[0]) if row else 0

    def wait_for_people(self, seconds: float) -> None:
        """Wait for what others have to do; it does not count as work."""
        clock.sleep(seconds)
        self._waited += seconds

    def leave_out(self, seconds: float) -> None:
        """Count seconds that were spent on something else, as a rehearsal does: they are no work of the step."""
        self._waited += seconds

    def waited(self) -> float:
        """Give, once, the seconds waited for others since the last time."""
        waited, self._waited = self._waited, 0.0
        return waited

    def verified_batch(self, *, whole: bool = False) -> tuple[Batch | None, Verification | None]:
        """Make one batch, bring it to the target, and compare both sides at its instant; `whole` carries nothing."""
        found: list[Verification] = []

        def compared(_: Batch) -> None:
            found.append(self._compare(whole=whole))

        batch = self.engine.batch(held=compared)
        return batch, found[0] if found else None

    def _compare(self, *, whole: bool) -> Verification:
        source = self.engine.generate.source.connection
        facts: dict[str, Any] = {
            "source": source,
            "target": self.target,
            "subject": subject_of(self.move, self.journal),
            "business_date": self.attempt.business_date,
            "control": self.control,
            "move_id": self.move.move_id,
        }
        found = self._verify(facts, whole=whole)
        if self.move.back_of is not None and found.different:
            different = [(difference.entity, difference.key) for difference in found.differences]
            if returning.settle(self.control, back=self.move, different=different):
                found = self._verify(facts, whole=whole)
        return found

    def _verify(self, facts: dict[str, Any], *, whole: bool) -> Verification:
        with contextlib.suppress(NothingVerified):
            if not whole:
                return verify_again(**facts)
        return verify_ahead(**facts, whole=whole)  # which reads everything, and writes down what the report signs
