"""What all requests of one site share: its connections, its keeper, its secrets. It comes with the WSGI environment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import psycopg
from django.http import HttpRequest
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from slacktide.core.configuration import resolve_address
from slacktide.gates.keeper import Keeper
from slacktide.postgres.connection import session_parameters

KEY = "slacktide.house"
CONNECTIONS = 12
_WAIT_SECONDS = 10.0

Connection = psycopg.Connection[TupleRow]


class Provider(msgspec.Struct, frozen=True):
    """An OpenID provider; `claim` is the one that names our user."""

    issuer: str
    client: str
    secret: str
    claim: str = "preferred_username"
    title: str = "single sign-on"


class House:
    """One site. `base_url` is the address under which people reach it, as far as it is known."""

    def __init__(
        self,
        address: str,
        *,
        keeper: Keeper,
        secret: str,
        base_url: str | None = None,
        provider: Provider | None = None,
    ) -> None:
        """Take the control database's address; connections are opened when they are needed."""
        self.keeper, self.secret, self.base_url, self.provider = keeper, secret, base_url, provider
        self._pool = ConnectionPool(
            resolve_address(address),
            kwargs={"autocommit": True, **session_parameters(name="site")},
            min_size=0,
            max_size=CONNECTIONS,
            timeout=_WAIT_SECONDS,
            open=False,
            name="site",
            check=ConnectionPool.check_connection,
        )

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Give a connection to the control database, in autocommit."""
        self._pool.open()
        with self._pool.connection() as connection:
            yield connection

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()


def house_of(request: HttpRequest) -> House:
    """Give the site that a request came to."""
    house: House = request.META[KEY]
    return house


def keeper_of(request: HttpRequest) -> Keeper:
    """Give the keeper that the gate decides by."""
    return house_of(request).keeper


def connected(request: HttpRequest) -> Any:
    """Give a connection for a request."""
    return house_of(request).connection()
