"""Sealing a spool's files: who has the move's key can read and make them, nobody else can, and each only as what it is.

A file is `slktide1`, 32 random bytes, and chunks of AES-256-GCM. The file's own key is made of the move's key and those
random bytes. A chunk's nonce is its number and whether it is the last; with each goes, as associated data, of which
move, plan, version and batch the file is. The events:

1. Somebody reads the spool's disk, a backup of it, or the wire between two workers: without the key it is noise.
2. A byte was changed, on purpose or not: the chunk's tag does not hold.
3. Chunks were swapped, repeated or left out, or are another file's: the number is another one, or the key.
4. The file was cut at the border of two chunks, or something was put behind it: no chunk says that it is the last, or
   one comes behind that.
5. A file of another move, plan or version, or an older batch's under a newer one's name: the associated data differ.

Nothing of a chunk is given before its tag holds, and what reads a batch applies nothing before the last one has held.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from slacktide.control.secret import expanded_key
from slacktide.core.errors import OutsideError

if TYPE_CHECKING:
    from pathlib import Path

CHUNK_BYTES = 1 << 18
_MAGIC = b"slktide1"
_SALT_BYTES = 32
_HEAD_BYTES = len(_MAGIC) + _SALT_BYTES
_TAG_BYTES = 16
_NUMBER_BYTES = 11
_PURPOSE = "a file in a spool"


class ForgedFile(OutsideError):
    """The spool file {path} is not what this move wrote as batch {number} ({what}): it is not applied. It is made again."""  # noqa: E501 -- the message is one sentence


class Seal(msgspec.Struct, frozen=True):
    """What seals and opens the files of a move: its key, and what it is a move of."""

    key: bytes
    move: str
    plan: str
    version: str

    def sealed(self, pieces: Iterable[bytes], *, number: int) -> Iterator[bytes]:
        """Seal the content of a batch's file."""
        salt = os.urandom(_SALT_BYTES)
        yield _MAGIC + salt
        cipher, belongs = self._cipher(salt), self._belongs(number)
        for count, (chunk, last) in enumerate(_chunks(pieces, size=CHUNK_BYTES)):
            yield cipher.encrypt(_nonce(count, last=last), chunk, belongs)

    def opened(self, pieces: Iterable[bytes], *, number: int, path: Path) -> Iterator[bytes]:
        """Open a file that has to be this batch's, chunk by chunk. Raises ForgedFile."""
        head, rest = _headed(iter(pieces))
        if not head.startswith(_MAGIC) or len(head) < _HEAD_BYTES:
            raise ForgedFile(path=path, number=number, what="it is not a sealed file")
        cipher, belongs = self._cipher(head[len(_MAGIC) :]), self._belongs(number)
        for count, (chunk, last) in enumerate(_chunks(rest, size=CHUNK_BYTES + _TAG_BYTES)):
            try:
                yield cipher.decrypt(_nonce(count, last=last), chunk, belongs)
            except InvalidTag:
                what = f"chunk {count + 1}{', the last,' if last else ''} does not hold"
                raise ForgedFile(path=path, number=number, what=what) from None

    def _cipher(self, salt: bytes) -> AESGCM:
        return AESGCM(expanded_key(self.key, salt=salt, purpose=_PURPOSE))

    def _belongs(self, number: int) -> bytes:
        return json.dumps([self.move, self.plan, self.version, number]).encode()


def _nonce(count: int, *, last: bool) -> bytes:
    return count.to_bytes(_NUMBER_BYTES, "big") + bytes([last])


def _headed(pieces: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Give a file's head, and what comes behind it."""
    head = b""
    while len(head) < _HEAD_BYTES and (piece := next(pieces, b"")):
        head += piece
    return head[:_HEAD_BYTES], chain([head[_HEAD_BYTES:]], pieces)


def _chunks(pieces: Iterable[bytes], *, size: int) -> Iterator[tuple[bytes, bool]]:
    """Give bytes in chunks of a size, and of each whether it is the last; that one may be shorter."""
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) > size:
            yield bytes(held[:size]), False
            del held[:size]
    yield bytes(held), True
