"""A worker: keeps a child for every wanted process of a move that nobody owns, for held work, and for notices.

Who owns a process is decided by its lock on the control database, which dies with the child's connection; so any
number of workers may run, and one that is killed with -9 is replaced by any other. The events:

1. Two workers start the same process, past each other's claims (`share`): one child gets the lock, the other one ends
   by itself.
2. A child is killed: its worker sees it end and, after a pause, starts it anew.
3. The worker is killed: its children see their input close and end; other workers take over.
4. A process is no longer wanted: its child is told at once, for what it does inside a step may last.
5. The control database is lost: the children end (they may not write without their lock), the worker connects again.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg

from slacktide.core import clock
from slacktide.core.configuration import worker_moves
from slacktide.postgres import sql
from slacktide.postgres.connection import Unreachable, connect
from slacktide.transfer.journal import LOCK_CLASS, OWNED, PROCESSES
from slacktide.worker import presence
from slacktide.worker.share import Share

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg.rows import TupleRow

_STATEMENTS = sql.load(__package__, "worker.sql")
_LOOK_SECONDS = 0.5
_PAUSE_SECONDS = 1.0
_END_SECONDS = 20.0
_ALWAYS = ("release", "notice")


class Worker:
    """One worker of a control database."""

    def __init__(self, address: str) -> None:
        """Take the control database's address."""
        self._address = address
        self._children: dict[tuple[str, str], subprocess.Popen[bytes]] = {}
        self._not_before: dict[tuple[str, str], float] = {}

    def run(self, *, ended: Callable[[], bool], ready: Callable[[], None] = lambda: None) -> None:
        """Work until `ended` says so; then end the children, each after the batch in hand."""
        try:
            while not ended():
                try:
                    self._connected(ended, ready)
                except (psycopg.OperationalError, Unreachable):
                    clock.sleep(_PAUSE_SECONDS)
        finally:
            self._end_children()

    def _connected(self, ended: Callable[[], bool], ready: Callable[[], None]) -> None:
        with connect(self._address, name="worker") as connection:
            presence.live(connection)
            connection.execute("listen slacktide_worker")
            ready()
            share = Share(connection, most_moves=worker_moves())
            while not ended():
                self._reap(share)
                self._end_unwanted(connection)
                for process in _ALWAYS:
                    self._start("", process)
                for name, process in share.choose(self._wanted(connection), carried=self._carried()):
                    self._start(name, process)
                for _ in connection.notifies(timeout=_LOOK_SECONDS, stop_after=1):
                    pass

    def _wanted(self, connection: psycopg.Connection[TupleRow]) -> list[tuple[str, str]]:
        facts = {"move_class": LOCK_CLASS, "processes": [*OWNED]}
        found = [(name, process) for name, process in connection.execute(_STATEMENTS["wanted"], facts)]
        return [key for key in found if self._may_start(key)]

    def _carried(self) -> int:
        """Count the children that run one of the four processes."""
        return sum(process in PROCESSES for _, process in self._children)

    def _may_start(self, key: tuple[str, str]) -> bool:
        return key not in self._children and clock.monotonic_seconds() >= self._not_before.get(key, 0)

    def _end_unwanted(self, connection: psycopg.Connection[TupleRow]) -> None:
        for key in connection.execute(_STATEMENTS["unwanted"], {"processes": [*PROCESSES]}) if self._children else ():
            if key in self._children:
                self._children[key].terminate()

    def _start(self, name: str, process: str) -> None:
        key = (name, process)
        if not self._may_start(key):
            return
        program = [f"slacktide.worker.{process}"] if process in _ALWAYS else ["slacktide.worker.child", name, process]
        self._children[key] = subprocess.Popen(
            [sys.executable, "-m", *program],
            stdin=subprocess.PIPE,
            env=os.environ | {"SLACKTIDE_DATABASE_URL": self._address},
            start_new_session=True,
        )

    def _reap(self, share: Share) -> None:
        for key, child in [*self._children.items()]:
            if child.poll() is not None:
                self._forget(key, child)
                share.release(key)
                self._not_before[key] = clock.monotonic_seconds() + _PAUSE_SECONDS

    def _forget(self, key: tuple[str, str], child: subprocess.Popen[bytes]) -> None:
        if child.stdin is not None:
            child.stdin.close()
        child.wait()
        del self._children[key]

    def _end_children(self) -> None:
        for child in self._children.values():
            child.terminate()
        limit = clock.monotonic_seconds() + _END_SECONDS
        for key, child in [*self._children.items()]:
            try:
                child.wait(max(0.1, limit - clock.monotonic_seconds()))
            except subprocess.TimeoutExpired:
                child.kill()
            self._forget(key, child)
