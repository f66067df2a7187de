"""The spools: folders in which batches lie as compressed and sealed files, named by their content.

A file is written beside its place, made durable, and renamed; its name holds its number and the start of its
checksum, so that an owner who woke too late cannot write over the file of the one who took over. The checksum is that
of the bytes as they lie there, so that who carries a file from one spool to another needs no key. See `seal`.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import zstandard

from slacktide.core.errors import OutsideError
from slacktide.transfer.message import MalformedBatch

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from slacktide.transfer.seal import Seal

_CHUNK = 1 << 20
_LARGEST = 4 << 30  # bytes of a batch when unpacked; a backlog of a million objects stays below
_LEVEL = 1


class CorruptFile(OutsideError):
    """The spool file {path} is not what was written: its SHA-256 is {found}, not {expected}. It is made again."""


class MissingFile(OutsideError):
    """The spool file {path} is not there. It is made again."""


class NotWritable(OutsideError):
    """The spool {folder} cannot be written: {reason}. Make room there, or mend that; then it goes on by itself."""


class Written(msgspec.Struct, frozen=True):
    """A file in a spool: its name, its SHA-256 and its size."""

    name: str
    checksum: str
    bytes: int


class Spool:
    """One folder of batch files."""

    def __init__(self, folder: Path) -> None:
        """Take the folder, making it where it is missing, readable by its owner only."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder = folder

    def path(self, name: str) -> Path:
        """Give the place of a file."""
        return self.folder / name

    def fetch(self, other: Spool, *, name: str, checksum: str) -> None:
        """Bring a file from another spool, the same bytes. Raises MissingFile, CorruptFile, NotWritable."""
        if self._holds(name, checksum):
            return
        written = self._put(other.bytes_of(name), number=_number_of(name))
        if written.checksum != checksum:
            self.path(written.name).unlink(missing_ok=True)
            raise CorruptFile(path=other.path(name), found=written.checksum, expected=checksum)

    def bytes_of(self, name: str) -> Iterator[bytes]:
        """Give a file's bytes in pieces. Raises MissingFile."""
        try:
            with self.path(name).open("rb") as file:
                while chunk := file.read(_CHUNK):
                    yield chunk
        except FileNotFoundError:
            raise MissingFile(path=self.path(name)) from None

    def remove(self, name: str) -> None:
        """Remove a file that is no longer needed."""
        self.path(name).unlink(missing_ok=True)

    def _holds(self, name: str, checksum: str) -> bool:
        return self.path(name).exists() and self._checksum(name) == checksum

    def _checksum(self, name: str) -> str:
        digest = hashlib.sha256()
        for chunk in self.bytes_of(name):
            digest.update(chunk)
        return digest.hexdigest()

    def _put(self, pieces: Iterable[bytes], *, number: int) -> Written:
        making = self.folder / f".{number:08d}.{os.getpid()}.part"
        try:
            written = self._put_beside(making, pieces, number=number)
            making.rename(self.path(written.name))
            self._make_names_durable()
        except BaseException as error:
            making.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise NotWritable(folder=self.folder, reason=os.strerror(error.errno or 0)) from error
            raise
        return written

    def _put_beside(self, making: Path, pieces: Iterable[bytes], *, number: int) -> Written:
        digest, size = hashlib.sha256(), 0
        with making.open("wb") as file:
            for piece in pieces:
                digest.update(piece)
                size += file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        checksum = digest.hexdigest()
        return Written(f"{number:08d}-{checksum[:16]}.sealed", checksum, size)

    def _make_names_durable(self) -> None:
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class SealedSpool(Spool):
    """A spool whose files this process may make and read."""

    def __init__(self, folder: Path, *, seal: Seal) -> None:
        """Take the folder, and what seals the move's files."""
        super().__init__(folder)
        self._seal = seal

    def write(self, pieces: Iterable[bytes], *, number: int) -> Written:
        """Compress and seal pieces into a file of this batch number, durably. Raises NotWritable."""
        packer = zstandard.ZstdCompressor(level=_LEVEL).compressobj()

        def packed() -> Iterator[bytes]:
            yield from (packer.compress(piece) for piece in pieces)
            yield packer.flush()

        return self._put(self._seal.sealed(packed(), number=number), number=number)

    def read(self, name: str, *, checksum: str) -> Iterator[bytes]:
        """Give a file's content in pieces, after its checksum held.

        Raises MissingFile, CorruptFile, and in between ForgedFile, MalformedBatch.
        """
        found = self._checksum(name)
        if found != checksum:
            raise CorruptFile(path=self.path(name), found=found, expected=checksum)
        opened = self._seal.opened(self.bytes_of(name), number=_number_of(name), path=self.path(name))
        size = 0
        try:
            packed = io.BufferedReader(_Pieces(opened), _CHUNK)
            with zstandard.ZstdDecompressor().stream_reader(packed) as unpacked:
                while piece := unpacked.read(_CHUNK):
                    size += len(piece)
                    if size > _LARGEST:
                        raise MalformedBatch(reason=f"it has more than {_LARGEST} bytes when unpacked")
                    yield piece
        except zstandard.ZstdError as error:
            raise MalformedBatch(reason=str(error)) from error


class _Pieces(io.RawIOBase):
    """Pieces as a file that is read from its beginning."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._held = pieces, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        into = memoryview(buffer)
        self._held = self._held or memoryview(next(self._pieces, b""))
        size = min(len(into), len(self._held))
        into[:size], self._held = self._held[:size], self._held[size:]
        return size


def _number_of(name: str) -> int:
    """Give the batch number that a file's name begins with."""
    return int(name.partition("-")[0])
