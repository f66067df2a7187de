"""Verifying: named testers enter the target before it opens, and what they wrote is taken away and proven away.

Testers are let in while the procedure is ready and only a go is missing. Their database users act by the role
`slacktide_tester`, which the target's guard lets pass and whose writes it records; it may write the property's own
tables, and no shared ones, which nobody guards. They leave when the last go is given, when they are told to, or when
the down time is abandoned. Then everything from the barrier on is done anew: that starts by taking away what they
wrote, and compares every object on both sides, carrying nothing. The events:

1. A tester has made objects: those that the key map does not know go.
2. A tester has changed or deleted what the mover brought, or added a part to it: the engine puts the object back, by
   another batch, from the source.
3. What the mover brought refers by now to a tester's object, or has left it a unique value: putting back and taking
   away follow each other until nothing differs, or nothing more is mended.
4. Something else at the target refers to a tester's object: nothing opens, and the reference is named.
5. A tester's transaction is still open: it is listed and waited for, under the exclusive lock of the property.
6. A tester writes while their rows are taken away: the target is `prepared` again before, and the guard refuses it.
7. Killed in the middle: who is in stands in the control database before the target lets anybody in, and until the proof
   is there; every step can be done again.
8. Somebody lets testers in at the moment at which a go is given or the down time is abandoned: he names the target's
   epoch that he read before he saw it ready, and whoever turns testers out raises it.
9. Testers never count as users: until the hand over the down time can be abandoned, and then their rows go, too.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
from psycopg import errors

from slacktide.control import downtime as control_downtime
from slacktide.control.audit import record_audit, require_reason
from slacktide.control.organization import set_side
from slacktide.core import clock
from slacktide.core.errors import OutsideError, UsageError
from slacktide.cutover.attempt import State
from slacktide.cutover.kind import find
from slacktide.cutover.record import Record
from slacktide.downtime.saving import AlreadyOver, NothingToVerify
from slacktide.downtime.state import because
from slacktide.guard import closing, right
from slacktide.guard.holders import UnknownTransaction, end_transaction, holders
from slacktide.postgres import sql
from slacktide.postgres.connection import connect
from slacktide.transfer import clearing
from slacktide.transfer.entry import Touched
from slacktide.transfer.prepare import drawn_sequences, guarded_tables
from slacktide.transfer.verify_sql import is_named

if TYPE_CHECKING:
    from psycopg.rows import TupleRow

    from slacktide.cutover.night import Night
    from slacktide.plan.model import Plan
    from slacktide.transfer.entry import Batch
    from slacktide.transfer.move import Move
    from slacktide.transfer.verify import Verification

    _Connection = psycopg.Connection[TupleRow]

_STATEMENTS = sql.load(__package__, "verifying.sql")
_PAUSE_SECONDS = 0.05
_STEP = "final_synchronization"


class NotReady(UsageError):
    """The down time of {move} is {state}: testers may enter when it is ready and a go is missing. Leave one out: `slacktide move downtime start {move}` without --go."""  # noqa: E501 -- the message is one sentence


class NobodyIn(UsageError):
    """No tester is in the target of {move}: let them in with `slacktide move verifying {move} --tester USER --reason TEXT`."""  # noqa: E501 -- the message is one sentence


class TestersLeft(OutsideError):
    """What testers wrote cannot be taken away, so nothing is opened: {listed}. Mend that at the target, then `slacktide move downtime resume {move}`."""  # noqa: E501 -- the message is one sentence


class Verifying(msgspec.Struct, frozen=True):
    """The testers of an attempt: who they are, who let them in, since when, and what they wrote.

    `ended_at` is None until what they wrote is gone, and proven gone. `wrote` has tester, table, operation and rows.
    """

    testers: list[str]
    who: str
    reason: str
    began_at: datetime
    ended_at: datetime | None
    wrote: list[list[Any]]


def current(control: _Connection, *, move: Move) -> Verifying | None:
    """Give the testers of the last attempt; None where there were none."""
    row = control.execute(_STATEMENTS["current"], {"move_id": move.move_id}).fetchone()
    return Verifying(*row) if row else None


def is_in(control: _Connection, *, move: Move) -> bool:
    """Tell whether testers may have written what is not yet proven to be gone."""
    found = current(control, move=move)
    return found is not None and found.ended_at is None


# -- in ----------------------------------------------------------------------------------------------------------------


def enter(control: _Connection, *, move: Move, testers: list[str], who: str, reason: str) -> list[Any]:
    """Let testers enter, beside those who are in; give what else keeps users out of the organization.

    Raises NotReady, UnknownUser, ReasonMissing, Overtaken.
    """
    require_reason(reason, what=f"slacktide move verifying {move.name} --tester {' '.join(testers)}")
    _require_ready(move, Record(control, move_id=move.move_id, move=move.name).current().state)
    with connect(move.target, name=f"{move.name} verifying") as target:
        seen = closing.state(target, organization=move.target_property)
        with control.transaction():
            still = _note(control, move, testers=testers, who=who, reason=reason)
        right.grant_tester(target, **_rights(target, move.plan))
        try:
            closing.begin_verifying(target, organization=move.target_property, reason=reason, epoch=seen.epoch)
        except closing.Overtaken:
            _revoke(target, move.plan)
            raise
    return still


def _require_ready(move: Move, state: str) -> None:
    if state != State.READY:
        raise NotReady(move=move.name, state=state)


def _note(control: _Connection, move: Move, *, testers: list[str], who: str, reason: str) -> list[Any]:
    """Write down who is in, and have the gates of the target let them pass; all at once."""
    record = Record(control, move_id=move.move_id, move=move.name)
    _require_ready(move, record.lock())
    attempt = record.current()
    facts = {"move_id": move.move_id, "attempt": attempt.attempt, "testers": testers, "who": who, "reason": reason}
    control.execute(_STATEMENTS["enter"], facts)
    found = current(control, move=move)
    everybody = found.testers if found else testers
    still = _tell_gates(control, attempt.downtime_id, testers=everybody, who=who, reason=reason)
    set_side(control, organization=move.organization, side="target", state="closed", testers=everybody,
             who=who, reason=reason)  # fmt: skip
    record_audit(control, who=who, what="move verifying", object=move.name, after={"testers": everybody}, reason=reason)
    return still


def _tell_gates(control: _Connection, downtime: str, *, testers: list[str], who: str, reason: str) -> list[Any]:
    """Open the downtime given at Start for the testers; one that is over keeps nobody out."""
    try:
        with control.transaction():
            answer = control_downtime.end_downtime(control, id=downtime, verifying=testers, who=who, reason=reason)
    except AlreadyOver:
        return []
    except NothingToVerify:  # a series, say: its occurrence keeps the testers out of the site all the same
        return [because(control_downtime.downtime_of(control, id=downtime))]
    return [each for each in answer["because"] if str(each["id"]).isdigit() and each["id"] != downtime]


def _rights(target: _Connection, plan: Plan) -> dict[str, list[tuple[str, str]]]:
    """Give what testers may read and write: the guarded tables, and what is raised or rebuilt in any case."""
    kind = find(plan.kind)
    configuration = [table for entity in plan.configuration for table in entity.tables]
    read = [(plan.property.schema, plan.property.table)]
    read += [(table.schema, table.table) for table in (*plan.table.values(), *configuration)]
    read += [name for name in map(_name, plan.left_out) if name is not None and _is_there(target, name)]
    write = [(table.schema, table.table) for table in guarded_tables(plan)]
    write += [(counter.schema, counter.table) for counter in plan.counters]
    write += kind.derived if kind else []
    return {"read": read, "write": write, "sequences": drawn_sequences(target, plan=plan)}


def _revoke(target: _Connection, plan: Plan) -> None:
    rights = _rights(target, plan)
    right.revoke_tester(target, tables=rights["read"] + rights["write"], sequences=rights["sequences"])


def _is_there(target: _Connection, name: tuple[str, str]) -> bool:
    """Tell whether a table that is left out is at the target at all."""
    return target.execute(_STATEMENTS["is_there"], {"schema": name[0], "table": name[1]}).fetchone() is not None


def _name(left_out: str) -> tuple[str, str] | None:
    schema, _, table = left_out.partition(".")
    return (schema, table) if table and "." not in table else None


# -- out ---------------------------------------------------------------------------------------------------------------


def turn_out(night: Night) -> None:
    """Let no tester write any more, and wait for those whose transaction is open. Raises Ended."""
    move, organization = night.move, night.move.target_property
    seen = closing.state(night.target, organization=organization)
    night.require_stepping()  # after the epoch was read: whoever opens it meanwhile raises that
    _close(night.control, night.target, move, who=night.attempt.who, epoch=seen.epoch)
    while not closing.try_drained(night.target, organization=organization):
        night.require_stepping()
        listed = [msgspec.to_builtins(each) for each in holders(night.target, organization=organization)]
        night.record.set_step(_STEP, state="running", detail={"waits_for": listed})
        night.wait_for_people(_PAUSE_SECONDS)
    _keep_wrote(night)
    _revoke(night.target, move.plan)


def _close(control: _Connection, target: _Connection, move: Move, *, who: str, epoch: int) -> None:
    reason = "testers leave"
    closing.prepare_target(target, organization=move.target_property, reason=reason, epoch=epoch)
    set_side(control, organization=move.organization, side="target", state="closed", who=who, reason=reason)


def _keep_wrote(night: Night) -> None:
    """Keep what they wrote, as the guard has recorded it, and put it into the audit trail."""
    found = current(night.control, move=night.move)
    if found is None:
        return
    facts = {"organization": night.move.target_property, "since": found.began_at}
    wrote = [list(row) for row in night.target.execute(_STATEMENTS["touched"], facts)]
    ids = {"move_id": night.move.move_id, "attempt": night.attempt.attempt}
    with night.control.transaction():
        night.control.execute(_STATEMENTS["wrote"], ids | {"wrote": msgspec.json.encode(wrote).decode()})
        record_audit(night.control, who=night.attempt.who, what="move verifying end", object=night.move.name,
                     after={"testers": found.testers, "wrote": wrote}, reason=night.attempt.reason)  # fmt: skip


def take_away(night: Night) -> tuple[Batch | None, Verification | None]:
    """Take away what testers wrote, and prove it by comparing everything; give the batch and the comparison.

    Nobody writes the target any more but by batches, so the next comparison carries what this one found equal. It does
    not look for rows that only testers knew: where those stay, everything is compared again.

    Raises TestersLeft, Ended.
    """
    refused = _take_made(night)
    batch, found = night.verified_batch(whole=True)
    while found is not None and not found.equal:
        before = found.different
        _put_back(night, found)
        refused = _take_made(night)
        batch, found = night.verified_batch(whole=bool(refused))
        if found is not None and found.different >= before:
            listed = [refused] if refused else [f"{d.entity} {d.key}: {d.what}" for d in found.differences[:5]]
            raise TestersLeft(listed="; ".join(listed), move=night.move.name)
        night.require_stepping()
    return batch, found


def _take_made(night: Night) -> str:
    """Take away what testers made; give why that is refused, if it is: something refers to it."""
    try:
        clearing.take_away(night.target, move=night.move)
    except errors.IntegrityError as error:
        return " ".join(str(error).split())
    return ""


def _put_back(night: Night, found: Verification) -> None:
    """Have the differing objects read and written anew; rows that no object is are for `_take_made`."""
    objects = [Touched(each.entity, each.key) for each in found.differences if is_named(each.key)]
    facts = {"move": night.move.name, "names": [o.entity for o in objects], "keys": [o.key for o in objects]}
    night.target.execute(_STATEMENTS["forget_hash"], facts)
    night.journal.enqueue(objects, now=clock.now())
    night.engine.drain()


def note_gone(night: Night) -> None:
    """Note that what testers wrote is gone."""
    ids = {"move_id": night.move.move_id, "attempt": night.attempt.attempt}
    night.control.execute(_STATEMENTS["ended"], ids)


def end_for_abandon(control: _Connection, target: _Connection, *, move: Move, who: str) -> None:
    """Let no tester write any more, and end the transactions that they have open: their rows go in any case.

    Raises Overtaken.
    """
    organization = move.target_property
    seen = closing.state(target, organization=organization)
    if Record(control, move_id=move.move_id, move=move.name).current().state != State.ABANDONING:
        raise closing.Overtaken(organization=organization)
    _close(control, target, move, who=who, epoch=seen.epoch)
    while not closing.try_drained(target, organization=organization):
        for holder in holders(target, organization=organization):
            try:
                end_transaction(target, id=holder.id)
            except UnknownTransaction:
                continue  # it ended by itself
    _revoke(target, move.plan)
