"""Who holds a closing up, and the work that waits."""

from __future__ import annotations

from typing import Any

import msgspec

from slacktide.control.lease import UnknownLease, end_lease, list_leases
from slacktide.control.organization import organization_of
from slacktide.control.quiet import people
from slacktide.control.schedule import known_of
from slacktide.control.session import end_session
from slacktide.control.setting import control_now
from slacktide.cutover.holding_up import end_holder
from slacktide.cutover.state import codes, measure_of
from slacktide.downtime.schedule import UnknownOrganization
from slacktide.holding.listing import held_check, held_list
from slacktide.holding.store import UnknownItem, item_of
from slacktide.server.pages.api.downtimes import Because
from slacktide.server.pages.api.operation import Call, Way, operation


class Whose(msgspec.Struct, forbid_unknown_fields=True):
    """Of one organization; left out: of all."""

    organization: str | None = None


class Looked(msgspec.Struct, forbid_unknown_fields=True):
    """One item, and its organization's; left out: all held work."""

    id: str | None = None
    reason: str = ""


class InTheWay(msgspec.Struct, forbid_unknown_fields=True):
    """A transaction by its ID, as `holders` lists it, and why it is ended."""

    id: str
    reason: str


@operation("GET", "holders", Way.ADMINISTERS, query=Whose)
def holders(call: Call, query: Whose) -> Any:
    """List who holds a closing up: leases, sessions and transactions."""
    connection, code = call.connection, query.organization
    if code is not None:
        if not call.caller.token.may_see(code):
            raise UnknownOrganization(organization=code)
        organization_of(connection, code=code)
    call.must(code)
    left = people(connection, organization=code, known=known_of(connection), now=control_now(connection))
    measured = measure_of(connection)
    wanted = codes(connection) if code is None else [code]
    found = {(one.database, one.id): one for each in wanted for one in measured.holders(each)}
    return {
        "leases": [one.answer() for one in left.leases],
        "sessions": [one.answer() for one in left.sessions],
        "transactions": [one.answer() for one in found.values()],
    }


@operation("POST", "leases/{id}/end", Way.ADMINISTERS, body=Because)
def end_lease_(call: Call, id: str, body: Because) -> Any:  # noqa: A002 -- the word of the interface
    """End a task lease: what its user has not saved stays a draft."""
    connection = call.connection
    with connection.transaction():
        found = list_leases(connection, known=known_of(connection), now=control_now(connection))
        lease = next((one.lease for one in found if one.lease.id == id), None)
        if lease is None or not call.caller.token.may_see(lease.organization):
            raise UnknownLease(id=id)
        who = call.must(lease.organization)
        return end_lease(connection, id=id, who=who, reason=body.reason).answer()


@operation("POST", "sessions/{id}/end", Way.WHOLE, body=Because)
def end_session_(call: Call, id: str, body: Because) -> Any:  # noqa: A002 -- the word of the interface
    """End a session of anybody, and its leases."""
    with call.connection.transaction():
        return end_session(call.connection, id=id, who=call.must(None), reason=body.reason).answer()


@operation("POST", "transactions/end", Way.WHOLE, body=InTheWay)
def end_transaction_(call: Call, body: InTheWay) -> Any:
    """End a transaction that holds a closing up: its session is terminated, a prepared one rolled back."""
    connection = call.connection
    measured = measure_of(connection)
    with connection.transaction():
        return end_holder(connection, measured=measured, id=body.id, who=call.must(None), reason=body.reason).answer()


@operation("GET", "held", Way.ADMINISTERS)
def held(call: Call) -> Any:
    """List the held work that is not done, in the order of its arrival."""
    return [one for one in held_list(call.connection) if call.caller.administers(one["organization"])]


@operation("POST", "held/check", Way.ADMINISTERS, body=Looked)
def check_held(call: Call, body: Looked) -> Any:
    """Look at held work again now; that never passes a downtime."""
    with call.connection.transaction():
        item = None if body.id is None else item_of(call.connection, id=body.id)
        if item is not None and not call.caller.token.may_see(item.organization):
            raise UnknownItem(id=body.id)
        who = call.must(None if item is None else item.organization)
        return held_check(call.connection, id=body.id, who=who, reason=body.reason)
