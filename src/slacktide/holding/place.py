"""The databases that held work goes to, by reference: an address is `env:NAME`, `file:PATH`, or one without a password.

An organization that has moved is written where it lives now, if that place takes the work.
"""

from __future__ import annotations

from typing import Any

import msgspec
import psycopg

from slacktide.control.audit import record_audit
from slacktide.core.errors import InputError, UsageError
from slacktide.downtime.schedule import Side
from slacktide.postgres.connection import has_password
from slacktide.postgres.sql import load

_sql = load(__package__, "held.sql")


class Place(msgspec.Struct, frozen=True):
    """A database that held work goes to, of one organization or (None) of all that have none of their own."""

    name: str
    address: str
    organization: str | None = None


class NoPlace(InputError):
    """No place is known for held work of {organization}: add one, with `slacktide.holding.place.set_place`."""


class PlaceHasPassword(UsageError):
    """The address of the place {name} contains a password: give it as env:NAME or file:PATH."""


def set_place(connection: psycopg.Connection[Any], place: Place, *, who: str, reason: str = "") -> None:
    """Add a place, or give it another address or organization. Raises PlaceHasPassword."""
    if has_password(place.address):
        raise PlaceHasPassword(name=place.name)
    with connection.transaction():
        before = next((one for one in list_places(connection) if one.name == place.name), None)
        connection.execute(_sql["set_place"], msgspec.structs.asdict(place))
        subject = f"place {place.name}"
        record_audit(connection, who=who, what="place", object=subject, before=before, after=place, reason=reason)


def list_places(connection: psycopg.Connection[Any]) -> list[Place]:
    """Give all places by name."""
    return [Place(*row) for row in connection.execute(_sql["places"])]


def address_of(places: list[Place], *, organization: str, home: Side | None) -> str:
    """Give the address of the database that an organization's work goes to. Raises NoPlace.

    That is where it lives, if it has moved; else its own place, else the one of all.
    """
    if home is not None and home.side == "target" and home.database:
        return home.database
    own = [place for place in places if place.organization == organization]
    found = own or [place for place in places if place.organization is None]
    if not found:
        raise NoPlace(organization=organization)
    return found[0].address
