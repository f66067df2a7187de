"""Addresses that lie on the embedded server: it runs while a command uses them.

`database add` prints addresses on the embedded server, which runs only while somebody uses it. So a command that is
given such an address attaches to the server for its own duration, and starts it where none runs.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from slacktide.core.configuration import data_folder
from slacktide.core.errors import UsageError
from slacktide.postgres.connection import resolved
from slacktide.postgres.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator


class BadAddress(UsageError):
    """{address} is not the address of a database: give a URL like postgresql://USER@HOST/DATABASE, or env:NAME or file:PATH that holds one."""  # noqa: E501 -- the message is one sentence


@contextmanager
def reachable(*addresses: str | None) -> Iterator[None]:
    """Keep the embedded server of the data folder running while one of the addresses lies on it.

    Raises BadAddress, UnknownReference, ServerNotStarted.
    """
    server = Server(data_folder())
    hosts = [_host(address) for address in addresses if address is not None]
    if str(server.socket) in hosts:
        with server:
            yield
    else:
        yield


def _host(address: str) -> str:
    try:
        return str(conninfo_to_dict(resolved(address)).get("host", ""))
    except ProgrammingError:  # its text could contain a password
        reference = address.startswith(("env:", "file:"))
        raise BadAddress(address=repr(address) if reference else "What was given") from None
