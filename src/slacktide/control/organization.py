"""Organizations and their sides, as the control database keeps them.

An organization without sides of its own is simply open where the site is. A move records two: the source,
where it lives until that is reference only, and the target. A side is *closed* while it carries a durable
closing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec
import psycopg

from slacktide.control.audit import record_audit
from slacktide.core.errors import InputError, UsageError
from slacktide.core.instant import parse_zone
from slacktide.core.link import is_link
from slacktide.downtime.schedule import Organization, Side, SideName, SideState, UnknownOrganization
from slacktide.postgres.connection import shown
from slacktide.postgres.sql import load

_sql = load("slacktide.control", "organization.sql")
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class BadOrganizationCode(UsageError):
    """{code!r} cannot be an organization's code: use letters, digits, "_", "." and "-", at most 64, a letter or digit first."""  # noqa: E501 -- the message is one sentence


class OrganizationExists(InputError):
    """The organization {code} is already there: change it with `slacktide organization change {code} --name NAME --zone ZONE`."""  # noqa: E501 -- the message is one sentence


class PlaceMissing(UsageError):
    """A side of {organization} that is reference only must say where the organization lives now: add --to URL."""


class NoLink(UsageError):
    """{place!r} cannot be where {organization} lives now: give an address that pages can link to, as in --to https://hotel.example.com."""


class HasTarget(InputError):
    """{organization} has a target here, where a move brings it: its move makes the source reference only, see `slacktide move list`."""  # noqa: E501 -- the message is one sentence


def add_organization(
    connection: psycopg.Connection[Any],
    *,
    code: str,
    name: str | None = None,
    zone: str = "UTC",
    who: str,
    reason: str = "",
) -> Organization:
    """Add an organization; its name defaults to its code.

    Raises OrganizationExists, BadOrganizationCode, UnknownZone.
    """
    organization = Organization(code=code, name=name or code, zone=parse_zone(zone).key)
    if not _CODE.fullmatch(code):
        raise BadOrganizationCode(code=code)
    with connection.transaction():
        if connection.execute(_sql["add"], msgspec.structs.asdict(organization)).fetchone() is None:
            raise OrganizationExists(code=code)
        record_audit(
            connection,
            who=who,
            what="organization add",
            object=f"organization {code}",
            after=organization,
            reason=reason,
        )
    return organization


def ensure_organization(
    connection: psycopg.Connection[Any],
    *,
    code: str,
    name: str | None = None,
    zone: str = "UTC",
    who: str,
    reason: str = "",
) -> bool:
    """Add an organization unless it is there; tell whether it was added."""
    try:
        add_organization(connection, code=code, name=name, zone=zone, who=who, reason=reason)
    except OrganizationExists:
        return False
    return True


def change_organization(
    connection: psycopg.Connection[Any],
    *,
    code: str,
    name: str | None = None,
    zone: str | None = None,
    who: str,
    reason: str = "",
) -> Organization:
    """Change name or zone; what is scheduled stays at its instants.

    Raises UnknownOrganization, UnknownZone.
    """
    with connection.transaction():
        before = organization_of(connection, code=code)
        after = Organization(code=code, name=name or before.name, zone=parse_zone(zone or before.zone).key)
        connection.execute(_sql["change"], msgspec.structs.asdict(after))
        record_audit(
            connection,
            who=who,
            what="organization change",
            object=f"organization {code}",
            before=before,
            after=after,
            reason=reason,
        )
    return after


def organization_of(connection: psycopg.Connection[Any], *, code: str) -> Organization:
    """Give one organization; in a transaction it stays as it is until the end. Raises UnknownOrganization."""
    row = connection.execute(_sql["one"], {"code": code}).fetchone()
    if row is None:
        raise UnknownOrganization(organization=code)
    return Organization(*row)


def list_organizations(connection: psycopg.Connection[Any], *, code: str | None = None) -> list[Organization]:
    """Give all organizations by code, or the one of a code, if it is there."""
    return [Organization(*row) for row in connection.execute(_sql["list"], {"code": code})]


def list_sides(connection: psycopg.Connection[Any], *, organization: str | None = None) -> list[Side]:
    """Give the sides of one organization, or of all."""
    rows = connection.execute(_sql["sides"], {"code": organization})
    return [
        Side(
            organization=code,
            side=side,
            state=state,
            since=since,
            database=database,
            lives_at=lives_at,
            testers=tuple(testers),
        )
        for code, side, state, since, database, lives_at, testers in rows
    ]


def organization_answer(connection: psycopg.Connection[Any], *, code: str) -> dict[str, Any]:
    """Give an organization with its sides as `organization show` prints it. Raises UnknownOrganization."""
    organization = organization_of(connection, code=code)
    sides = list_sides(connection, organization=code)
    return {**msgspec.to_builtins(organization), "sides": [msgspec.to_builtins(side) for side in sides]}


def set_side(
    connection: psycopg.Connection[Any],
    *,
    organization: str,
    side: SideName,
    state: SideState,
    database: str | None = None,
    lives_at: str | None = None,
    testers: Sequence[str] = (),
    who: str,
    reason: str,
) -> None:
    """Give a side of an organization its state. Raises UnknownOrganization, PlaceMissing.

    `lives_at` belongs to `reference only`: where the organization lives now. The address of the database is
    kept without a password; left out, the known one stays. `testers` may enter a closed side all the same.
    """
    if state == "reference only" and not lives_at:
        raise PlaceMissing(organization=organization)
    with connection.transaction():
        organization_of(connection, code=organization)
        before = _side(connection, organization, side)
        facts = {
            "organization": organization,
            "side": side,
            "state": state,
            "database": database and shown(database),
            "lives_at": lives_at if state == "reference only" else None,
            "testers": [*testers],
        }
        connection.execute(_sql["set_side"], facts)
        after = _side(connection, organization, side)
        _record_side(connection, who=who, organization=organization, before=before, after=after, reason=reason)


def leave_organization(
    connection: psycopg.Connection[Any], *, code: str, place: str, who: str, reason: str = ""
) -> None:
    """Keep an organization for reference only, since it lives at another place now: an address that pages link to.

    Raises UnknownOrganization, NoLink, HasTarget.
    """
    if not is_link(place):
        raise NoLink(place=place, organization=code)
    facts: dict[str, Any] = {"organization": code, "side": "source", "state": "reference only", "lives_at": place}
    with connection.transaction():
        organization_of(connection, code=code)
        target = _side(connection, code, "target")
        if target is not None and target.state != "reference only":
            raise HasTarget(organization=code)
        set_side(connection, **facts, who=who, reason=reason)


def remove_side(
    connection: psycopg.Connection[Any], *, organization: str, side: SideName, who: str, reason: str
) -> None:
    """Forget a side, as when a move is given up; an organization without sides is open where the site is."""
    with connection.transaction():
        before = _side(connection, organization, side)
        if before is not None:
            connection.execute(_sql["remove_side"], {"organization": organization, "side": side})
            _record_side(connection, who=who, organization=organization, before=before, after=None, reason=reason)


def _side(connection: psycopg.Connection[Any], organization: str, side: SideName) -> Side | None:
    found = list_sides(connection, organization=organization)
    return next((known for known in found if known.side == side), None)


def _record_side(
    connection: psycopg.Connection[Any],
    *,
    who: str,
    organization: str,
    before: Side | None,
    after: Side | None,
    reason: str,
) -> None:
    subject = f"organization {organization}"
    record_audit(connection, who=who, what="side change", object=subject, before=before, after=after, reason=reason)
