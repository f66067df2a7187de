"""`slacktide holders`, `lease`, `session` and `transaction`: who holds a closing up, and ending that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from slacktide.cli.output import ACTING, SHOWN, Acting, Shown, table
from slacktide.cli.status import measured_of
from slacktide.control.audit import record_audit, require_reason
from slacktide.control.database import open_control
from slacktide.control.lease import end_lease
from slacktide.control.organization import organization_of
from slacktide.control.quiet import people
from slacktide.control.schedule import known_of
from slacktide.control.session import end_session
from slacktide.control.setting import control_now
from slacktide.core.errors import InputError
from slacktide.guard.holders import Holder, UnknownTransaction, end_transaction
from slacktide.postgres.connection import connect

if TYPE_CHECKING:
    from slacktide.cutover.state import Measured


class AmbiguousTransaction(InputError):
    """{id} is open in several databases, {databases}: end it in the one that you mean, by `select pg_terminate_backend({pid})`."""  # noqa: E501 -- the message is one sentence


lease = App(name="lease", help="End a task lease.")
session = App(name="session", help="End a session.")
transaction = App(name="transaction", help="End a transaction that holds a closing up.")

_Id = Annotated[str, Parameter(name="ID", help="Its ID, as `slacktide holders` shows it.")]


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
def end_lease_(id_: _Id, /, *, options: Acting = ACTING) -> int:
    """End a task lease: what its user has not saved stays a draft, and cannot be saved any more."""
    with open_control() as control, control.connect(name="lease end") as connection:
        ended = end_lease(connection, id=id_, who=options.who, reason=options.reason or "")
    return options.say(ended.answer(), f"ended: the lease {id_} of {ended.lease.user} for task {ended.lease.task}")


@session.command(name="end")
def end_session_(id_: _Id, /, *, options: Acting = ACTING) -> int:
    """End a session, and its leases: its user is logged out."""
    with open_control() as control, control.connect(name="session end") as connection:
        ended = end_session(connection, id=id_, who=options.who, reason=options.reason or "")
    return options.say(ended.answer(), f"ended: the session {id_} of {ended.user}")


@transaction.command(name="end")
def end_transaction_(
    id_: Annotated[str, Parameter(name="ID", help="The transaction, as `slacktide holders` shows it.")],
    /,
    *,
    options: Acting = ACTING,
) -> int:
    """End a transaction: its session is terminated, a prepared one rolled back."""
    reason = options.reason or ""
    require_reason(reason, what=f"slacktide transaction end {id_}")
    with open_control() as control, control.connect(name="transaction end") as connection:
        address, holder = _find(measured_of(connection, [None]), id_)
        with connection.transaction(), connect(address, name="transaction end") as other:
            subject = f"transaction {id_} in {holder.database}"
            record_audit(
                connection,
                who=options.who,
                what="transaction end",
                object=subject,
                before=_transaction(holder),
                reason=reason,
            )
            end_transaction(other, id=id_)
    return options.say(_transaction(holder), f"ended: {id_} of {holder.user} in {holder.database}")


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
