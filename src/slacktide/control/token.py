"""Tokens, by which other programs are admitted: gates, proxies, scripts.

A token is shown once, when it is made. What is kept is its SHA-256, which is enough: a token is 256 random bits, so
that nobody finds it from its hash. It names what it is good for (scopes) and, if it is not for all, the organizations
that it may see. A revoked one keeps its row, and its name is free again.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec
import psycopg

from slacktide.control.audit import record_audit
from slacktide.control.organization import organization_of
from slacktide.core.errors import InputError, UsageError
from slacktide.postgres.sql import load

_sql = load("slacktide.control", "token.sql")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")

CALENDAR = "calendar"
SCOPES = ("decide", "schedule", "assert-admin", "api", CALENDAR)
CHANNEL = "slacktide_token"  # NOTIFY on each change of tokens


class BadTokenName(UsageError):
    """{name!r} cannot be a token's name: use letters, digits, "_", "." and "-", at most 64, a letter or digit first."""


class UnknownScope(UsageError):
    """{scope!r} is not a token's scope: give --scope one or more of {known}, with commas between."""


class TokenExists(InputError):
    """There is a token {name} already: choose another name, or `slacktide token revoke {name}` first."""


class UnknownToken(UsageError):
    """There is no token {name!r} that is not revoked: `slacktide token list` shows those that there are."""


class Token(msgspec.Struct, frozen=True):
    """What a token is good for; without organizations it is good for all."""

    name: str
    scopes: tuple[str, ...]
    organizations: tuple[str, ...] = ()
    created_at: datetime | None = None
    revoked_at: datetime | None = None

    def may_see(self, organization: str) -> bool:
        """Tell whether the token is good for an organization."""
        return not self.organizations or organization in self.organizations


def hash_of(secret: str) -> bytes:
    """Give what is kept of a token."""
    return sha256(secret.encode()).digest()


def add_token(
    connection: psycopg.Connection[Any],
    *,
    name: str,
    scopes: Sequence[str],
    organizations: Sequence[str] = (),
    who: str,
    reason: str = "",
) -> tuple[Token, str]:
    """Make a token; give what is kept of it, and the token itself, which nobody can find out later.

    Raises BadTokenName, UnknownScope, TokenExists, UnknownOrganization.
    """
    wanted = tuple(dict.fromkeys(scopes))
    if not _NAME.fullmatch(name):
        raise BadTokenName(name=name)
    for scope in wanted or ("",):
        if scope not in SCOPES:
            raise UnknownScope(scope=scope, known=", ".join(SCOPES))
    secret = f"slacktide_{secrets.token_urlsafe(32)}"
    with connection.transaction():
        codes = [organization_of(connection, code=code).code for code in dict.fromkeys(organizations)]
        facts = {"name": name, "hash": hash_of(secret), "scopes": [*wanted], "organizations": codes, "who": who}
        row = connection.execute(_sql["add"], facts).fetchone()
        if row is None:
            raise TokenExists(name=name)
        token = Token(name, wanted, tuple(codes), row[0])
        record_audit(connection, who=who, what="token add", object=f"token {name}", after=token, reason=reason)
    return token, secret


def revoke_token(connection: psycopg.Connection[Any], *, name: str, who: str, reason: str = "") -> Token:
    """Revoke a token: it is refused from now on. Raises UnknownToken."""
    with connection.transaction():
        row = connection.execute(_sql["revoke"], {"name": name}).fetchone()
        if row is None:
            raise UnknownToken(name=name)
        token = _token(row)
        record_audit(connection, who=who, what="token revoke", object=f"token {name}", after=token, reason=reason)
    return token


def list_tokens(connection: psycopg.Connection[Any]) -> list[Token]:
    """Give all tokens by name, revoked ones too."""
    return [_token(row) for row in connection.execute(_sql["list"])]


def live_tokens(connection: psycopg.Connection[Any]) -> dict[bytes, Token]:
    """Give the tokens that are admitted, by their hashes."""
    rows = connection.execute(_sql["live"])
    return {bytes(key): Token(name, tuple(scopes), tuple(codes)) for key, name, scopes, codes in rows}


def token_of_secret(connection: psycopg.Connection[Any], *, secret: str) -> Token | None:
    """Give the token that is admitted by a secret, if there is one. Looking changes nothing of it."""
    row = connection.execute(_sql["admitted"], {"hash": hash_of(secret)}).fetchone()
    return None if row is None else _token(row)


def _token(row: tuple[Any, ...]) -> Token:
    name, scopes, organizations, created_at, revoked_at = row
    return Token(name, tuple(scopes), tuple(organizations), created_at, revoked_at)
