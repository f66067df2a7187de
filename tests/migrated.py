"""A migrated control database in a tenth of the time: made once in a server, and copied from there.

A copy puts the schedule in doubt (`slacktide.control.origin`), so it is confirmed as what it is: a new one. Whoever
tests the migrations themselves calls `slacktide.control.migration`.
"""

from __future__ import annotations

import os

from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from slacktide.control import migration
from slacktide.postgres.connection import connect
from slacktide.postgres.sql import load

_made: dict[str, str] = {}
_CONFIRM = load("slacktide.control", "origin.sql")["confirm"]


def migrate(*, address: str) -> None:
    """Put a migrated control database in the place of an empty one that nobody is connected to."""
    name = str(conninfo_to_dict(address)["dbname"])
    server = make_conninfo(address, dbname="postgres")
    with connect(server, name="test") as connection:
        template = _made.get(server) or _make(connection, server)
        connection.execute(sql.SQL("drop database {}").format(sql.Identifier(name)))
        copy = sql.SQL("create database {} template {} strategy file_copy")
        connection.execute(copy.format(sql.Identifier(name), sql.Identifier(template)))
    with connect(address, name="test") as connection:
        connection.execute(_CONFIRM)
        connection.execute("update slacktide.origin set id = gen_random_uuid()")


def _make(connection, server):
    template = f"migrated_{os.getpid()}"
    connection.execute(sql.SQL("create database {}").format(sql.Identifier(template)))
    migration.migrate(address=make_conninfo(server, dbname=template))
    _made[server] = template
    return template
