"""The control database: where it is, and how a process comes to it.

`SLACKTIDE_DATABASE_URL` names it; without that it is the database `slacktide` of the embedded server, whose
cluster lies in the data folder. Whoever opens it attaches to that server, starting it where none runs, and
leaves it when done.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Self

import psycopg
from psycopg.rows import TupleRow

from slacktide.control.migration import migrate
from slacktide.core.configuration import control_address, data_folder
from slacktide.postgres.connection import Unreachable, connect
from slacktide.postgres.server import Server
from slacktide.postgres.sql import load

_sql = load("slacktide.control", "database.sql")
_DATABASE = "slacktide"


class Control:
    """The open control database: its address, and the embedded server where it is on that.

    Leaving detaches.
    """

    def __init__(self, *, address: str, server: Server | None = None) -> None:
        """Take the address and, for the embedded server, the attached server."""
        self.address = address
        self.server = server

    def __enter__(self) -> Self:
        """Use it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave it."""
        self.close()

    def connect(self, *, name: str, **parameters: Any) -> psycopg.Connection[TupleRow]:
        """Open a connection, shown to the server under `name`; parameters as for `postgres.connection`."""
        return connect(self.address, name=name, **parameters)

    def close(self) -> None:
        """Leave the embedded server; the last one to leave stops it."""
        if self.server is not None:
            self.server.leave()


def open_control(environment: Mapping[str, str] = os.environ) -> Control:
    """Open the control database, its tables up to date.

    Raises Unreachable, ServerNotStarted, ControlNewer, MigrationFailed.
    """
    address = control_address(environment)
    if address is not None:
        migrate(address=address)
        return Control(address=address)
    server = Server(data_folder(environment))
    server.attach()
    try:
        _ensure(server)
    except BaseException:
        server.leave()
        raise
    return Control(address=server.address(_DATABASE), server=server)


def _ensure(server: Server) -> None:
    """Bring the tables up to date; where that finds no database, make it first."""
    try:
        migrate(address=server.address(_DATABASE))
    except Unreachable:
        with connect(server.address(), name="create") as connection:
            connection.execute(_sql["lock"])  # two that create at once would fail
            if _DATABASE not in server.databases():
                server.create_database(_DATABASE)
        migrate(address=server.address(_DATABASE))
