"""In which zone people are shown when a downtime or a setting begins and ends (downtime specification, section 3).

It is the organization's; what is the site's or a user's was entered in a zone of its own, else in UTC. JSON keeps to
UTC.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import psycopg
from psycopg.rows import TupleRow

from slacktide.control.organization import list_organizations
from slacktide.control.setting import entered_zones
from slacktide.core.instant import parse_zone

_UTC = "UTC"
_UNSAVED = ""


class Zones(msgspec.Struct, frozen=True):
    """The zones of organizations by code, and those in which the other settings were entered by ID."""

    own: dict[str, str]
    entered: dict[str, str]

    def of(self, answer: dict[str, Any]) -> str:
        """Give the zone of a downtime, a setting or a state, by its JSON document."""
        organization = answer.get("organization")
        if organization is not None:
            return self.own.get(organization, _UTC)
        return self.entered.get(answer.get("id") or _UNSAVED, _UTC)

    def at(self, answer: dict[str, Any], instant: str) -> str:
        """Write an instant of the document as the wall clock of its zone shows it, in RFC 3339 with the offset."""
        zone = self.of(answer)
        return instant if zone == _UTC else datetime.fromisoformat(instant).astimezone(parse_zone(zone)).isoformat()


def read_zones(connection: psycopg.Connection[TupleRow], *, entered: str | None = None) -> Zones:
    """Read them; `entered` is the zone of what is not saved, and has no ID."""
    own = {one.code: one.zone for one in list_organizations(connection)}
    return Zones(own, {_UNSAVED: entered or _UTC} | entered_zones(connection))
