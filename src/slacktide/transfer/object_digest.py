"""One digest for all objects of an entity: who has the objects can compute it again, and nobody can change one unseen.

An object's record is four fields: the entity, the source's key, the target's key, and the content hash (the SHA-256 of
its canonical form, see `verify_sql`, in hexadecimal). A field is UTF-8, with its length in bytes before it, as four
bytes, the highest first. The digest is the SHA-256 of all records, in the order of the bytes of the source's keys.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

CONSTRUCTION = (
    "SHA-256 of all records in the order of the bytes of the source's keys; a record is entity, source key, target key "
    "and content hash (hexadecimal), each as UTF-8 behind its length in bytes (4 bytes, the highest first); a content "
    "hash is the SHA-256 of an object's canonical form, which is the same on both sides"
)


class EntityDigest(msgspec.Struct, frozen=True):
    """How many objects an entity has, and their digest in hexadecimal."""

    objects: int
    digest: str


def digest_of(entity: str, objects: Iterable[tuple[str, str, str]]) -> EntityDigest:
    """Give the digest of objects (source's key, target's key, content hash), in the order of the source's keys."""
    digest, count = hashlib.sha256(), 0
    start = _field(entity)
    for fields in objects:
        digest.update(start + b"".join(map(_field, fields)))
        count += 1
    return EntityDigest(count, digest.hexdigest())


def _field(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(4, "big") + data
