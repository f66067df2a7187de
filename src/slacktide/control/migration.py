"""The control database's tables, brought up to date by versioned `.sql` files and yoyo-migrations.

Mostly nothing is to be done, and every command asks; so one query compares the files with what is noted as
applied, and yoyo is imported only when something is missing.

Any number of processes may come at once, and any may be killed. yoyo's own lock is a row that a killed
process leaves behind, so an advisory lock of our session stands before it: whoever has that knows that a row
found there is a dead process's. yoyo notes a migration in another transaction than the one that applies it;
so every statement of a migration can run again (`if not exists`, `or replace`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict

from slacktide.core.configuration import resolve_address
from slacktide.core.errors import InputError, OutsideError
from slacktide.postgres.connection import connect, shown
from slacktide.postgres.sql import load

_sql = load("slacktide.control", "migration.sql")
_OWNERS = ("slacktide.control", "slacktide.transfer", "slacktide.cutover", "slacktide.holding", "slacktide.notice")


class ControlNewer(InputError):
    """The control database {address} was made by a newer Slacktide ({unknown} is not known here): update this program."""  # noqa: E501 -- the message is one sentence


class MigrationFailed(OutsideError):
    """The tables of the control database {address} could not be brought up to date: {reason}."""


def migrate(*, address: str) -> list[str]:
    """Bring the tables up to date and give what was applied, by name.

    Raises ControlNewer, MigrationFailed, Unreachable.
    """
    with connect(address, name="migrate") as connection:
        if not _missing(connection, address=address):
            return []
        with _alone(connection):
            missing = _missing(connection, address=address)
            if missing:
                connection.execute(_sql["make_schema"])
                _apply(address)
            if left := _missing(connection, address=address):
                raise MigrationFailed(address=shown(address), reason=f"{', '.join(left)} was not applied")
            return missing


def _folders() -> list[Path]:
    """Find the migrations: the package that owns a table ships them."""
    return [Path(str(resources.files(package) / "migrations")) for package in _OWNERS]


def _missing(connection: psycopg.Connection[Any], *, address: str) -> list[str]:
    """List the migrations that are not applied, in order. Raises ControlNewer."""
    known = sorted(path.stem for folder in _folders() for path in folder.glob("*.sql"))
    (there,) = connection.execute(_sql["is_migrated"]).fetchone() or (False,)
    applied = {name for (name,) in connection.execute(_sql["applied"])} if there else set()
    unknown = sorted(applied - set(known))
    if unknown:
        raise ControlNewer(address=shown(address), unknown=", ".join(unknown))
    return [name for name in known if name not in applied]


@contextmanager
def _alone(connection: psycopg.Connection[Any]) -> Iterator[None]:
    connection.execute(_sql["lock"])
    try:
        yield
    finally:
        connection.execute(_sql["unlock"])


def _apply(address: str) -> None:
    import yoyo  # noqa: PLC0415 -- a third of a second, mostly not needed

    logging.getLogger("yoyo.migrations").addHandler(logging.NullHandler())
    settings = conninfo_to_dict(resolve_address(address)) | {
        "schema": "slacktide",
        "application_name": "slacktide migrate",
    }
    try:
        with yoyo.get_backend("postgresql+psycopg:///?" + urlencode(settings)) as backend:
            backend.break_lock()
            backend.apply_migrations(backend.to_apply(yoyo.read_migrations(*map(str, _folders()))))
    except psycopg.Error as error:
        raise MigrationFailed(address=shown(address), reason=" ".join(str(error).split())) from error
