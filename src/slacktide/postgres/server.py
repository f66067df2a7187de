"""The embedded server: one folder that holds a PostgreSQL, started, attached to, recovered and stopped by us.

The folder holds the cluster (`cluster/`), the socket, the log, and the password that only the folder knows
(`passfile`, mode 600), so that an address names the file and never the password.

As root the server runs as `nobody`, on a cluster that `nobody` owns, from binaries that `nobody` can read. Where the
folder lies below one that `nobody` cannot enter, the cluster lives in /var/lib/slacktide and the folder links to it.

Any number of processes use the same folder at once. The events that must not hurt:

1. Two commands start at once: one starts the server, the other attaches. `start.lock` orders them.
2. The one that started it ends first: whoever leaves last stops it. Each holds `use.lock` shared while it uses it, and
   who gets it exclusively on leaving is the last.
3. A user is killed with -9: the kernel gives up its lock; the server stays until the next user leaves.
4. The server is killed with -9: the next start removes nothing, retries while the old shared memory is still there,
   and PostgreSQL recovers from its log. Who of the old server's processes still keeps that after seconds is killed
   too (see `orphan`).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

import psycopg

from slacktide.core import clock
from slacktide.core.errors import OutsideError
from slacktide.postgres import binaries
from slacktide.postgres.orphan import end_orphans

if TYPE_CHECKING:
    from collections.abc import Iterator

_USER = "slacktide"
_NOBODY = 65534
_SOCKET_PATH_LIMIT = 90  # bytes; the kernel takes 107, and ".s.PGSQL.5432" comes behind
_START_SECONDS = 60.0
_ORPHAN_SECONDS = 3.0  # after which what a killed server left does not end by itself any more
_INITDB = ("-A", "scram-sha-256", "-E", "UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C",
           "--no-instructions")  # fmt: skip
_SETTINGS = {
    "listen_addresses": "",
    "wal_level": "logical",
    "max_replication_slots": "256",
    "max_wal_senders": "64",
    "max_connections": "200",
    "max_prepared_transactions": "20",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "wal_sender_timeout": "60s",
    "logging_collector": "off",
    "log_min_messages": "warning",
    "track_commit_timestamp": "on",
    "unix_socket_permissions": "0777",
}


class ServerNotStarted(OutsideError):
    """The embedded server in {folder} did not start: {reason}. Its log is {log}."""


def _as_nobody() -> dict[str, object]:
    return {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


def _open_to_nobody(folder: Path) -> bool:
    """Tell whether `nobody` can enter every folder above this one."""
    return all(parent.stat().st_mode & 0o001 for parent in folder.resolve().parents)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Server:
    """The embedded PostgreSQL of one folder. Use it as a context manager, or `attach` and `leave`."""

    def __init__(self, folder: Path, *, settings: dict[str, str] | None = None) -> None:
        """Take the folder; `settings` are further lines of postgresql.conf for a cluster that is made anew."""
        self.folder = folder.absolute()
        self._settings = _SETTINGS | (settings or {})
        self._use: int | None = None

    # -- where things are ---------------------------------------------------------------------------------------

    @property
    def cluster(self) -> Path:
        """The data folder of PostgreSQL."""
        return (self.folder / "cluster").resolve()

    @property
    def passfile(self) -> Path:
        """The file with the password, readable by its owner only."""
        return self.folder / "passfile"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.cluster / "server.log"

    @property
    def socket(self) -> Path:
        """The folder of the socket: the cluster's own, or a short one where that path is too long for a socket."""
        if len(bytes(self.cluster)) <= _SOCKET_PATH_LIMIT:
            return self.cluster
        return Path("/tmp") / f"slacktide-{hashlib.sha256(bytes(self.cluster)).hexdigest()[:16]}"  # noqa: S108 -- short, checked to be ours

    def address(self, database: str = "postgres") -> str:
        """Give the URL of one database: it names the file that holds the password."""
        return f"postgresql://{_USER}@/{quote(database)}?host={quote(str(self.socket))}&passfile={quote(str(self.passfile))}"

    # -- attach and leave -----------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Attach."""
        self.attach()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave."""
        self.leave()

    def attach(self) -> None:
        """Use the running server; make the cluster and start it where that is needed. Raises ServerNotStarted."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with _locked(self.folder / "start.lock"):
            if not (self.cluster / "PG_VERSION").exists():
                self._make()
            self._start()
            self._use = os.open(self.folder / "use.lock", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._use, fcntl.LOCK_SH)

    def leave(self) -> None:
        """Stop using the server; the last one to leave stops it."""
        if self._use is None:
            return
        with _locked(self.folder / "start.lock"):
            try:
                fcntl.flock(self._use, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._stop()
            except BlockingIOError:
                pass  # somebody else still uses it
            finally:
                os.close(self._use)
                self._use = None

    def destroy(self) -> None:
        """Remove the cluster of a server that nobody uses any more, and the folder."""
        shutil.rmtree(self.cluster, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def kill(self) -> None:
        """Kill the server with -9, as a failing machine would; `restart` brings it back."""
        pid = self.pid()
        if pid is not None:
            os.kill(pid, signal.SIGKILL)

    def restart(self) -> None:
        """Start again after a kill, while still attached."""
        with _locked(self.folder / "start.lock"):
            self._start()

    def pid(self) -> int | None:
        """Give the process of the live postmaster of this folder, or None."""
        try:
            pid = int((self.cluster / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
            command = Path(f"/proc/{pid}/cmdline").read_bytes() if Path("/proc").is_dir() else b"postgres"
            os.kill(pid, 0)
        except (OSError, ValueError):
            return None
        return pid if b"postgres" in command else None

    def create_database(self, name: str) -> bool:
        """Make a database, unless it is there; tell whether it was made."""
        with psycopg.connect(self.address(), autocommit=True) as connection:
            if connection.execute("select 1 from pg_database where datname = %s", [name]).fetchone():
                return False
            connection.execute(
                psycopg.sql.SQL("create database {} encoding 'UTF8'").format(psycopg.sql.Identifier(name))
            )
            return True

    def databases(self) -> list[str]:
        """List the databases by name, without PostgreSQL's own."""
        with psycopg.connect(self.address(), autocommit=True) as connection:
            rows = connection.execute(
                "select datname from pg_database where not datistemplate and datname <> 'postgres' order by 1",
            )
            return [name for (name,) in rows]

    # -- making, starting, stopping ---------------------------------------------------------------------------------

    def _make(self) -> None:
        self._place()
        password = secrets.token_urlsafe(32)
        self._write_secret(self.passfile, f"*:*:*:{_USER}:{password}\n")
        given = self.cluster / ".password"
        self._write_secret(given, password)
        if os.geteuid() == 0:
            os.chown(given, _NOBODY, _NOBODY)
        made = self.cluster / "made"
        shutil.rmtree(made, ignore_errors=True)
        self._run("initdb", "-D", str(made), "-U", _USER, "--pwfile", str(given), *_INITDB)
        given.unlink()
        with (made / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in self._settings.items())
        for item in [*made.iterdir()]:
            if item.name != "PG_VERSION":
                item.rename(self.cluster / item.name)
        (made / "PG_VERSION").rename(self.cluster / "PG_VERSION")  # last: whoever sees it sees a whole cluster
        made.rmdir()

    def _place(self) -> None:
        """Make the cluster's folder where the user who runs the server can use it."""
        named = self.folder / "cluster"
        if os.geteuid() == 0 and not named.exists():
            if _open_to_nobody(self.folder):
                self.folder.chmod(self.folder.stat().st_mode | 0o011)
            else:
                home = binaries.ROOT_FOLDER / "clusters" / secrets.token_hex(8)
                home.mkdir(parents=True)
                named.unlink(missing_ok=True)  # a link to a cluster that is gone
                named.symlink_to(home)
        self.cluster.mkdir(mode=0o700, exist_ok=True)
        self.cluster.chmod(0o700)
        if os.geteuid() == 0:
            os.chown(self.cluster, _NOBODY, _NOBODY)

    def _start(self) -> None:
        if self.pid() is not None and self._answers():
            return
        socket = self.socket
        if socket != self.cluster:
            socket.mkdir(mode=0o755, exist_ok=True)
            if os.geteuid() == 0:
                os.chown(socket, _NOBODY, _NOBODY)
        begun = clock.monotonic_seconds()
        while True:
            result = self._run("pg_ctl", "-D", str(self.cluster), "-l", str(self.log), "-s", "-w",
                               "-t", "60", "-o", f"-k {socket}", "start", check=False)  # fmt: skip
            if result.returncode == 0 and self._answers():
                return
            waited = clock.monotonic_seconds() - begun
            if waited > _START_SECONDS or not self._may_pass():
                reason = " ".join((result.stdout + result.stderr).decode(errors="replace").split())
                raise ServerNotStarted(folder=self.folder, reason=reason or "pg_ctl said nothing", log=self.log)
            if waited > _ORPHAN_SECONDS and self.pid() is None:
                end_orphans(self.cluster)
            clock.sleep(0.2)

    def _may_pass(self) -> bool:
        """Tell whether the start failed for what goes away by itself after a kill -9."""
        if not self.log.exists():
            return False
        tail = self.log.read_text(encoding="utf-8", errors="replace")[-2000:]
        return "shared memory block" in tail or "lock file" in tail or "starting up" in tail

    def _answers(self) -> bool:
        try:
            with psycopg.connect(self.address(), connect_timeout=5):
                return True
        except psycopg.OperationalError:
            return False

    def _stop(self) -> None:
        self._run("pg_ctl", "-D", str(self.cluster), "-s", "-w", "-m", "fast", "stop", check=False)
        if self.socket != self.cluster:
            shutil.rmtree(self.socket, ignore_errors=True)

    def _run(self, program: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        result: subprocess.CompletedProcess[bytes] = subprocess.run(
            [binaries.folder() / program, *arguments],
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            start_new_session=True,  # an interrupt at the terminal is ours to handle
            check=False,
            **_as_nobody(),  # type: ignore[call-overload] # user, group and extra_groups, as root only
        )
        if check and result.returncode != 0:
            reason = " ".join((result.stdout + result.stderr).decode(errors="replace").split())
            raise ServerNotStarted(folder=self.folder, reason=f"{program}: {reason}", log=self.log)
        return result

    @staticmethod
    def _write_secret(path: Path, text: str) -> None:
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
