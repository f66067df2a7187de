"""A move of the sample hotel's RESORT, from a copy of a small hotel to an empty one, with a control database."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass

import psycopg

from slacktide.control.organization import ensure_organization
from slacktide.hotel.loading import load
from slacktide.hotel.property_plan import PLAN_FILE
from slacktide.hotel.schema import create
from slacktide.postgres.connection import connect
from slacktide.transfer.move import create_move, load_move
from tests.memory import drop_from_memory
from tests.migrated import migrate

_number = itertools.count(1)
_templates: dict[str, str] = {}


def database(server, template=None):
    """Make a database, as a copy of another one if that is given; give its address."""
    name = f"move_{os.getpid()}_{next(_number)}"
    with psycopg.connect(server.address(), autocommit=True) as connection:
        connection.execute(f"create database {name}" + (f" template {template}" if template else ""))
    return server.address(name)


def _template(server, kind):
    """Give the name of a database to copy: `control`, a hotel that is `empty`, or `loaded` with a small sample."""
    key = f"{server.folder} {kind}"
    if key not in _templates:
        name = f"template_{kind}_{os.getpid()}"
        server.create_database(name)
        address = server.address(name)
        if kind == "control":
            migrate(address=address)
        else:
            create(address=address)
        if kind == "loaded":
            load(address=address, bookings_per_property=120)
        _templates[key] = name
    return _templates[key]


def control_database(server):
    """Give the address of a control database."""
    return database(server, _template(server, "control"))


def hotel(server):
    """Give the address of a small CITY and RESORT."""
    return database(server, _template(server, "loaded"))


def empty_hotel(server):
    """Give the address of a hotel's schema without properties."""
    return database(server, _template(server, "empty"))


@dataclass
class Moving:
    """A move with its three connections."""

    name: str
    control_address: str
    source_address: str
    target_address: str
    control: psycopg.Connection
    source: psycopg.Connection
    target: psycopg.Connection

    @property
    def move(self):
        return load_move(self.control, name=self.name)

    def count(self, table, where="true", *, side="target"):
        return getattr(self, side).execute(f"select count(*) from {table} where {where}").fetchone()[0]

    def close(self):
        for each in (self.control, self.source, self.target):
            each.close()
        drop_from_memory(self.control_address, self.source_address, self.target_address)


def moving(server, folder, *, target_property="RESORT"):
    """Make a move of RESORT."""
    control, source, target = control_database(server), hotel(server), empty_hotel(server)
    connections = [connect(address, name="test") for address in (control, source, target)]
    ensure_organization(connections[0], code="RESORT", who="test")
    create_move(connections[0], name="resort", plan_file=str(PLAN_FILE), plan_text=PLAN_FILE.read_text(),
                property="RESORT", target_property=target_property, source=source, target=target,
                spool=str(folder / "spool"))  # fmt: skip
    return Moving("resort", control, source, target, *connections)
