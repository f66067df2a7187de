"""A witness outside the control database: what its trail ended with, noted in a data folder.

Each server and worker has one, in a thread of its own. Why is said in `slacktide.control.origin`.

1. It looks first and is ready then, so that a server that finds a restored database begins closed.
2. The trail grows while nobody tells: it looks at each change of the schedule, and every few seconds.
3. It is killed while it notes: the note is written beside and put in place whole. One that cannot be read is none.
4. The folder serves more than one control database: each has a note of its own, by its number.
5. The folder cannot be written, or the database is lost: said once, and tried again; nobody is closed by that.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from slacktide.control.origin import doubt_schedule
from slacktide.control.schedule import CHANNEL
from slacktide.core.duration import format_instant
from slacktide.postgres.connection import Unreachable, connect
from slacktide.postgres.sql import load

_sql = load("slacktide.control", "origin.sql")
_LOG = logging.getLogger("slacktide.control")
_EVERY_SECONDS = 5.0
_STEP_SECONDS = 0.5


class Note(msgspec.Struct, frozen=True):
    """The trail's last entry, and when it was seen, by the control database's clock."""

    entry: int
    at: datetime
    seen_at: datetime


class Witness:
    """What one data folder knows of control databases."""

    def __init__(self, folder: Path) -> None:
        """Take the data folder."""
        self._folder = folder

    def look(self, connection: psycopg.Connection[Any]) -> bool:
        """Compare the trail with the note, and note how it ends; tell whether the database is one that was restored."""
        row = connection.execute(_sql["latest"]).fetchone()
        if row is None:
            return True  # the note of where it belongs is gone: everything is closed already
        key, noted_at, entry, at, now = row
        note = self._note(key)
        if note is not None and note.seen_at > noted_at and self._lacks(connection, note):
            why = f"the trail lacks entry {note.entry}, which was seen at {format_instant(note.seen_at)}"
            doubt_schedule(connection, why=why, who="slacktide")
            return True
        if entry is not None and (note is None or note.entry != entry or note.at != at):
            self._write(key, Note(entry, at, now))
        return False

    def _lacks(self, connection: psycopg.Connection[Any], note: Note) -> bool:
        row = connection.execute(_sql["lacks"], {"id": note.entry, "at": note.at}).fetchone()
        return row is not None and bool(row[0])

    def _note(self, key: str) -> Note | None:
        try:
            return msgspec.json.decode(self._place(key).read_bytes(), type=Note)
        except (OSError, msgspec.MsgspecError):
            return None

    def _write(self, key: str, note: Note) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        beside = self._folder / f".control-{key}.{os.getpid()}.new"
        beside.write_bytes(msgspec.json.encode(note))
        beside.replace(self._place(key))

    def _place(self, key: str) -> Path:
        return self._folder / f"control-{key}.json"


@contextlib.contextmanager
def witnessed(address: str, *, folder: Path) -> Iterator[None]:
    """Have a witness of the control database while the block runs; it has looked once before."""
    ended, looked = threading.Event(), threading.Event()
    thread = threading.Thread(target=_run, args=(address, Witness(folder), ended, looked), name="slacktide witness")
    thread.start()
    try:
        looked.wait()
        yield
    finally:
        ended.set()
        thread.join()


def _run(address: str, witness: Witness, ended: threading.Event, looked: threading.Event) -> None:
    failing = False
    while not ended.is_set():
        try:
            with connect(address, name="witness") as connection:
                connection.execute(psycopg.sql.SQL("listen {}").format(psycopg.sql.Identifier(CHANNEL)))
                while not ended.is_set():
                    witness.look(connection)
                    failing = False
                    looked.set()
                    _wait(connection, ended)
        except (psycopg.Error, Unreachable, OSError) as error:
            if not failing:
                _LOG.warning("the control database cannot be witnessed: %s", " ".join(str(error).split()))
            failing = True
            looked.set()
            ended.wait(_STEP_SECONDS)


def _wait(connection: psycopg.Connection[Any], ended: threading.Event) -> None:
    """Wait until told of a change, or some seconds."""
    for _ in range(int(_EVERY_SECONDS / _STEP_SECONDS)):
        if ended.is_set() or any(True for _ in connection.notifies(timeout=_STEP_SECONDS, stop_after=1)):
            return
