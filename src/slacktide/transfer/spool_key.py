"""The key of a move's spool: random, and kept in the control database wrapped by the installation's secret key.

1. Two processes need it at once, on two machines: both make one, and the first one that is written down holds.
2. A worker has another SLACKTIDE_SECRET_KEY: it cannot unwrap the key, says so, and writes nothing.
3. Somebody has the control database, or a backup of it, and the spool: without the secret key he can read neither.
4. The move is cleaned: its key goes, so that what a backup still has of its spool can be read by nobody.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from slacktide.control.secret import KEY_BYTES, derived_key
from slacktide.core.configuration import secret_key
from slacktide.core.errors import OutsideError
from slacktide.postgres import sql
from slacktide.transfer.seal import Seal

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.transfer.move import Move

_STATEMENTS = sql.load(__package__, "spool_key.sql")
_NONCE_BYTES = 12


class OtherSecretKey(OutsideError):
    """The spool of {move} was sealed under another SLACKTIDE_SECRET_KEY than this process has: give the same one to every worker and command, then `slacktide move processes start {move}`. Where that one is lost, begin again: `slacktide move clean {move} --apply`."""  # noqa: E501 -- the message is one sentence


def seal_of(connection: psycopg.Connection[TupleRow], *, move: Move) -> Seal:
    """Give what seals a move's files; its key is made by whoever needs it first. Raises OtherSecretKey."""
    cipher = AESGCM(derived_key(secret_key(), purpose="wrapping of spool keys"))
    nonce, belongs = os.urandom(_NONCE_BYTES), move.name.encode()
    made = nonce + cipher.encrypt(nonce, os.urandom(KEY_BYTES), belongs)
    facts = {"move_id": move.move_id, "wrapped": made}
    connection.execute(_STATEMENTS["keep_key"], facts)
    row = connection.execute(_STATEMENTS["key"], facts).fetchone()
    wrapped: bytes = row[0] if row else made
    try:
        key = cipher.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], belongs)
    except InvalidTag:
        raise OtherSecretKey(move=move.name) from None
    return Seal(key, move=move.name, plan=move.plan.name, version=str(move.plan.version))
