"""Who shares an organization's lock outside of the databases of its moves.

Commands under `slacktide guard` and jobs hold it in the control database; whoever writes interface tables, in the place
of held work. Until they have ended an organization is not quiet, though no move is planned.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import psycopg
from psycopg.rows import TupleRow

from slacktide.guard.closing import SITE
from slacktide.guard.holders import Holder
from slacktide.guard.presence import Passer, could_still_pass
from slacktide.guard.shared import measure_interfaces, sharers
from slacktide.holding.place import list_places
from slacktide.postgres.connection import own_address

Interfaces = dict[str, list[str | None]]
"""The addresses of the places of held work, each with the organizations (None: the site) that it has to close for."""


class Sharing(msgspec.Struct, frozen=True):
    """Who holds an organization's (None: the site's) lock in a database; `drained`: it closed, and nobody is left."""

    organization: str | None
    address: str
    holders: list[Holder]
    drained: bool


class Passable(msgspec.Struct, frozen=True):
    """A guarded database, whose organizations (None: the site) it guards, and who could write there all the same."""

    database: str
    organizations: frozenset[str | None]
    passers: list[Passer]


def passable(connection: psycopg.Connection[TupleRow], organizations: Sequence[str | None]) -> Passable:
    """Ask a guarded database who could pass its guard, or take it away."""
    return Passable(connection.info.dbname, frozenset(organizations), could_still_pass(connection))


def interfaces(connection: psycopg.Connection[TupleRow], wanted: Sequence[str | None]) -> Interfaces:
    """Give the places in which the interface tables of organizations, and (None) of the site, close."""
    places = list_places(connection)
    own = {place.organization for place in places}
    found: Interfaces = {}
    for place in places:
        whose = [code for code in wanted if code is None or code == (place.organization or code)]
        kept = [code for code in whose if code is None or place.organization is not None or code not in own]
        found[place.address] = [*dict.fromkeys([*found.get(place.address, []), *kept])]
    return {address: codes for address, codes in found.items() if codes}


def at(
    connection: psycopg.Connection[TupleRow], address: str, organizations: Sequence[str | None]
) -> list[Sharing]:  # fmt: skip
    """Ask a place, over a connection to it. Raises GuardDisabled."""
    found = measure_interfaces(connection, organizations=[code or SITE for code in organizations])
    return [Sharing(one.organization or None, address, one.holders, one.drained) for one in found]


def here(connection: psycopg.Connection[TupleRow], organizations: Sequence[str | None]) -> list[Sharing]:
    """Ask the control database who holds the lock there; whether it is to be had alone is asked at the end."""
    found = sharers(connection, organizations=[code or SITE for code in organizations])
    address = own_address(connection)
    return [Sharing(code or None, address, holders, drained=True) for code, holders in found.items()]
