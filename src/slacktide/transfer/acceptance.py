"""Errors of objects, and their three ways out: process it again, mend the mapping, accept it by name.

An accepted object is left out by name: it neither counts as failed nor as different, on neither side, and stands in the
result. The events:

1. Somebody accepts money: an entity that a control total of money is of is never accepted, whatever its error.
2. The object changes at the source afterwards: it is not the one that was accepted. The acceptance ends with the entry
   of the journal that tells it, in the same transaction.
3. It is processed again, and arrives: the acceptance ends with the message that stood about it.
4. It has changed already, or is being read again, and the error shown is an old one: accepting is refused.
5. Another object refers to it: that one waits, stands in the list, and has to be accepted as well, if it may be.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from slacktide.control.audit import record_audit, require_reason
from slacktide.core.errors import InputError, UsageError
from slacktide.postgres import sql

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.plan.model import Plan
    from slacktide.transfer.move import Move
    from slacktide.transfer.verify import Difference

    _Connection = psycopg.Connection[TupleRow]

_STATEMENTS = sql.load(__package__, "acceptance.sql")


class UnknownError(UsageError):
    """The move {move} has no error {error!r}: `slacktide move error list {move}` lists those that there are."""


class MoneyNeverAccepted(InputError):
    """{entity} {key} bears money ({title}), and no difference of money is accepted. Mend it, then process it again: {again}."""  # noqa: E501 -- the message is one sentence


class ErrorChanging(InputError):
    """{entity} {key} has been touched since this error, and is read again: look at it once more with `slacktide move error list {move}`."""  # noqa: E501 -- the message is one sentence


class Way(msgspec.Struct, frozen=True):
    """A way out of an error: what it is, and the command."""

    way: str
    command: str


class Accepted(msgspec.Struct, frozen=True):
    """An object whose error was accepted: what was wrong, by whom, in which role, why and when."""

    entity: str
    key: str
    error: str
    name: str
    role: str
    reason: str
    at: datetime


class ObjectError(msgspec.Struct, frozen=True):
    """An object that failed, waits, was warned about or differs, with the ways out, and who accepted it."""

    id: str
    message: int | None
    entity: str
    key: str
    state: str
    reason: str
    waits_for: str | None
    at: datetime
    batch: int
    money: bool
    ways: list[Way]
    accepted: Accepted | None


def errors(control: _Connection, *, move: Move) -> list[ObjectError]:
    """List the errors of a move, object by object."""
    money = money_of(move.plan)
    return [_error(move, money, *row) for row in control.execute(_STATEMENTS["errors"], {"move_id": move.move_id})]


def money_of(plan: Plan) -> dict[str, str]:
    """Give the entities that bear money, each with the title of a control total of it."""
    return {total.entity: total.title for total in reversed(plan.totals) if total.money}


def _error(move: Move, money: dict[str, str], *row: Any) -> ObjectError:
    message, entity, key, state, reason, waits_entity, waits_key, at, batch, name, role, why, accepted_at = row
    accepted = None if name is None else Accepted(entity, key, reason, name, role, why, accepted_at)
    waits_for = f"{waits_entity} {waits_key}" if state == "waiting" else None
    id_ = f"{entity}:{key}"
    ways = _ways(move, id_, message=message, reason=reason, money=entity in money)
    return ObjectError(
        id_, message, entity, key, state, reason, waits_for, at, batch, entity in money, [] if accepted else ways,
        accepted,
    )  # fmt: skip


def _ways(move: Move, id_: str, *, message: int | None, reason: str, money: bool) -> list[Way]:
    again = f" {message}" if message is not None else ""
    ways = [Way("process it again", f"slacktide move reprocess {move.name}{again}")]
    if "mapping" in reason or "unmapped" in reason:
        ways.append(Way("mend the mapping", f"slacktide move convert {move.name} --mappings FILE.csv"))
    if not money:
        ways.append(
            Way("accept it by name", f"slacktide move error accept {move.name} {shlex.quote(id_)} --reason TEXT")
        )
    return ways


def accept(control: _Connection, *, move: Move, error: str, name: str, role: str, reason: str, who: str) -> ObjectError:
    """Accept an error by its ID (ENTITY:KEY) or by its message's.

    Raises UnknownError, MoneyNeverAccepted, ErrorChanging, ReasonMissing.
    """
    require_reason(reason, what=f"slacktide move error accept {move.name} {error}")
    with control.transaction():
        found = next((e for e in errors(control, move=move) if error in (e.id, str(e.message))), None)
        if found is None:
            raise UnknownError(move=move.name, error=error)
        if found.money:
            title = money_of(move.plan)[found.entity]
            again = f"`{found.ways[0].command}`" if found.ways else f"`slacktide move reprocess {move.name}`"
            raise MoneyNeverAccepted(entity=found.entity, key=found.key, title=title, again=again)
        facts = {"move_id": move.move_id, "entity": found.entity, "key": found.key}
        if control.execute(_STATEMENTS["under_way"], facts | {"batch": found.batch}).fetchone() == (True,):
            raise ErrorChanging(entity=found.entity, key=found.key, move=move.name)
        kept = {"name": name, "role": role, "reason": reason, "error": found.reason}
        control.execute(_STATEMENTS["accept"], facts | kept | {"who": who})
        record_audit(control, who=who, what="move error accept", object=move.name,
                     after={"entity": found.entity, "key": found.key, **kept}, reason=reason)  # fmt: skip
    return found


def accepted(control: _Connection, *, move_id: int) -> list[Accepted]:
    """Give the objects whose error is accepted."""
    return [Accepted(*row) for row in control.execute(_STATEMENTS["accepted"], {"move_id": move_id})]


def accepted_keys(control: _Connection, *, move_id: int) -> dict[str, set[str]]:
    """Give the keys of the objects whose error is accepted, by entity."""
    found: dict[str, set[str]] = {}
    for one in accepted(control, move_id=move_id):
        found.setdefault(one.entity, set()).add(one.key)
    return found


def accepted_of(control: _Connection, *, move: Move, left_out: Sequence[Difference]) -> list[dict[str, Any]]:
    """Give what a result shows of the objects that a comparison left out by name."""
    by_name = {(one.entity, one.key): one for one in accepted(control, move_id=move.move_id)}
    return [
        {"what": each.what, **msgspec.to_builtins(by_name[each.entity, each.key])}
        for each in left_out
        if (each.entity, each.key) in by_name
    ]


def different(control: _Connection, *, move: Move) -> int:
    """Count the objects that differed in the last comparison ahead and are not accepted."""
    row = control.execute(_STATEMENTS["different"], {"move_id": move.move_id}).fetchone()
    return int(row[0]) if row else 0
