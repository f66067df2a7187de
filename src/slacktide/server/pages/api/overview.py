"""How things stand, whom and what there is, and the trail."""

from __future__ import annotations

from typing import Any

import msgspec

from slacktide.control.audit import list_audit
from slacktide.control.organization import list_organizations, organization_answer, organization_of
from slacktide.control.setting import control_now
from slacktide.control.user import list_users
from slacktide.core.instant import parse_instant
from slacktide.cutover.state import codes, measure_of, states
from slacktide.downtime.schedule import UnknownOrganization
from slacktide.downtime.state import State
from slacktide.holding.store import held_count
from slacktide.server.pages.api.operation import Call, Way, operation


class Scope(msgspec.Struct, forbid_unknown_fields=True):
    """Of one organization (left out: of the site and all that the caller may know of); at another instant than now."""

    organization: str | None = None
    at: str | None = None
    zone: str | None = None


class Since(msgspec.Struct, forbid_unknown_fields=True):
    """From this instant on (left out: from the beginning); the zone is that of a local time."""

    since: str | None = None
    zone: str | None = None


@operation("GET", "status", Way.READS, query=Scope)
def status(call: Call, query: Scope) -> Any:
    """Tell whether the site and the organizations are open, scheduled, closing or down, and why."""
    connection, wanted = call.connection, query.organization
    if wanted is not None and not call.caller.works_for(wanted):
        raise UnknownOrganization(organization=wanted)
    zone = query.zone
    if zone is None and wanted is not None:
        zone = organization_of(connection, code=wanted).zone
    at = parse_instant(query.at, now=control_now(connection), zone=zone) if query.at else None
    chosen = [wanted] if wanted is not None else [code for code in codes(connection) if _known(call, code)]
    measured = None if at else measure_of(connection, chosen)
    found = states(connection, organizations=chosen, measured=measured, at=at)
    answers = [(one if at else _with_held(call, one)).answer() for one in found]
    return answers if wanted is None else answers[0]


@operation("GET", "organizations", Way.READS)
def organizations(call: Call) -> Any:
    """List the organizations that the caller may know of, with their sides."""
    found = [one.code for one in list_organizations(call.connection) if call.caller.works_for(one.code)]
    return [organization_answer(call.connection, code=code) for code in found]


@operation("GET", "users", Way.WHOLE)
def users(call: Call) -> Any:
    """List all users with their roles."""
    return [msgspec.to_builtins(one) for one in list_users(call.connection)]


@operation("GET", "audit", Way.WHOLE, query=Since)
def audit(call: Call, query: Since) -> Any:
    """Show who changed what, when and why, oldest first."""
    now = control_now(call.connection)
    since = parse_instant(query.since, now=now, zone=query.zone) if query.since else None
    return list_audit(call.connection, since=since)


def _known(call: Call, code: str | None) -> bool:
    return code is None or call.caller.works_for(code)


def _with_held(call: Call, found: State) -> State:
    return msgspec.structs.replace(found, held=held_count(call.connection, organization=found.organization))
