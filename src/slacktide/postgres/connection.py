"""Connections: how every part of Slacktide opens one, and what a session of ours always has."""

from __future__ import annotations

import shlex
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

from slacktide.core.configuration import resolve_address
from slacktide.core.errors import OutsideError
from slacktide.postgres.fitting import fitting

# Whoever vanishes, with his machine or behind a network that drops everything, is noticed within a minute: by the
# server too, which holds his locks meanwhile. What was sent and is not acknowledged stops the keepalives.
_KEEPALIVES = {"keepalives_idle": 30, "keepalives_interval": 5, "keepalives_count": 3}
_UNACKNOWLEDGED = {"tcp_user_timeout": 45_000}
OF_THE_CLIENT: dict[str, Any] = _KEEPALIVES | _UNACKNOWLEDGED

# The text form of every value is fixed, whatever the server's or the role's own settings are. So is the isolation,
# where a transaction does not say otherwise: who waited for a lock has to see what was committed meanwhile.
FIXED_SETTINGS = (
    "-c DateStyle=ISO,YMD -c TimeZone=UTC -c IntervalStyle=postgres -c lc_monetary=C "
    "-c extra_float_digits=1 -c bytea_output=hex -c client_encoding=UTF8 -c standard_conforming_strings=on "
    "-c default_transaction_isolation=read\\ committed "
    + " ".join(f"-c tcp_{name}={value}" for name, value in _KEEPALIVES.items())
)
_OF_THE_SERVER = " ".join(f"-c {name}={value}" for name, value in _UNACKNOWLEDGED.items())


class Unreachable(OutsideError):
    """The database {address} cannot be reached: {reason}. See that it runs and that the address is right."""


_BESIDE = "beside"


def beside(address: str, *, database: str) -> str:
    """Give the address of another database of the same server; what `address` refers to stays a reference."""
    return f"{_BESIDE}:{database}:{address}"


def resolved(address: str) -> str:
    """Give what psycopg takes for an address of ours. Raises UnknownReference."""
    kind, _, rest = address.partition(":")
    if kind != _BESIDE:
        return resolve_address(address)
    database, _, other = rest.partition(":")
    return make_conninfo(resolved(other), dbname=database)


def shown(address: str) -> str:
    """Give an address as it may be shown: references stay references, and a password is left out."""
    if address.startswith(f"{_BESIDE}:"):
        _, database, other = address.split(":", 2)
        return f"{database} beside {shown(other)}"
    if address.startswith(("env:", "file:")):
        return address
    facts = conninfo_to_dict(address)
    facts.pop("password", None)
    return make_conninfo("", **facts)


def has_password(address: str) -> bool:
    """Tell whether an address contains a password itself."""
    return not address.startswith(("env:", "file:")) and "password" in conninfo_to_dict(address)


def own_address(connection: psycopg.Connection[Any]) -> str:
    """Give an address by which another connection to the same database is opened; it may contain a password."""
    facts = connection.info.get_parameters()
    own = {
        name: facts[name]
        for name in ("host", "hostaddr", "port", "user", "dbname", "passfile", "sslmode")
        if name in facts
    }
    return make_conninfo("", **own, **({"password": connection.info.password} if connection.info.password else {}))


def copyable(address: str) -> str:
    """Give an address as a command in a text takes it, quoted for the shell; `URL` where it contains a password."""
    return "URL" if has_password(address) else shlex.quote(address)


def connect(
    address: str,
    *,
    name: str,
    autocommit: bool = True,
    role: str | None = None,
    search_path: str = "pg_catalog",
    options: str = "",
    timeout_seconds: int = 10,
    **parameters: Any,
) -> psycopg.Connection[TupleRow]:
    """Open a connection to `address` (a URL, or `env:NAME` or `file:PATH`).

    `name` is shown in pg_stat_activity after "slacktide ". With `role` the session acts as that role. The text form of
    values is fixed, and without another `search_path` every name is written with its schema. What
    `parameters` say otherwise counts. Raises Unreachable.
    """
    facts = session_parameters(
        name=name, role=role, search_path=search_path, options=options, timeout_seconds=timeout_seconds
    )
    try:
        return psycopg.connect(resolved(address), autocommit=autocommit, **facts | parameters)
    except psycopg.OperationalError as error:
        raise Unreachable(address=shown(address), reason=" ".join(str(error).split())) from error


def session_parameters(
    *,
    name: str,
    role: str | None = None,
    search_path: str = "pg_catalog",
    options: str = "",
    timeout_seconds: int = 10,
) -> dict[str, Any]:
    """Give what every connection of ours is opened with, for who opens one otherwise, such as a pool."""
    settings = f"{FIXED_SETTINGS} {_OF_THE_SERVER} -c search_path={search_path} {options}"
    return {
        "application_name": fitting(f"slacktide {name}"),
        "options": settings + (f" -c role={role}" if role else ""),
        "connect_timeout": timeout_seconds,
        **OF_THE_CLIENT,
    }
