"""`slacktide holders`, `lease`, `session` and `transaction`: who holds a closing up, and ending that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import psycopg
from cyclopts import App, Parameter
from psycopg.rows import TupleRow

from slacktide.cli.output import ACTING, SHOWN, Acting, Flag, Shown, table
from slacktide.cli.status import measured_of
from slacktide.control.database import open_control
from slacktide.control.lease import end_lease, end_leases
from slacktide.control.organization import organization_of
from slacktide.control.quiet import people
from slacktide.control.schedule import known_of
from slacktide.control.session import end_session, end_sessions
from slacktide.control.setting import control_now
from slacktide.core.errors import UsageError
from slacktide.cutover.holding_up import end_holder, end_holders

if TYPE_CHECKING:
    from slacktide.guard.holders import Holder


class WhichUnsaid(UsageError):
    """Which {kind} is to end is not said, or said twice: `slacktide {kind} end ID`, or `slacktide {kind} end --all`, of one organization with --organization CODE."""  # noqa: E501 -- the message is one sentence


lease = App(name="lease", help="End a task lease.")
session = App(name="session", help="End a session.")
transaction = App(name="transaction", help="End a transaction that holds a closing up.")

_Id = Annotated[str | None, Parameter(name="ID", help="Its ID, as `slacktide holders` shows it.")]
_All = Annotated[Flag, Parameter(name="--all", help="All that `slacktide holders` shows.")]
_Organization = Annotated[str | None, Parameter(help="With --all: only of this organization.")]
_Connection = psycopg.Connection[TupleRow]


def holders(
    *,
    organization: Annotated[str | None, Parameter(help="The organization's code; left out: all.")] = None,
    options: Shown = SHOWN,
) -> int:
    """List who holds a closing up, of an organization or of all: leases, sessions and transactions."""
    with open_control() as control, control.connect(name="holders") as connection:
        if organization is not None:
            organization_of(connection, code=organization)
        known, now = known_of(connection), control_now(connection)
        left = people(connection, organization=organization, known=known, now=now)
        found = measured_of(connection, [organization]).holders(organization)
    answer = {
        "leases": [one.answer() for one in left.leases],
        "sessions": [one.answer() for one in left.sessions],
        "transactions": [holder.answer() for holder in found],
    }
    return options.say(answer, lambda: _text(answer, found))


@lease.command(name="end")
def end_lease_(
    id_: _Id = None, /, *, all_: _All = False, organization: _Organization = None, options: Acting = ACTING
) -> int:
    """End a task lease, or all: what its user has not saved stays a draft, and cannot be saved any more."""
    facts = {"who": options.who, "reason": options.reason or ""}
    with _control("lease", id_, all_=all_, organization=organization) as connection:
        if id_ is None:
            ended = end_leases(connection, organization=organization, **facts)
        else:
            ended = [end_lease(connection, id=id_, **facts)]
    texts = [f"ended: the lease {one.lease.id} of {one.lease.user} for task {one.lease.task}" for one in ended]
    return _say(options, [one.answer() for one in ended], texts, one=id_ is not None)


@session.command(name="end")
def end_session_(
    id_: _Id = None, /, *, all_: _All = False, organization: _Organization = None, options: Acting = ACTING
) -> int:
    """End a session, and its leases: its user is logged out. With --all those of normal users that are waited for."""
    facts = {"who": options.who, "reason": options.reason or ""}
    with _control("session", id_, all_=all_, organization=organization) as connection:
        if id_ is None:
            known, now = known_of(connection), control_now(connection)
            left = people(connection, organization=organization, known=known, now=now).waited_for
            ended = end_sessions(connection, sessions=left, **facts)
        else:
            ended = [end_session(connection, id=id_, **facts)]
    texts = [f"ended: the session {one.id} of {one.user}" for one in ended]
    return _say(options, [one.answer() for one in ended], texts, one=id_ is not None)


@transaction.command(name="end")
def end_transaction_(
    id_: _Id = None, /, *, all_: _All = False, organization: _Organization = None, options: Acting = ACTING
) -> int:
    """End a transaction, or all: its session is terminated, a prepared one rolled back."""
    facts = {"who": options.who, "reason": options.reason or ""}
    with _control("transaction", id_, all_=all_, organization=organization) as connection:
        measured = measured_of(connection, [organization])
        if id_ is None:
            ended = end_holders(connection, measured=measured, **facts)
        else:
            ended = [end_holder(connection, measured=measured, id=id_, **facts)]
    texts = [f"ended: {holder.id} of {holder.user} in {holder.database}" for holder in ended]
    return _say(options, [holder.answer() for holder in ended], texts, one=id_ is not None)


@contextmanager
def _control(kind: str, id_: str | None, *, all_: bool, organization: str | None) -> Iterator[_Connection]:
    """Open the control database for ending one or all. Raises WhichUnsaid, UnknownOrganization."""
    if (id_ is None) != all_ or (organization is not None and not all_):
        raise WhichUnsaid(kind=kind)
    with open_control() as control, control.connect(name=f"{kind} end") as connection:
        if organization is not None:
            organization_of(connection, code=organization)
        yield connection


def _say(options: Acting, ended: list[dict[str, Any]], texts: list[str], *, one: bool) -> int:
    return options.say(ended[0] if one else ended, "\n".join(texts) or "nothing to end")


def _text(answer: dict[str, Any], found: list[Holder]) -> str:
    leases = [
        [one["id"], one["user"], one["task"], one["organization"], one["session"], one["state"], one["last_sign_at"]]
        for one in answer["leases"]
    ]
    sessions = [
        [one["id"], one["user"], "administrator" if one["admin"] else "user", ", ".join(one["organizations"])]
        for one in answer["sessions"]
    ]
    parts = [
        table(leases, head=["lease", "user", "task", "organization", "session", "state", "last sign"])
        if leases
        else "",
        table(sessions, head=["session", "user", "role", "has acted for"]) if sessions else "",
        _transactions(found),
    ]
    return "\n\n".join(part for part in parts if part)


def _transactions(found: list[Holder]) -> str:
    rows = [
        [one.id, one.database, one.user, f"{one.age_seconds:.0f} s", one.state, " ".join(one.query.split())[:60]]
        for one in found
    ]
    return table(rows, head=["transaction", "database", "user", "age", "state", "query"])
