"""What a session of ours always has, over TCP too: whoever vanishes is noticed by the other side."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from slacktide.postgres.connection import connect, resolved, session_parameters
from slacktide.postgres.server import Server
from slacktide.postgres.stream import ReplicationStream
from slacktide.transfer.verify_read import Reader
from tests.memory import memory

KEPT_ALIVE = {"tcp_keepalives_idle": "30", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}
GIVEN_UP = {"tcp_user_timeout": "45000"}
OF_THE_CLIENT = {"keepalives_idle": "30", "keepalives_interval": "5", "keepalives_count": "3",
                 "tcp_user_timeout": "45000"}  # fmt: skip


@pytest.fixture(scope="module")
def address():
    """Give the address of a server that listens at a loopback address of this process's own."""
    folder = Path(tempfile.mkdtemp(prefix="slacktide-test-", dir=memory()))
    host = f"127.{1 + os.getpid() // 62_500 % 250}.{1 + os.getpid() // 250 % 250}.{1 + os.getpid() % 250}"
    with Server(folder, settings={"fsync": "off", "listen_addresses": host}) as server:
        yield f"postgresql://slacktide@{host}/postgres?passfile={server.passfile}"
    shutil.rmtree(server.cluster, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def of_the_server(session):
    """Give what the kernel has for the server's end; asked without parameters, for a walsender takes none."""
    return {name: session.exec_(f"show {name}".encode()).get_value(0, 0).decode() for name in KEPT_ALIVE | GIVEN_UP}


def of_the_client(session):
    """Give what libpq was told for the client's end."""
    told = {option.keyword.decode(): option.val for option in session.info}
    return {name: (told[name] or b"").decode() for name in OF_THE_CLIENT}


def test_who_vanishes_is_noticed(address):
    """The server of a session gives a client up that has vanished, with its locks, and the client such a server."""
    with connect(address, name="test") as connection:
        assert of_the_server(connection.pgconn) == KEPT_ALIVE | GIVEN_UP
        assert of_the_client(connection.pgconn) == OF_THE_CLIENT
    with psycopg.connect(resolved(address), **session_parameters(name="pool")) as connection:
        assert of_the_server(connection.pgconn) == KEPT_ALIVE | GIVEN_UP


def test_a_stream(address):
    """So does a stream; how long a slow reader is waited for is the server's own `wal_sender_timeout`."""
    with ReplicationStream(address, name="test") as stream:
        session = stream._raw  # noqa: SLF001 -- the session itself is asked
        assert of_the_server(session) == KEPT_ALIVE | {"tcp_user_timeout": "0"}
        assert of_the_client(session) == OF_THE_CLIENT
        assert stream.create_slot("vanishing").consistent_point


def test_who_waits_for_the_other_side(address):
    """A side that is read whole is not given up while its reader waits for the other side and takes nothing."""
    with connect(address, name="test") as connection, connection.transaction():
        statement = psycopg.sql.SQL("select current_setting('tcp_user_timeout')")
        assert [*Reader(connection, None).lines(statement, whole=True)] == [b"0\n"]


def test_over_a_socket(database):
    """Over a socket there is nobody who could vanish, and the settings do no harm."""
    with connect(database, name="test") as connection:
        assert connection.execute("show tcp_keepalives_idle").fetchone() == ("0",)


def test_the_text_of_a_value(database):
    """The text of a value is the same whatever the database's own settings are: money's, too, is of no country."""
    others = {"lc_monetary": "POSIX", "datestyle": "German", "intervalstyle": "sql_standard", "timezone": "Asia/Tokyo",
              "bytea_output": "escape", "extra_float_digits": "0"}  # fmt: skip
    with psycopg.connect(database, autocommit=True) as connection:
        for name, value in others.items():
            setting = sql.SQL("alter database {} set {} = {}")
            of = sql.Identifier(connection.info.dbname)
            connection.execute(setting.format(of, sql.Identifier(name), sql.Literal(value)))
    with connect(database, name="test") as connection:
        asked = "select name, setting from pg_settings where lower(name) = any (%s)"
        assert {name.lower(): setting for name, setting in connection.execute(asked, [list(others)])} == {
            "lc_monetary": "C", "datestyle": "ISO, YMD", "intervalstyle": "postgres", "timezone": "UTC",
            "bytea_output": "hex", "extra_float_digits": "1",
        }  # fmt: skip
