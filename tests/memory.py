"""The server of the tests in memory, where there is room: a database is made there ten times as fast as on a disk.

There is only so much of it, so databases that a test made go with it. On a disk they stay until the end, for dropping
one takes longer there than its test.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import psycopg
from psycopg import conninfo, sql

MEMORY = Path("/dev/shm")  # noqa: S108 -- a folder of its own is made in it
_ROOM_BYTES = 8 * 2**30
_DROP_SLOTS = """
select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = %s and not active
"""


def memory() -> Path | None:
    """Give a file system in memory; None if there is none, or little room."""
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= _ROOM_BYTES else None


def in_memory(folder: object) -> bool:
    """Tell whether a folder lies there."""
    return Path(str(folder)).is_relative_to(MEMORY)


def drop(*addresses: str) -> None:
    """Drop databases with their slots, whoever is connected to them."""
    for address in addresses:
        name = str(conninfo.conninfo_to_dict(address)["dbname"])
        with psycopg.connect(conninfo.make_conninfo(address, dbname="postgres"), autocommit=True) as connection:
            connection.execute(_DROP_SLOTS, [name])
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def drop_from_memory(*addresses: str) -> None:
    """Drop those databases whose server is in memory."""
    drop(*(address for address in addresses if in_memory(conninfo.conninfo_to_dict(address).get("host"))))
