"""Names that fit: the server cuts identifiers and application names at 63 bytes, and two that begin alike are one."""

from __future__ import annotations

from hashlib import sha256

_BYTES = 63
_HASH_CHARACTERS = 8


def fitting(name: str) -> str:
    """Give a name as the server keeps it; of one that is too long, its beginning and a hash of all of it."""
    encoded = name.encode()
    if len(encoded) <= _BYTES:
        return name
    return f"{encoded[: _BYTES - _HASH_CHARACTERS - 1].decode(errors='ignore')}~{short_hash(name)}"


def short_hash(name: str) -> str:
    """Give the hash by which names that begin alike are told apart."""
    return sha256(name.encode()).hexdigest()[:_HASH_CHARACTERS]
