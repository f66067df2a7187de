"""A hotel that can be moved, on databases of its own of one server, which are gone afterwards."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from slacktide.hotel import day, loading, schema
from tests.cutover.moving import NAME, PROPERTY, Moving
from tests.memory import drop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slacktide.postgres.server import Server


@contextmanager
def a_move(server: Server, *, name: str, bookings: int) -> Iterator[Moving]:
    """Give a move that is not yet written down: a loaded source, a bare target, an empty control database."""
    names = {side: f"{name}_{side}_{os.getpid()}" for side in ("control", "source", "target")}
    addresses = {side: server.address(database) for side, database in names.items()}
    for database in names.values():
        server.create_database(database)
    for side in ("source", "target"):
        schema.create(address=addresses[side])
    loading.load(address=addresses["source"], bookings_per_property=bookings)
    day.cashiers_close(address=addresses["source"], property_code=PROPERTY)
    folder = Path(tempfile.mkdtemp(prefix=f"slacktide-{name}-"))
    try:
        with Moving(**addresses, folder=folder) as moving:
            yield moving
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        drop(*addresses.values())


@contextmanager
def a_steady_move(server: Server, *, name: str, bookings: int) -> Iterator[Moving]:
    """Give a move whose processes run, by a worker of its own, and are steady."""
    with a_move(server, name=name, bookings=bookings) as moving:
        moving.create()
        moving.worker()
        moving.run("move", "processes", "start", NAME)
        moving.until_steady()
        yield moving
