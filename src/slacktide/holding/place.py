"""The databases that held work goes to, by reference: an address is `env:NAME`, `file:PATH`, or one without a password.

An organization that has moved is written where it lives now, if that place takes the work.
"""

from __future__ import annotations

from typing import Any

import msgspec
import psycopg

from slacktide.control.audit import record_audit
from slacktide.control.organization import organization_of
from slacktide.core.duration import format_instant
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
    """No place is known for held work of {organization}: add one, with `slacktide held place set NAME ADDRESS`."""


class PlaceHasPassword(UsageError):
    """The address of the place {name} contains a password: give it as env:NAME or file:PATH."""


class PlaceBad(UsageError):
    """What was given for the place {name} is not the address of a database: give a URL like postgresql://USER@HOST/DATABASE, or env:NAME or file:PATH that holds one."""  # noqa: E501 -- the message is one sentence


class PlaceTaken(InputError):
    """Held work {whose} goes to the place {name} already: change that one, or `slacktide held place remove {name}` first."""  # noqa: E501 -- the message is one sentence


class UnknownPlace(UsageError):
    """There is no place {name!r}: `slacktide held place list` shows those that there are."""


def set_place(connection: psycopg.Connection[Any], place: Place, *, who: str, reason: str = "") -> None:
    """Add a place, or give it another address or organization.

    Raises PlaceBad, PlaceHasPassword, PlaceTaken, UnknownOrganization.
    """
    _check_address(place)
    with connection.transaction():
        if place.organization is not None:
            organization_of(connection, code=place.organization)
        connection.execute(_sql["lock_places"])
        present = list_places(connection)
        before = next((one for one in present if one.name == place.name), None)
        for other in present:
            if other.organization == place.organization and other.name != place.name:
                raise PlaceTaken(whose=_whose(place), name=other.name)
        connection.execute(_sql["set_place"], msgspec.structs.asdict(place))
        if before is not None:
            connection.execute(_sql["move_sent"], {"before": before.address, "after": place.address})
        subject = f"place {place.name}"
        record_audit(connection, who=who, what="place", object=subject, before=before, after=place, reason=reason)


def remove_place(connection: psycopg.Connection[Any], *, name: str, who: str, reason: str = "") -> Place:
    """Forget a place. The windows that were copied into it stay there. Raises UnknownPlace."""
    with connection.transaction():
        row = connection.execute(_sql["remove_place"], {"name": name}).fetchone()
        if row is None:
            raise UnknownPlace(name=name)
        place = Place(*row)
        subject = f"place {name}"
        record_audit(connection, who=who, what="place remove", object=subject, before=place, reason=reason)
    return place


def without_place(connection: psycopg.Connection[Any]) -> list[str]:
    """Give the organizations that have held work and no place for it, however they moved."""
    places = list_places(connection)
    return [] if any(place.organization is None for place in places) else _without(connection, places)


def _without(connection: psycopg.Connection[Any], places: list[Place]) -> list[str]:
    own = {place.organization for place in places}
    return [code for (code,) in connection.execute(_sql["organizations_held"]) if code not in own]


def place_answers(connection: psycopg.Connection[Any]) -> list[dict[str, Any]]:
    """Give the places as `held place list` prints them: also when the downtimes were copied there, or why not."""
    names = ("name", "address", "organization", "copied_at", "problem")
    rows = [dict(zip(names, row, strict=True)) for row in connection.execute(_sql["places_seen"])]
    return [row | {"copied_at": row["copied_at"] and format_instant(row["copied_at"])} for row in rows]


def _check_address(place: Place) -> None:
    try:
        if has_password(place.address):
            raise PlaceHasPassword(name=place.name)
    except psycopg.ProgrammingError:  # its text could contain a password
        raise PlaceBad(name=place.name) from None


def _whose(place: Place) -> str:
    return "of all that have no place of their own" if place.organization is None else f"of {place.organization}"


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
