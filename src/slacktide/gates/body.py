"""A request's body, kept until it is complete, and then read by the application as if it came just now.

A request is judged when its body is complete. The simplest way in which that is right is not to call the application
before: it has done nothing that would have to be undone. A small body stays in memory, a large one goes to a file,
which goes with whoever reads it. Half a body often reads like a whole one; what was cut off is refused.
"""

from __future__ import annotations

import io
import tempfile
from typing import BinaryIO

IN_MEMORY_BYTES = 1024 * 1024
PIECE_BYTES = 64 * 1024


class CutOff(Exception):
    """The request ended before it was complete. Nothing was done: send it again."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__(type(self).__doc__)


class _File(io.BufferedRandom):
    """A file without a name, that is closed with the last who holds it."""

    def __del__(self) -> None:
        self.close()


class Body:
    """A body that is being received."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._bytes = 0
        self._kept: io.BytesIO | _File = io.BytesIO()

    def write(self, piece: bytes) -> None:
        """Keep what came next."""
        self._bytes += len(piece)
        if self._bytes > IN_MEMORY_BYTES and isinstance(self._kept, io.BytesIO):
            file = _File(tempfile.TemporaryFile(buffering=0))  # noqa: SIM115 -- closed with who holds it
            file.write(self._kept.getvalue())
            self._kept = file
        self._kept.write(piece)

    def read(self) -> BinaryIO:
        """Give it to be read from its beginning."""
        self._kept.seek(0)
        return self._kept
