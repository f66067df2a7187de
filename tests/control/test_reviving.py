"""The embedded server is started again by whoever stays attached to it."""

from __future__ import annotations

import logging
import shutil
import tempfile
from pathlib import Path

import psycopg
import pytest

from slacktide.control.database import Control
from slacktide.control.reviving import revived
from slacktide.postgres.connection import connect
from slacktide.postgres.server import Server
from tests.cutover.moving import until


@pytest.fixture
def own():
    """Give an attached server that no other test uses."""
    folder = Path(tempfile.mkdtemp(prefix="slacktide-test-"))
    with Server(folder) as server:
        yield server
    shutil.rmtree(server.cluster.resolve(), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def answers(server):
    try:
        with psycopg.connect(server.address(), connect_timeout=2) as connection:
            return connection.execute("select count(*) from pg_class where relname = 'kept'").fetchone()
    except psycopg.OperationalError:
        return None


def test_killed(own, caplog):
    """A server that was killed with -9 is there again soon, with what was committed, and the log says so."""
    with connect(own.address(), name="test") as connection:
        connection.execute("create table public.kept ()")
    with revived(Control(address=own.address(), server=own)), caplog.at_level(logging.WARNING):
        own.kill()
        until(lambda: answers(own) == (1,))
    assert "was started again" in caplog.text


def test_a_server_elsewhere(own):
    """A control database that is not the embedded one is not ours to start."""
    own.kill()
    until(lambda: own.pid() is None)
    with revived(Control(address=own.address())):
        assert own.pid() is None
