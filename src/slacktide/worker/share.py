"""Which of the wanted processes a worker starts: its share, each claimed, and whatever nobody else starts in time.

Who owns a process is decided by the child's own lock alone. A claim only spares children that would end again. Events:

1. Three workers hear of forty processes at once: without claims each starts all forty, and two thirds end again.
2. One of them would claim all: each takes no more than the wanted ones divided by the workers that live.
3. A worker hangs with its claims, or cannot start a child: after some seconds another one starts it, claimed or not.
4. A worker carries as many moves as it may: the rest waits for a free place. A down time never does: what it needs is
   less than what its move has just given back, and its property is closed. What is miscellaneous neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from slacktide.core import clock
from slacktide.postgres import sql
from slacktide.transfer.journal import DOWN_TIME, OWNED, PROCESSES
from slacktide.worker import presence

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

_CLASS = 0x51AE
_STATEMENTS = sql.load(__package__, "worker.sql")
_PATIENCE_SECONDS = 30.0  # a loaded machine takes so long to start some dozens of children
_DOWN_TIME_PATIENCE_SECONDS = 5.0

Key = tuple[str, str]


class Share:
    """The share of one worker, over the connection by which it lives."""

    def __init__(self, connection: psycopg.Connection[TupleRow], *, most_moves: int) -> None:
        """Carry so many moves at the most."""
        self._connection = connection
        self._most = most_moves * len(PROCESSES)
        self._first_seen: dict[Key, float] = {}

    def choose(self, wanted: list[Key], *, carried: int) -> list[Key]:
        """Give those of the wanted processes (move, process) to start now, beside so many that it carries."""
        now = clock.monotonic_seconds()
        self._first_seen = {key: self._first_seen.get(key, now) for key in wanted}
        share = min(self._fair(), self._most) if wanted else 0
        chosen: list[Key] = []
        for key in wanted:
            late = now - self._first_seen[key] > (
                _DOWN_TIME_PATIENCE_SECONDS if key[1] == DOWN_TIME else _PATIENCE_SECONDS
            )
            has_place = key[1] not in PROCESSES or carried < (self._most if late else share)
            if has_place and (self._claim(key) or late):
                chosen.append(key)
                carried += key[1] in PROCESSES
        return chosen

    def release(self, key: Key) -> None:
        """Let others start a process whose child has ended."""
        self._connection.execute(_STATEMENTS["unclaim"], self._facts(key))

    def _fair(self) -> int:
        """Give how many processes each worker has, if all have the same number."""
        (demand,) = self._connection.execute(_STATEMENTS["demand"], {"processes": [*PROCESSES]}).fetchone() or (0,)
        return -(-int(demand) // max(1, presence.count_workers(self._connection)))

    def _claim(self, key: Key) -> bool:
        row = self._connection.execute(_STATEMENTS["claim"], self._facts(key)).fetchone()
        return row is not None and bool(row[0])

    @staticmethod
    def _facts(key: Key) -> dict[str, object]:
        return {"class": _CLASS, "name": key[0], "process": key[1], "processes": [*OWNED]}
