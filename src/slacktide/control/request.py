"""A question for a decision, as `check` and `POST /api/decision` take it, and what the control database adds to it.

What we know ourselves wins: the role of a user, the organization of a task, the live leases. What we do not know is
judged as the question says: an unknown task belongs to the organization that is named, and an unknown user is a
normal one, unless the asker may assert that it is an administrator.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec
import psycopg

from slacktide.control.lease import live_leases
from slacktide.control.schedule import Known
from slacktide.control.task import organizations_of_tasks
from slacktide.control.user import Role, roles_of
from slacktide.core.errors import UsageError
from slacktide.core.instant import parse_instant
from slacktide.downtime.decision import Decision, decide
from slacktide.downtime.lease import Lease
from slacktide.downtime.parameter import EMAIL_SECURITY
from slacktide.downtime.schedule import SideName, UnknownOrganization
from slacktide.downtime.setting import lookup
from slacktide.downtime.table import Action


class BadRequest(UsageError):
    """This is no request for a decision: {reason}. Write a JSON object like {example}."""


_EXAMPLE = '{"action": "open_task", "organization": "CODE", "user": {"name": "NAME"}}'


class Asker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who wants to act; `admin` counts for a user whom we do not know, and only from who may assert it."""

    name: str | None = None
    admin: bool = False


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The question. `at` is an instant as commands take it, local ones of `zone`, else of the organization's."""

    action: Action
    user: Asker | None = None
    organization: str | None = None
    side: SideName | None = None
    task: str | None = None
    via: Literal["browser", "email", "api"] = "browser"
    session: Literal["none", "live"] = "none"
    lease: bool = False
    writer: Literal["own", "other"] = "own"
    at: str | None = None
    zone: str | None = None


_decoder = msgspec.json.Decoder(Request)


def read_request(text: bytes | str) -> Request:
    """Read a question from JSON. Raises BadRequest."""
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(reason=str(error), example=_EXAMPLE) from error


class Facts(msgspec.Struct, frozen=True):
    """What we know ourselves of the users and tasks that questions name, as of this moment."""

    roles: dict[str, Role] = {}
    tasks: dict[str, str] = {}

    def organization_of(self, request: Request) -> str | None:
        """Give the organization that a question is about."""
        return organization_about(request.task, request.organization, tasks=self.tasks)


def organization_about(task: str | None, named: str | None, *, tasks: Mapping[str, str]) -> str | None:
    """Give the organization that a question is about: that of its task if it is known, else the one that is named."""
    return named if task is None else tasks.get(task, named)


def facts_of(connection: psycopg.Connection[Any], requests: Iterable[Request]) -> Facts:
    """Read what we know of the users and tasks of some questions, to be used at once."""
    asked = [*requests]
    names = {request.user.name for request in asked if request.user is not None and request.user.name is not None}
    tasks = {request.task for request in asked if request.task is not None}
    return Facts(
        roles=roles_of(connection, names) if names else {},
        tasks=organizations_of_tasks(connection, tasks) if tasks else {},
    )


def needs_all(action: Action) -> bool:
    """Tell whether a decision on an action needs more than the site's and its own organization's downtimes."""
    return action in (Action.EMAIL_LINK, Action.LOGIN, Action.READ)


def instant_of(request: Request, *, facts: Facts, known: Known, now: datetime) -> datetime:
    """Give the instant that is asked about. Raises UnknownOrganization and what `parse_instant` raises."""
    if request.at is None:
        return now
    zone, organization = request.zone, facts.organization_of(request)
    if zone is None and organization is not None:
        if organization not in known.schedule.organizations:
            raise UnknownOrganization(organization=organization)
        zone = known.schedule.organizations[organization].organization.zone
    return parse_instant(request.at, now=now, zone=zone)


def answer_request(
    connection: psycopg.Connection[Any],
    *,
    request: Request,
    facts: Facts,
    known: Known,
    at: datetime,
    trust_admin: bool,
) -> Decision:
    """Decide a question at an instant, for which `known` was read. Raises UnknownOrganization, UnknownSide."""
    user = request.user or Asker()
    organization = facts.organization_of(request)
    role = facts.roles.get(user.name or "", Role(admin=user.admin and trust_admin))
    leases: list[Lease] = []
    if role.has_leases and user.name is not None:
        leases = live_leases(connection, user=user.name, known=known, now=at)
    return decide(
        action=request.action,
        schedule=known.schedule,
        now=at,
        user_is_admin=role.admin,
        user=user.name,
        own_downtime=role.manages(organization),
        organization=organization,
        side=request.side,
        lease=request.lease or _counts(request, leases),
        session=request.session,
        via=request.via,
        writer=request.writer,
        link_asks=request.action is not Action.EMAIL_LINK or _link_asks(known, user.name, organization, at=at),
    )


def _counts(request: Request, leases: list[Lease]) -> bool:
    """Tell whether one of the leases is of that very task; for the log-in, of any."""
    if request.action in (Action.LOGIN, Action.READ):
        return bool(leases)
    return any(lease.task == request.task for lease in leases)


def _link_asks(known: Known, user: str | None, organization: str | None, *, at: datetime) -> bool:
    """Tell whether the security level of e-mail links asks this user for a log-in."""
    level = lookup(parameter=EMAIL_SECURITY, settings=known.parameters, now=at, organization=organization, user=user)
    return level != "low"
