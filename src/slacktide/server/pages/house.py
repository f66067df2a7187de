"""What all requests of one site share: its connections, its keeper, its secrets. It comes with the WSGI environment."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import psycopg
from django.http import HttpRequest
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from slacktide.control.organization import list_organizations
from slacktide.control.setting import list_settings
from slacktide.core.configuration import resolve_address
from slacktide.gates.keeper import Keeper
from slacktide.notice.banner import Banner, banners
from slacktide.notice.occurrence import Known
from slacktide.postgres.connection import session_parameters

KEY = "slacktide.house"
CONNECTIONS = 12
_WAIT_SECONDS = 10.0
_SILENT_SECONDS = 20.0  # the keeper looks every 15

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
        self._announced: tuple[str | None, Known] | None = None
        self._pool = ConnectionPool(
            resolve_address(address),
            kwargs={"autocommit": True, **session_parameters(name="site")},
            min_size=0,
            max_size=2 * CONNECTIONS,  # a page that holds one may need another for its frame
            timeout=_WAIT_SECONDS,
            open=False,
            name="site",
            check=ConnectionPool.check_connection,
        )

    @contextmanager
    def connection(self, *, wait_seconds: float = _WAIT_SECONDS) -> Iterator[Connection]:
        """Give a connection to the control database, in autocommit."""
        self._pool.open()
        with self._pool.connection(wait_seconds) as connection:
            yield connection

    def announced(self, *, organizations: Collection[str] | None) -> list[Banner]:
        """Give the downtimes to be shown on pages: of the site and of some organizations (None: of all)."""
        moment = self.keeper.moment()
        if self._announced is None or self._announced[0] != moment.tag:
            with self.connection() as connection:
                found = Known(
                    list_settings(connection), {o.code: o for o in list_organizations(connection)}, moment.now
                )
            self._announced = (moment.tag, found)
        known = msgspec.structs.replace(self._announced[1], now=moment.now)
        return banners(known=known, organizations=organizations)

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
    """Give a connection for a request; nobody waits for long while the control database is known to be silent."""
    age = keeper_of(request).moment().age_seconds
    silent = age is not None and age > _SILENT_SECONDS
    return house_of(request).connection(wait_seconds=1.0 if silent else _WAIT_SECONDS)
