"""Downtimes: listed, scheduled, and everything that can be done to one.

Whether the caller may is judged by the role of this moment, in the transaction that changes something. A downtime of an
organization that the token is not good for is not there.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any, Literal, NoReturn

import msgspec

from slacktide.control import downtime
from slacktide.control.downtime import Answer, UnknownDowntime, Wish
from slacktide.control.organization import organization_of
from slacktide.downtime.schedule import UnknownOrganization
from slacktide.server.pages.api.operation import Call, Way, operation

_Text = Annotated[str, msgspec.Meta(max_length=10_000)]


class NewDowntime(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A downtime of the site, or one of each organization. Exactly one of end, duration and until_ended is given."""

    site: bool = False
    organizations: list[str] = []
    start: str | None = None
    end: str | None = None
    duration: str | None = None
    until_ended: bool = False
    users: Literal["in", "out"] | None = None
    zone: str | None = None
    message: _Text | None = None
    contact: _Text | None = None
    rrule: str | None = None
    dry_run: bool = False
    reason: _Text

    def wish(self) -> Wish:
        """Give it as `control` takes it."""
        names = ("start", "end", "duration", "until_ended", "users", "zone", "message", "contact", "rrule")
        return Wish(**{name: getattr(self, name) for name in names})


class Later(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The later end, or how much later it is; one of the two."""

    end: str | None = None
    by: str | None = None
    reason: _Text = ""


class OtherEnd(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The new end; `none` for one that lasts until it is ended."""

    end: str
    reason: _Text = ""


class Ending(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Why; with `verifying` it is opened for these users alone, to test."""

    verifying: list[str] | None = None
    reason: _Text


class Because(msgspec.Struct, forbid_unknown_fields=True):
    """Why."""

    reason: _Text


class Skipped(msgspec.Struct, forbid_unknown_fields=True):
    """The occurrence, by its start."""

    occurrence: str
    reason: _Text


class Moved(msgspec.Struct, forbid_unknown_fields=True):
    """The occurrence, by its start, and when it starts instead."""

    occurrence: str
    to: str
    reason: _Text


@operation("GET", "downtimes", Way.MANAGES)
def list_downtimes(call: Call) -> Any:
    """List the downtimes, past ones too, in the order of their starts."""
    return [one for one in downtime.list_downtimes(call.connection) if _seen(call, one["organization"])]


@operation("POST", "downtimes", Way.MANAGES, body=NewDowntime, status=HTTPStatus.CREATED)
def schedule_downtime(call: Call, body: NewDowntime) -> Any:
    """Schedule a downtime; with `dry_run` show its effect and save nothing."""
    with call.connection.transaction():
        for code in body.organizations:
            if not call.caller.token.may_see(code):
                raise UnknownOrganization(organization=code)
            organization_of(call.connection, code=code)
        who = call.must(*([None] if body.site else body.organizations), manages=True)
        facts: dict[str, Any] = {"site": body.site, "organizations": body.organizations, "dry_run": body.dry_run}
        if body.dry_run:
            call.status = HTTPStatus.OK
        answer = downtime.schedule_downtime(call.connection, wish=body.wish(), **facts, who=who, reason=body.reason)
    return _said(answer)


@operation("GET", "downtimes/{id}", Way.MANAGES)
def show_downtime(call: Call, id: str) -> Any:  # noqa: A002 -- the word of the interface
    """Show a downtime with its effect."""
    found = downtime.show_downtime(call.connection, id=id)
    if not _seen(call, found["organization"]):
        _absent(call, id, found["organization"])
    return found


@operation("POST", "downtimes/{id}/extend", Way.MANAGES, body=Later)
def extend_downtime(call: Call, id: str, body: Later) -> Any:  # noqa: A002 -- the word of the interface
    """Let a downtime end later."""
    facts: dict[str, Any] = {"end": body.end, "duration": body.by, "only_later": True}
    return _done(call, id, body.reason, downtime.change_downtime, facts)


@operation("POST", "downtimes/{id}/change", Way.MANAGES, body=OtherEnd)
def change_downtime(call: Call, id: str, body: OtherEnd) -> Any:  # noqa: A002 -- the word of the interface
    """Give a downtime any other end that the rules allow."""
    return _done(call, id, body.reason, downtime.change_downtime, {"end": body.end})


@operation("POST", "downtimes/{id}/end", Way.MANAGES, body=Ending)
def end_downtime(call: Call, id: str, body: Ending) -> Any:  # noqa: A002 -- the word of the interface
    """End a downtime now, and say what still keeps its scope down."""
    return _done(call, id, body.reason, downtime.end_downtime, {"verifying": body.verifying})


@operation("POST", "downtimes/{id}/cancel", Way.MANAGES, body=Because)
def cancel_downtime(call: Call, id: str, body: Because) -> Any:  # noqa: A002 -- the word of the interface
    """Cancel a downtime that has not begun; of a recurring one all that is still to come."""
    return _done(call, id, body.reason, downtime.cancel_downtime, {})


@operation("POST", "downtimes/{id}/skip", Way.MANAGES, body=Skipped)
def skip_occurrence(call: Call, id: str, body: Skipped) -> Any:  # noqa: A002 -- the word of the interface
    """Leave out one occurrence of a recurring downtime."""
    return _done(call, id, body.reason, downtime.change_occurrence, {"occurrence": body.occurrence})


@operation("POST", "downtimes/{id}/move", Way.MANAGES, body=Moved)
def move_occurrence(call: Call, id: str, body: Moved) -> Any:  # noqa: A002 -- the word of the interface
    """Move one occurrence of a recurring downtime."""
    facts = {"occurrence": body.occurrence, "to": body.to}
    return _done(call, id, body.reason, downtime.change_occurrence, facts)


def _done(call: Call, key: str, reason: str, change: Callable[..., Any], facts: dict[str, Any]) -> Any:
    with call.connection.transaction():
        organization = downtime.downtime_of(call.connection, id=key).organization
        if not call.caller.manages(organization):
            _absent(call, key, organization)
        who = call.must(organization, manages=True)
        answer = change(call.connection, id=key, **facts, who=who, reason=reason)
    return _said(answer) if isinstance(answer, Answer) else answer


def _said(answer: Answer) -> Any:
    """Give one downtime as a document, several as a list, each with the warnings."""
    found = [one | {"warnings": [*answer.warnings]} for one in answer.downtimes]
    return found[0] if len(found) == 1 else found


def _seen(call: Call, organization: str | None) -> bool:
    """Tell whether a downtime is shown: the site's to administrators, an organization's to who may change it."""
    return call.caller.admin if organization is None else call.caller.manages(organization)


def _absent(call: Call, key: str, organization: str | None) -> NoReturn:
    """Refuse a downtime that is not the caller's: as absent where the token is not good for its organization."""
    if organization is not None and not call.caller.token.may_see(organization):
        raise UnknownDowntime(id=key)
    call.refuse()
