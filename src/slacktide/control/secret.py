"""Keys of the installation, each for one purpose: derived from its secret key, so that nothing more has to be kept.

HKDF (RFC 5869) over SHA-256. Whoever has the same SLACKTIDE_SECRET_KEY, on whatever machine, derives the same keys; a
key tells nothing about the secret or about the key of another purpose. None of them is ever written down.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32


def derived_key(secret: str, *, purpose: str) -> bytes:
    """Give the key of a purpose, 32 bytes."""
    return expanded_key(secret.encode(), salt=b"slacktide", purpose=purpose)


def expanded_key(key: bytes, *, salt: bytes, purpose: str) -> bytes:
    """Give a key made of another one, for a purpose; another salt gives another key."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=purpose.encode()).derive(key)
