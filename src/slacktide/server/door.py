"""Who is admitted, by a token in `Authorization: Bearer`.

The live tokens are kept in memory, by their hashes, and read anew when the control database tells of a change, on each
new connection to it, and each minute. A look-up by hash tells nothing of a token by its time. So a token that is
revoked is refused at once; where the control database is silent, with all others once nothing is answered any more for
want of a schedule.
"""

from __future__ import annotations

from typing import Any

import psycopg

from slacktide.control.token import Token, hash_of, live_tokens

_SCHEME = "bearer "


class Door:
    """The live tokens."""

    def __init__(self) -> None:
        """Know nobody yet."""
        self._tokens: dict[bytes, Token] = {}

    def load(self, connection: psycopg.Connection[Any]) -> bool:
        """Read the live tokens; tell whether there is a change."""
        before, self._tokens = self._tokens, live_tokens(connection)
        return before != self._tokens

    def admit(self, authorization: str, *, scope: str) -> Token | None:
        """Give the token of a caller, if it is live and good for the scope."""
        if authorization[: len(_SCHEME)].lower() != _SCHEME:
            return None
        token = self._tokens.get(hash_of(authorization[len(_SCHEME) :].strip()))
        return token if token is not None and scope in token.scopes else None
