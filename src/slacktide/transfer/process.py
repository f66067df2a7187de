"""The four processes, each as something that is opened, stepped and closed.

A step does a bounded piece of work and says how much it did; 0 means that there was nothing to do. Who steps them is
another matter: a child process of the worker (`loop`), or the down time procedure, which steps all four itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from slacktide.core import clock
from slacktide.postgres.connection import connect
from slacktide.postgres.stream import ReplicationStream, StreamEnded
from slacktide.transfer import message, slot, uncounted
from slacktide.transfer.ahead import Ahead
from slacktide.transfer.apply import Applier
from slacktide.transfer.generate import Generator, Names
from slacktide.transfer.pace import Pace
from slacktide.transfer.prepare import publication
from slacktide.transfer.restart import reconcile
from slacktide.transfer.returning import kept_codes
from slacktide.transfer.seal import ForgedFile
from slacktide.transfer.source import Source
from slacktide.transfer.spool import CorruptFile, MissingFile, SealedSpool, Spool
from slacktide.transfer.spool_key import seal_of
from slacktide.transfer.synchronization import Synchronizer

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.transfer.apply import Prove
    from slacktide.transfer.journal import Journal
    from slacktide.transfer.move import Move

_LARGEST_QUEUE = 3  # batches made and not yet applied: behind that, what changes meanwhile goes into one batch

_STOPPED_SECONDS = 0.5  # between two looks whether Synchronization is started again


class Work(Protocol):
    """One of the four processes."""

    def open(self) -> None:
        """Connect, and take up where the journal stands."""

    def step(self) -> int:
        """Do a piece of work; give how much was done, 0 where there was none."""

    def idle(self, seconds: float) -> None:
        """Wait for work at the most so long."""

    def lag_seconds(self) -> float | None:
        """Give how far it is behind, where it can tell by itself."""

    def close(self) -> None:
        """Close its connections."""


class Synchronization:
    """From the source's stream to the journal; first of all it makes the slot and plans the pass."""

    def __init__(self, move: Move, journal: Journal) -> None:
        """Take the move and the journal's connection."""
        self._move, self._journal = move, journal
        self._stream: ReplicationStream | None = None
        self._source: Source | None = None
        self._seen = (0, 0.0)
        self._lag = 0.0

    def open(self) -> None:
        """Make sure of the slot and of the pass, and begin to stream."""
        move, journal = self._move, self._journal
        incarnation = slot.ensure(journal, address=move.source, move=move.name)
        self._incarnation, self._slot = incarnation.incarnation, incarnation.slot
        self._source = Source(
            move.source, plan=move.plan, property_code=move.property_code, name=f"{move.name} position"
        )
        if journal.last_range(incarnation=incarnation.incarnation) == 0:
            slot.plan_pass(
                journal, self._source, plan=move.plan, incarnation=incarnation.incarnation,
                known=move.back_of is not None,
            )  # fmt: skip
            journal.wake("generate")
        self._stream = ReplicationStream(move.source, name=f"{move.name} synchronization")
        self._stream.start(
            incarnation.slot, publication=publication(move.rehearses or move.name), position=journal.position()
        )
        self._synchronizer = Synchronizer(stream=self._stream, journal=journal, plan=move.plan)
        journal.listen()

    def step(self) -> int:
        """Journal what has arrived; ask the source how far it is where Generate wants to know."""
        if self._journal.called():
            self._synchronizer.ask()
        return self._synchronizer.step(wait_seconds=0)

    def idle(self, seconds: float) -> None:
        """Wait for the stream, or for Generate's call."""
        if self._journal.called():
            self._synchronizer.ask()
            return
        assert self._stream is not None  # noqa: S101 -- opened before it is stepped
        self._journal.wait_beside(self._stream.fileno(), seconds)

    def position(self) -> int:
        """Give the position up to which the source has written its log by now."""
        assert self._source is not None  # noqa: S101 -- opened before it is asked
        return self._source.position()

    def ask(self) -> None:
        """Have the source say how far it has sent."""
        self._synchronizer.ask()

    def lag_seconds(self) -> float:
        """Give for how long something of the source has not been journalled; 0 where all was at the last look.

        What Steady does not count is noted along with it. Raises LogLimitReached.
        """
        assert self._source is not None  # noqa: S101 -- opened before it is stepped
        if self._journal.incarnation().incarnation != self._incarnation:
            raise StreamEnded(slot=self._slot, reason="a new incarnation has begun")
        position, at = self._seen
        if self._journal.reached() >= position:
            self._lag = 0.0
            self._seen = (self._source.position(), clock.monotonic_seconds())
            self._synchronizer.ask()
        else:
            self._lag = clock.monotonic_seconds() - at
        uncounted.note(self._journal, self._source.connection, slot_name=self._slot, move=self._move.name)
        return self._lag

    def close(self) -> None:
        """Close the stream; the slot stays."""
        for each in (self._stream, self._source):
            if each is not None:
                each.close()


class Generate:
    """From the journal to batches in the source's spool."""

    def __init__(
        self,
        move: Move,
        journal: Journal,
        *,
        reached: Callable[[float], int] | None = None,
        ended: Callable[[], bool] = lambda: False,
        followed: bool = True,
        paced: bool = False,
    ) -> None:
        """Take the move; `reached` asks the stream, where that is stepped by the same owner; `ended` ends waiting.

        A source that stands still is not `followed` by a stream. Outside the down time the pass is `paced`.
        """
        self._pace = Pace(journal) if paced else None
        self._move, self._journal, self._ended, self._followed = move, journal, ended, followed
        self._reached = reached or self._ask
        self._source: Source | None = None

    def open(self) -> None:
        """Connect to the source."""
        move = self._move
        self._source = Source(
            move.source, plan=move.plan, property_code=move.property_code, name=f"{move.name} generate",
            publication=publication(move.rehearses or move.name) if self._followed else None,
        )  # fmt: skip
        self.generator = Generator(
            source=self._source,
            journal=self._journal,
            spool=SealedSpool(move.source_spool, seal=seal_of(self._journal.connection, move=move)),
            plan=move.plan,
            names=Names(move.name, move.property_code),
            reached=self._reached,
        )
        self._ahead = Ahead(move, self._journal, self._source, ended=self._ended)
        self._journal.listen()

    @property
    def source(self) -> Source:
        """What reads the source; an instant lasts inside a transaction of its connection."""
        assert self._source is not None  # noqa: S101 -- opened before it is asked for
        return self._source

    def step(self) -> int:
        """Make a batch, if there is something to make one of; now and then verify ahead at its instant."""
        if self._journal.current() is None:
            return 0  # Synchronization has yet to begin the first incarnation
        self.generator.free_lost()
        queued = self._journal.batches_queued()
        if queued >= _LARGEST_QUEUE:
            return 0
        if self._ahead.is_due(queued):
            batch = self.generator.batch(even_if_empty=True, held=self._ahead.verify)
        else:
            batch = self.generator.batch(passing=self._pace is None or self._pace.passes())
        if batch and self._pace is not None:
            self._pace.took(batch.objects)
        return max(batch.objects, 1) if batch else 0

    def idle(self, seconds: float) -> None:
        """Wait for news in the journal; what was streamed before it was visible is asked for again soon."""
        self._journal.wait(0.02 if self._journal.pending() else seconds)

    def lag_seconds(self) -> None:
        """Leave it to the journal to tell."""

    def close(self) -> None:
        """Close the source."""
        if self._source is not None:
            self._source.close()

    def _ask(self, seconds: float) -> int:
        if self._ended() or not self._journal.wanted():
            raise InterruptedError  # Synchronization, which would answer, is stopped before this one
        if waits_for := self._journal.earlier_ended():
            self._journal.say("waiting", waits_for=waits_for)
            self._journal.wait(_STOPPED_SECONDS)
        self._journal.wake("synchronization")
        self._journal.wait(seconds)
        return self._journal.reached()


class Transfer:
    """From the source's spool to the target's, the same bytes."""

    def __init__(self, move: Move, journal: Journal) -> None:
        """Take the move."""
        self._move, self._journal = move, journal

    def open(self) -> None:
        """Open both spools."""
        self._from, self._to = Spool(self._move.source_spool), Spool(self._move.target_spool)
        self._journal.listen()

    def step(self) -> int:
        """Bring one batch over; one that is lost here too is made again."""
        batch = self._journal.next_batch("generated")
        if batch is None:
            return 0
        try:
            self._to.fetch(self._from, name=batch.file, checksum=batch.checksum)
        except (CorruptFile, MissingFile) as error:
            self._journal.lose(batch.number, reason=str(error))
            return 1
        self._journal.transferred(batch.number)
        return max(batch.objects, 1)

    def idle(self, seconds: float) -> None:
        """Wait for a batch."""
        self._journal.wait(seconds)

    def lag_seconds(self) -> None:
        """Leave it to the journal to tell."""

    def close(self) -> None:
        """Nothing is open."""


class Process:
    """From the target's spool to rows of the target."""

    def __init__(self, move: Move, journal: Journal, *, prove: Prove | None = None) -> None:
        """Take the move; with `prove` the target is open, and its guard judges us like everybody (see `apply`)."""
        self._move, self._journal, self._prove = move, journal, prove
        self.connection: psycopg.Connection[TupleRow] | None = None

    def open(self) -> None:
        """Connect to the target, while it is closed as the mover."""
        move = self._move
        self._spool = SealedSpool(move.target_spool, seal=seal_of(self._journal.connection, move=move))
        role = "slacktide_mover" if self._prove is None else None
        self.connection = connect(move.target, name=f"{move.name} process", role=role)
        self.applier = Applier(
            self.connection,
            plan=move.plan,
            move=move.name,
            source_property=move.property_code,
            target_property=move.target_property,
            allow_absent=bool(move.facts.get("allow_absent")),
            prove=self._prove,
            kept=kept_codes(self._journal.connection, move=move),
        )
        reconcile(self._journal, self.applier, move=move.name)
        self._journal.listen()

    def step(self) -> int:
        """Apply one batch; one whose file is not what it was is brought over again, one that was forged made again."""
        batch = self._journal.next_batch("transferred")
        if batch is None:
            return 0
        try:
            content = message.read(self._spool.read(batch.file, checksum=batch.checksum), plan=self._move.plan)
        except (CorruptFile, MissingFile):
            self._spool.remove(batch.file)
            self._journal.fetch_again(batch.number)
            return 1
        except ForgedFile as error:  # its checksum holds, so that the source's spool has the same
            self._journal.lose(batch.number, reason=str(error))
            return 1
        passing = self._move.back_of is not None and self._journal.passing(batch.number)
        applied = self.applier.apply(batch, content, passing=passing)
        self._journal.processed(
            batch.number, written=applied.written, arrived=applied.arrived, problems=applied.problems
        )
        return max(batch.objects, 1)

    def idle(self, seconds: float) -> None:
        """Wait for a batch."""
        self._journal.wait(seconds)

    def lag_seconds(self) -> None:
        """Leave it to the journal to tell."""

    def close(self) -> None:
        """Close the target."""
        if self.connection is not None:
            self.connection.close()


def work_of(process: str, *, move: Move, journal: Journal, ended: Callable[[], bool] = lambda: False) -> Work:
    """Give the work of one process by its name; what it waits for inside a step ends with `ended`."""
    kinds: dict[str, Callable[[Move, Journal], Work]] = {
        "synchronization": Synchronization,
        "generate": lambda move, journal: Generate(move, journal, ended=ended, paced=True),
        "transfer": Transfer,
        "process": Process,
    }
    return kinds[process](move, journal)
