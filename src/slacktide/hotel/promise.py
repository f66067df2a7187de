"""The promise file: every change that committed, so that nobody can lose one unnoticed.

One JSON line for each object that a transaction changed: entity, key as text, version, whether it was deleted, and when
the commit was known. A line is written after the commit and is on the disk before its clerk goes on. The last line of
an object holds; within an object the versions only rise. That takes care, because the order of commits is not the order
in which clerks get to the file:

1. A commits version 5 of an object, and is stopped before it has written its line.
2. B gets the object, changes it to version 6, commits, and comes to the file first.
3. So A has said before its commit what it is about to write (`committing`), and B waits while a lower version of one of
   its own objects is still on its way. Who waits has committed later than the one that is waited for: no circle.

Deletion is final: keys are drawn and never used again; what is booked anew is another object. An object of the property
never leaves it. A posting does, when it is moved to another property's house account: then our folio, which lost it,
has a new version, and the other property's folio is not promised. Of profiles only guests are promised, and a guest
keeps at least one reservation of the property until the profile is deleted, so that a target has to hold it.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Self

import msgspec

from slacktide.core import clock
from slacktide.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_TAIL_BYTES = 1 << 16


class PromisesUnreadable(UsageError):
    """The promise file {file} cannot be read: {reason}. Give a file that `slacktide hotel trade --promises` wrote."""


class BadPromise(UsageError):
    """Line {line} of the promise file {file} is no promise: {reason}."""


class Change(msgspec.Struct, frozen=True):
    """What became of an object: its version, and whether that version is its deletion."""

    version: int
    deleted: bool = False


class Promise(msgspec.Struct, frozen=True):
    """One line of the file."""

    entity: str
    key: str
    version: int
    deleted: bool
    committed_at: datetime


Changes = dict[tuple[str, str], Change]


class PromiseFile:
    """A promise file that several clerks write to. Use it as a context manager."""

    def __init__(self, path: Path) -> None:
        """Take the file's path; lines are added to those it has, after a line torn by a kill is cut off."""
        self._path = path
        self._order = threading.Condition()
        self._disk = threading.Lock()
        self._coming: list[Mapping[tuple[str, str], Change]] = []
        self._written = self._durable = 0
        self.lines = 0

    def __enter__(self) -> Self:
        """Open the file."""
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        _cut_torn_line(self._file)
        folder = os.open(self._path.absolute().parent, os.O_RDONLY)
        os.fsync(folder)  # the file's name has to last as long as its lines
        os.close(folder)
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        os.close(self._file)

    @contextmanager
    def committing(self, changes: Mapping[tuple[str, str], Change]) -> Iterator[None]:
        """Write the changes when the inner block, which commits them, ends well; forget them when it raises."""
        with self._order:
            self._coming.append(changes)
        try:
            yield
            self._write(changes)
        finally:
            with self._order:
                self._coming = [other for other in self._coming if other is not changes]
                self._order.notify_all()

    def _write(self, changes: Mapping[tuple[str, str], Change]) -> None:
        committed_at = clock.now()
        encode = msgspec.json.Encoder().encode
        lines = [
            encode(Promise(entity, key, change.version, change.deleted, committed_at)) + b"\n"
            for (entity, key), change in changes.items()
        ]
        with self._order:
            self._order.wait_for(lambda: not any(_before(other, changes) for other in self._coming))
            _write_all(self._file, b"".join(lines))
            self._written += 1
            self.lines += len(lines)
            mine = self._written
        self._make_durable(mine)

    def _make_durable(self, mine: int) -> None:
        """Bring what was written to the disk; one call serves all who have written by then."""
        with self._disk:
            if self._durable < mine:
                reached = self._written
                os.fsync(self._file)
                self._durable = reached


def last_promises(*, path: Path) -> dict[tuple[str, str], Change]:
    """Read a file and give what holds for each object. Raises PromisesUnreadable and BadPromise.

    A last line without its end was torn by a kill: it was never promised.
    """
    found: dict[tuple[str, str], Change] = {}
    decode = msgspec.json.Decoder(Promise).decode
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    break
                try:
                    promise = decode(line)
                except msgspec.DecodeError as error:
                    raise BadPromise(file=path, line=number, reason=error) from error
                known = found.get((promise.entity, promise.key))
                if known is None or known.version <= promise.version:
                    found[promise.entity, promise.key] = Change(promise.version, promise.deleted)
    except OSError as error:
        raise PromisesUnreadable(file=path, reason=error.strerror) from error
    return found


def _before(other: Mapping[tuple[str, str], Change], mine: Mapping[tuple[str, str], Change]) -> bool:
    """Tell whether another transaction's line of one of my objects has to come before mine."""
    return other is not mine and any(
        key in other and other[key].version < change.version for key, change in mine.items()
    )


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def _cut_torn_line(file: int) -> None:
    size = os.fstat(file).st_size
    tail = os.pread(file, _TAIL_BYTES, max(0, size - _TAIL_BYTES))
    if tail and not tail.endswith(b"\n"):
        os.ftruncate(file, size - len(tail) + tail.rfind(b"\n") + 1)
