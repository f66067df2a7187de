"""The embedded server: any number of users, killed or not, and nothing left running."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg
import pytest

from slacktide.postgres.server import Server

USER = """
import sys, psycopg
from pathlib import Path
from slacktide.postgres.server import Server
with Server(Path(sys.argv[1])) as server:
    with psycopg.connect(server.address()) as connection:
        asked = "select pg_postmaster_start_time()::text, current_setting('data_directory')"
        print(connection.execute(asked).fetchone())
    sys.stdout.flush()
    sys.stdin.readline()
"""


@pytest.fixture
def folder():
    """Give a folder for a server, removed with its cluster at the end."""
    path = Path(tempfile.mkdtemp(prefix="slacktide-test-"))
    yield path
    shutil.rmtree((path / "cluster").resolve(), ignore_errors=True)
    shutil.rmtree(path, ignore_errors=True)


def use(folder, **named):
    return subprocess.Popen(
        [sys.executable, "-c", USER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **named
    )


def test_two_users_at_once(folder):
    """Of two who begin at once one starts the server; it stays until the last one leaves."""
    users = [use(folder), use(folder)]
    lines = {user.stdout.readline() for user in users}
    assert len(lines) == 1
    assert "data_directory" not in lines
    server = Server(folder)
    assert server.pid() is not None
    users[0].communicate("\n")
    assert server.pid() is not None
    users[1].communicate("\n")
    assert server.pid() is None


def test_killed_user(folder):
    """A user who is killed with -9 holds nothing: the next one that leaves stops the server."""
    user = use(folder)
    user.stdout.readline()
    user.kill()
    user.communicate()
    server = Server(folder)
    assert server.pid() is not None
    with server:
        pass
    assert server.pid() is None


def test_killed_server(folder):
    """A server that is killed with -9 comes back with what was committed, for who is attached and for who comes."""
    server, other = Server(folder), Server(folder)
    with server:
        with psycopg.connect(server.address(), autocommit=True) as connection:
            connection.execute("create table kept (n int); insert into kept values (1)")
        for start in (server.restart, other.attach):
            server.kill()
            start()
            with psycopg.connect(server.address()) as connection:
                assert connection.execute("select n from kept").fetchone() == (1,)
    other.leave()
    assert server.pid() is None


def test_what_a_killed_server_left(folder):
    """A process of a killed server that cannot end is ended by the next start, which it would keep from starting."""
    with Server(folder) as server:
        left = psycopg.connect(server.address())
        backend = left.info.backend_pid
        os.kill(backend, signal.SIGSTOP)
        server.kill()
        server.restart()
        with psycopg.connect(server.address()) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
        with pytest.raises(psycopg.OperationalError):
            left.execute("select 1")
        left.close()


def test_long_path(folder):
    """A folder whose path is too long for a socket gets a short one, which goes with the server."""
    folder.chmod(0o755)
    deep = folder / ("deep" * 20) / ("deeper" * 10)
    with Server(deep) as server:
        assert len(str(server.cluster)) > 100
        with psycopg.connect(server.address("postgres")) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
        socket = server.socket
        assert socket.exists()
    assert not socket.exists()


def test_secret(folder):
    """The password is in no address, and only the owner can read the file that has it."""
    with Server(folder) as server:
        assert "password=" not in server.address()
        assert server.passfile.stat().st_mode & 0o077 == 0
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(server.address(), passfile="/dev/null", connect_timeout=3)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_runs_as_nobody(folder):
    """As root the server runs as nobody, on files that only nobody can read."""
    with Server(folder) as server:
        owner = Path(f"/proc/{server.pid()}").stat().st_uid
        assert owner == 65534
        assert server.cluster.stat().st_uid == 65534
        assert server.cluster.stat().st_mode & 0o077 == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_ordinary_user(folder):
    """An ordinary user runs a server of their own."""
    os.chown(folder, 65534, 65534)
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)}
    try:
        user = use(folder, user=65534, group=65534, extra_groups=[], env=environment, stderr=subprocess.PIPE)
    except PermissionError:
        pytest.skip("this Python lies where an ordinary user cannot read it")
    line = user.stdout.readline()
    _, errors = user.communicate("\n")
    if "ermission" in errors:
        pytest.skip("these programs lie where an ordinary user cannot read them")
    assert str(folder) in line, errors
    assert Server(folder).pid() is None
