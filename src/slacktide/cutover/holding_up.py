"""Ends transactions that hold a closing up, in whichever guarded database they are, and notes it in the trail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slacktide.control.audit import record_audit, require_reason
from slacktide.core.errors import InputError
from slacktide.guard.holders import UnknownTransaction, end_transaction
from slacktide.postgres.connection import connect

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.cutover.state import Measured
    from slacktide.guard.holders import Holder

    _Connection = psycopg.Connection[TupleRow]


class AmbiguousTransaction(InputError):
    """{id} is open in several databases, {databases}: end it in the one that you mean, by `select pg_terminate_backend({pid})`."""  # noqa: E501 -- the message is one sentence


def end_holder(
    connection: _Connection, *, measured: Measured, id: str, who: str, reason: str  # noqa: A002 -- the word of the interface
) -> Holder:  # fmt: skip
    """End the transaction of this name: its session is terminated, a prepared one rolled back.

    Raises UnknownTransaction, AmbiguousTransaction, NoReason.
    """
    require_reason(reason, what=f"slacktide transaction end {id}")
    found = {one.database: (address, one) for address, one in _every(measured) if one.id == id}
    if len(found) > 1:
        raise AmbiguousTransaction(id=id, databases=", ".join(sorted(found)), pid=id.partition(":")[0])
    for address, holder in found.values():
        if _end(connection, address, holder, who=who, reason=reason):
            return holder
    raise UnknownTransaction(id=id)


def end_holders(connection: _Connection, *, measured: Measured, who: str, reason: str) -> list[Holder]:
    """End every transaction that was seen; give those that had not ended by themselves. Raises NoReason."""
    require_reason(reason, what="slacktide transaction end --all")
    return [one for address, one in _every(measured) if _end(connection, address, one, who=who, reason=reason)]


def _every(measured: Measured) -> list[tuple[str, Holder]]:
    """Give each transaction once, with the address of its database."""
    found = {(one.database, one.id): (address, one) for address, one in measured.every}
    return [*found.values()]


def _end(connection: _Connection, address: str, holder: Holder, *, who: str, reason: str) -> bool:
    """End a transaction and note it; tell False of one that has ended by itself."""
    object_ = f"transaction {holder.id} in {holder.database}"
    try:
        with connection.transaction(), connect(address, name="transaction end") as other:
            record_audit(
                connection, who=who, what="transaction end", object=object_, before=holder.answer(), reason=reason
            )
            end_transaction(other, id=holder.id)
    except UnknownTransaction:
        return False
    return True
