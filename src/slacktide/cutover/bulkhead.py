"""A bulkhead between the moves that a worker sees to in turn: what fails at one of them stays there, and is said once.

The same holds for downtimes, and whatever else is seen to in turn.

1. A move cannot be seen to (its database is away, a table of ours or a right is missing, a lock does not come, a folder
   cannot be read): it is left for the next round, and those behind it are seen to in this one.
2. It fails in every round: it is said when it fails first, and when it fails for another reason.
3. The control database is lost: no move can be seen to. The round ends, and its loop connects again.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

from slacktide.core.errors import SlacktideError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg.rows import TupleRow


class Bulkhead:
    """The bulkhead of one loop, which goes on from round to round."""

    def __init__(self, doing: str) -> None:
        """Take what the loop does for a move, as it is to be said."""
        self._doing = doing
        self._said: dict[str, str] = {}

    @contextmanager
    def around(self, move: str, *, control: psycopg.Connection[TupleRow]) -> Iterator[None]:
        """Keep what fails in this block from the other moves, unless the control database is lost."""
        try:
            yield
        except (SlacktideError, psycopg.Error, OSError) as error:
            if control.closed or control.broken:
                raise
            self._say(move, " ".join(str(error).split()))

    def _say(self, move: str, reason: str) -> None:
        if self._said.get(move) != reason:
            self._said[move] = reason
            print(f"slacktide: {move} {self._doing}: {reason}", file=sys.stderr)  # noqa: T201 -- its worker's standard error
