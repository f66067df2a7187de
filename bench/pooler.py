"""A real pgbouncer in transaction mode before an embedded server, on the loopback only, for as long as a block runs."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

from slacktide.postgres.server import Server

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
ABSENT = "pgbouncer is not installed here (Debian pgbouncer)"
_NOBODY = 65534
_START_SECONDS = 10.0
_CONFIGURATION = """
[databases]
* = host={server} port=5432 pool_size=30
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
pool_mode = transaction
auth_type = trust
auth_file = {folder}/users
logfile = {folder}/log
pidfile = {folder}/pid
max_client_conn = 200
server_reset_query =
"""


@contextlib.contextmanager
def pooled(server: Server, *, database: str, user: str, password: str) -> Iterator[str]:
    """Give the address at which a database can be reached through a pooler, as that user."""
    folder = Path(tempfile.mkdtemp(prefix="slacktide-pooler-"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "users").write_text(f'"{user}" "{password}"\n')
    (folder / "ini").write_text(_CONFIGURATION.format(server=server.socket, port=port, folder=folder))
    as_nobody = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    if as_nobody:  # it refuses to run as root
        for path in (folder, *folder.iterdir()):
            os.chown(path, _NOBODY, _NOBODY)
    running = subprocess.Popen(
        [PGBOUNCER, "-q", folder / "ini"],
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **as_nobody,
    )
    address = f"postgresql://{user}@127.0.0.1:{port}/{database}"
    try:
        _await(address, running, folder / "log")
        yield address
    finally:
        running.terminate()
        running.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _await(address: str, running: subprocess.Popen[bytes], log: Path) -> None:
    limit = time.monotonic() + _START_SECONDS
    while True:
        try:
            psycopg.connect(address, connect_timeout=5).close()
        except psycopg.OperationalError as error:
            if running.poll() is not None or time.monotonic() > limit:
                said = f"pgbouncer did not start: {error}; {log.read_text()[-500:]}"
                raise SystemExit(said) from error
            time.sleep(0.05)
        else:
            return
