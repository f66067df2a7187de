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
from slacktide.control.audit import record_audit, require_reason
from slacktide.control.database import open_control
from slacktide.control.lease import end_lease, end_leases
from slacktide.control.organization import organization_of
from slacktide.control.quiet import people
from slacktide.control.schedule import known_of
from slacktide.control.session import end_session, end_sessions
from slacktide.control.setting import control_now
from slacktide.core.errors import InputError, UsageError
from slacktide.guard.holders import Holder, UnknownTransaction, end_transaction
from slacktide.postgres.connection import connect

if TYPE_CHECKING:
    from slacktide.cutover.state import Measured


class AmbiguousTransaction(InputError):
    """{id} is open in several databases, {databases}: end it in the one that you mean, by `select pg_terminate_backend({pid})`."""  # noqa: E501 -- the message is one sentence


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
        "transactions": [_transaction(holder) for holder in found],
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
    require_reason(options.reason or "", what=f"slacktide transaction end {id_ or '--all'}")
    with _control("transaction", id_, all_=all_, organization=organization) as connection:
        measured = measured_of(connection, [organization])
        if id_ is None:
            ended = [one for one in _every(measured) if _ended(connection, *one, options=options)]
        else:
            ended = [_find(measured, id_)]
            if not _ended(connection, *ended[0], options=options):
                raise UnknownTransaction(id=id_)
    texts = [f"ended: {holder.id} of {holder.user} in {holder.database}" for _, holder in ended]
    return _say(options, [_transaction(holder) for _, holder in ended], texts, one=id_ is not None)


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


def _ended(connection: _Connection, address: str, holder: Holder, *, options: Acting) -> bool:
    """End a transaction and note it; tell False of one that has ended by itself."""
    facts: dict[str, Any] = {"who": options.who, "what": "transaction end", "reason": options.reason or ""}
    facts |= {"object": f"transaction {holder.id} in {holder.database}", "before": _transaction(holder)}
    try:
        with connection.transaction(), connect(address, name="transaction end") as other:
            record_audit(connection, **facts)
            end_transaction(other, id=holder.id)
    except UnknownTransaction:
        return False
    return True


def _every(measured: Measured) -> list[tuple[str, Holder]]:
    """Give each transaction once, with the address of its database."""
    found = {(one.database, one.id): (seen.place.address, one) for seen in measured.seen for one in seen.holders}
    return [*found.values()]


def _find(measured: Measured, id_: str) -> tuple[str, Holder]:
    """Give the transaction of this name, and the address of its database."""
    found = {
        holder.database: (seen.place.address, holder)
        for seen in measured.seen
        for holder in seen.holders
        if holder.id == id_
    }
    if not found:
        raise UnknownTransaction(id=id_)
    if len(found) > 1:
        raise AmbiguousTransaction(id=id_, databases=", ".join(sorted(found)), pid=id_.partition(":")[0])
    return next(iter(found.values()))


def _transaction(holder: Holder) -> dict[str, Any]:
    names = ("id", "database", "user", "query", "age_seconds", "prepared")
    return {name: getattr(holder, name) for name in names}


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
