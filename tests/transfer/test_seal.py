"""What a seal holds: each file only as what it is, in whatever pieces it is read."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from slacktide.transfer.seal import CHUNK_BYTES, ForgedFile, Seal
from slacktide.transfer.spool import SealedSpool

SEAL = Seal(b"k" * 32, move="m", plan="p", version="1")
HEAD = 40
CHUNK = CHUNK_BYTES + 16  # as it lies in the file
CONTENT = os.urandom(2 * CHUNK_BYTES + 1000)  # of three chunks


def sealed(content=CONTENT, *, seal=SEAL, number=7):
    return b"".join(seal.sealed([content], number=number))


def opened(data, *, seal=SEAL, number=7, size=1000):
    pieces = (data[at : at + size] for at in range(0, len(data), size))
    return b"".join(seal.opened(pieces, number=number, path=Path("a file")))


@pytest.mark.parametrize("length", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES])
def test_opened_is_what_was_sealed(length):
    """Whatever the length, and in whatever pieces it comes, what is opened is what was sealed."""
    data = sealed(CONTENT[:length])
    for size in (1 << 20, CHUNK, 4099):
        assert opened(data, size=size) == CONTENT[:length]


def test_nothing_shows():
    """Sealed twice, the same content is other bytes each time, and none of it can be read."""
    one, other = sealed(b"Ada Lovelace" * 100), sealed(b"Ada Lovelace" * 100)
    assert one != other
    assert b"Ada" not in one + other


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


FIRST, SECOND, LAST = (slice(HEAD + n * CHUNK, HEAD + (n + 1) * CHUNK) for n in range(3))
FORGERIES = {
    "a byte of the head": lambda data: flipped(data, 3),
    "a byte of the salt": lambda data: flipped(data, 20),
    "a byte of the first chunk": lambda data: flipped(data, HEAD),
    "a byte of the last chunk": lambda data: flipped(data, len(data) - 20),
    "the last byte": lambda data: flipped(data, len(data) - 1),
    "chunks swapped": lambda data: data[:HEAD] + data[SECOND] + data[FIRST] + data[LAST],
    "a chunk left out": lambda data: data[:HEAD] + data[FIRST] + data[LAST],
    "a chunk repeated": lambda data: data[:HEAD] + data[FIRST] + data[FIRST] + data[LAST],
    "the last chunk cut off": lambda data: data[: HEAD + 2 * CHUNK],
    "all chunks cut off": lambda data: data[:HEAD],
    "half of the head": lambda data: data[:10],
    "nothing at all": lambda data: data[:0],
    "a byte behind it": lambda data: data + b"x",
    "the file twice": lambda data: data + data,
    "another file's chunk": lambda data: data[:HEAD] + sealed()[FIRST] + data[SECOND] + data[LAST],
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_forged(forgery):
    """A file that is not wholly what was sealed is refused, with its name and its batch."""
    with pytest.raises(ForgedFile, match=r"a file.*batch 7.*made again"):
        opened(FORGERIES[forgery](sealed()))


@pytest.mark.parametrize("field", ["key", "move", "plan", "version"])
def test_foreign(field):
    """A file of another move, plan, version or key is refused."""
    foreign = msgspec.structs.replace(SEAL, **{field: b"x" * 32 if field == "key" else "another"})
    with pytest.raises(ForgedFile):
        opened(sealed(seal=foreign))


def test_older_batch_under_a_newer_name(tmp_path):
    """A batch's file under the name of another one is refused, although its checksum is said to hold."""
    spool = SealedSpool(tmp_path, seal=SEAL)
    older = spool.write([CONTENT], number=1)
    name = older.name.replace("00000001", "00000002")
    spool.path(older.name).rename(spool.path(name))
    with pytest.raises(ForgedFile, match="batch 2"):
        list(spool.read(name, checksum=older.checksum))
