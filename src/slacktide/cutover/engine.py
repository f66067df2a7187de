"""The four processes in one hand: the procedure steps them itself, up to the barrier.

It takes the locks of all four, so that nobody else can run them meanwhile. The events:

1. Another property of the same source trades heavily: the stream never pauses, and each batch finds something new. What
   has to come over ends at the position that the source's log had when draining began, and nothing behind it is waited
   for: a batch made after that holds everything that was committed before.
2. Its commit is in the stream and stays invisible (a synchronous standby is away): no batch can take it; none waits.
3. A batch is lost in both spools: it is made again before draining ends.
4. An object arrives that others waited for: these are asked for again, however many waited for one another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from slacktide.core import clock
from slacktide.core.errors import OutsideError
from slacktide.transfer.journal import BATCH_STATES, PROCESSES, Journal
from slacktide.transfer.process import Generate, Process, Synchronization, Transfer
from slacktide.transfer.source import await_stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from slacktide.transfer.entry import Batch
    from slacktide.transfer.generate import Held
    from slacktide.transfer.move import Move

_LOOK_SECONDS = 30.0


class BatchLost(OutsideError):
    """The file of batch {number} was lost in both spools before it was applied. It is made again."""


class Engine:
    """The four processes of one move, stepped by one owner."""

    def __init__(self, move: Move, journal: Journal) -> None:
        """Take the locks of the four processes on the journal's connection. Raises OwnedElsewhere."""
        self._journals = {
            name: Journal(journal.connection, move_id=journal.move_id, process=name) for name in PROCESSES
        }
        for own in self._journals.values():
            own.own()
        self.journal = journal
        self.batch_seconds = 0.0
        self.synchronization = Synchronization(move, self._journals["synchronization"])
        self.generate = Generate(move, self._journals["generate"], reached=self._reached)
        self.transfer = Transfer(move, self._journals["transfer"])
        self.process = Process(move, self._journals["process"])

    def __enter__(self) -> Self:
        """Open all four."""
        for work in (self.synchronization, self.generate, self.transfer, self.process):
            work.open()
        return self

    def __exit__(self, *_: object) -> None:
        """Close all four."""
        for work in (self.synchronization, self.generate, self.transfer, self.process):
            work.close()

    def drain(self, *, progress: Callable[[int], None] = lambda _: None) -> None:
        """Bring to the target what is committed by now, and what is left of the pass; `progress` may end it."""
        self._read_up_to_now(progress)
        done = self._through(0)
        while True:
            self.generate.generator.free_lost()
            batch = self.generate.generator.batch(even_if_empty=True)
            done += self._through(batch.objects if batch else 0)
            progress(done)
            if batch is not None and not (self.journal.batches_queued() or self.journal.is_left()):
                return

    def _read_up_to_now(self, progress: Callable[[int], None]) -> None:
        """Journal the stream up to where the source's log ends now: a backlog is read while no instant is held."""
        source = self.generate.source
        position = source.position()

        def reached(seconds: float) -> int:
            progress(0)
            return self._reached(seconds)

        while not await_stream(source=source, position=position, reached=reached, limit_seconds=_LOOK_SECONDS):
            pass

    def batch(self, *, held: Held | None = None) -> Batch | None:
        """Make one batch, empty or not, and bring it to the target; `held` is called while its instant lasts.

        `batch_seconds` is then how long it took until it was applied.
        Raises BatchLost; then `drain` makes it again.
        """
        begun = clock.monotonic_seconds()

        def carried(batch: Batch) -> None:
            self._through(1)
            if self.journal.batch_state(batch.number) != BATCH_STATES[-1]:
                raise BatchLost(number=batch.number)
            self.batch_seconds = clock.monotonic_seconds() - begun
            if held is not None:
                held(batch)

        return self.generate.generator.batch(even_if_empty=True, held=carried)

    def _through(self, made: int) -> int:
        """Bring what was made to the target, batch by batch."""
        carried = 0
        while self.transfer.step():
            carried += 1
        while self.process.step():
            carried += 1
        return made + carried

    def _reached(self, seconds: float) -> int:
        self.synchronization.ask()
        self.synchronization.idle(seconds)
        self.synchronization.step()
        return self.journal.reached()
