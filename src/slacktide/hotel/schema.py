"""Makes the hotel's schema in an existing database: its tables, and the codes that every property shares."""

from __future__ import annotations

from slacktide.core.errors import InputError
from slacktide.postgres.connection import connect, shown
from slacktide.postgres.sql import script


class SchemaExists(InputError):
    """The database {address} has a schema "hotel" already. Use it as it is, or name another database."""


class SchemaMissing(InputError):
    """The database {address} has no hotel. Make it with `slacktide hotel create {url}`."""


def create(*, address: str) -> None:
    """Make the schema `hotel`. Raises SchemaExists where there is one; then nothing is changed."""
    with connect(address, name="hotel create", autocommit=False) as connection:
        if connection.execute("select to_regnamespace('hotel') is not null").fetchone() == (True,):
            raise SchemaExists(address=shown(address))
        connection.execute(script(__package__, "schema.sql"))
        connection.execute(script(__package__, "codes.sql"))
