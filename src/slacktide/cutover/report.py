"""The reconciliation report of a move: what was moved, how that was proven, and who answers for it.

It is put together from what the control database kept when it happened, and computes nothing anew but the digests of
the objects. What could go wrong:

1. The target is traded on: the objects and totals are those that were compared at the barrier, when nobody could write,
   and not those of the hour at which the report is asked for.
2. The down time is not over, or was given up: the report says that it is not final, and shows what was verified ahead.
3. Nothing was compared, or not with what is shown: the report says so, and whoever asks for it does not get a 0.
4. The move is cleaned, and what it is made from goes: the last report is made before that, and kept.
5. Another part of the move's story is added later (an error accepted by a role, testers, a fallback): the trail tells
   of it, and of what was accepted every column is shown.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import msgspec

from slacktide.control.audit import record_audit
from slacktide.control.setting import control_now
from slacktide.core.configuration import secret_key
from slacktide.core.errors import InputError
from slacktide.cutover import contingency, report_content, report_signature, result
from slacktide.cutover.attempt import State, sentence
from slacktide.cutover.record import Record
from slacktide.postgres import sql
from slacktide.postgres.connection import connect, shown
from slacktide.transfer.move import CLEAN, load_move
from slacktide.transfer.object_digest import CONSTRUCTION, EntityDigest, digest_of
from slacktide.transfer.verify_store import Store

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.cutover.record import Attempt, StepRecord
    from slacktide.transfer.move import Move

    _Connection = psycopg.Connection[TupleRow]

STATEMENTS = sql.load(__package__, "report.sql")
_SNAPSHOT = "set transaction isolation level repeatable read"
KIND = "slacktide reconciliation report"


class NothingToReport(InputError):
    """The move {move} was cleaned before it was open, and nothing of it was kept: what was done stands in `slacktide audit`."""  # noqa: E501 -- the message is one sentence


def make(control: _Connection, *, move: Move, who: str) -> dict[str, Any]:
    """Make the report and sign it; of a move that is cleaned, give the one that was kept. A final one is kept.

    Raises NothingToReport, Unreachable.
    """
    if move.state == CLEAN:
        return kept(control, move=move)
    with control.transaction():  # in one snapshot: a verification ahead may note another one meanwhile
        control.execute(_SNAPSHOT)
        report = _report(control, load_move(control, name=move.name), who)
    signed = report_signature.sign(report, secret=secret_key())
    with control.transaction():
        if signed["report"]["standing"]["final"]:
            facts = {"move_id": move.move_id, "who": who, "signed": msgspec.json.encode(signed).decode()}
            control.execute(STATEMENTS["keep"], facts)
        record_audit(control, who=who, what="move report", object=move.name,
                     after={"parts": signed["signature"]["parts"]}, reason="")  # fmt: skip
    return signed


def kept(control: _Connection, *, move: Move) -> dict[str, Any]:
    """Give the last report that was kept of a move. Raises NothingToReport."""
    row = control.execute(STATEMENTS["kept"], {"move_id": move.move_id}).fetchone()
    if row is None:
        raise NothingToReport(move=move.name)
    signed: dict[str, Any] = msgspec.json.decode(row[0])
    return signed


def proves(report: dict[str, Any]) -> bool:
    """Tell whether a report shows that contents were compared and are equal, and signs each object of that."""
    compared, signed = report["comparison"], report["objects"]["entities"].values()
    count = sum(entity["objects"] for entity in signed)
    return bool(compared["equal"]) and count == compared["read"] + compared["carried"]


def _report(control: _Connection, move: Move, who: str) -> dict[str, Any]:
    record = Record(control, move_id=move.move_id, move=move.name)
    attempt, store = record.last(), Store(control, move_id=move.move_id)
    steps = record.steps() if attempt else []
    return {
        "kind": KIND,
        "version": 1,
        "made": {"at": control_now(control), "by": who, "program": f"slacktide {version('slacktide')}"},
        "standing": _standing(attempt),
        "move": _move(move),
        "plan": {"name": move.plan.name, "version": move.plan.version, "file": move.plan_file,
                 "checksum": move.plan.checksum, "left_out": report_content.left_out(move.plan),
                 "switched_off": move.facts.get("switched_off", [])},
        "comparison": report_content.comparison(attempt, steps=steps, move=move),
        "totals": report_content.totals(attempt, move=move, store=store),
        "rows": report_content.rows(attempt, move=move, store=store),
        "accepted": [dict(zip(("entity", "key", "state", "reason", "accepted"), row, strict=True))
                     for row in control.execute(STATEMENTS["accepted"], {"move_id": move.move_id})],
        "messages": [dict(zip(("entity", "key", "state", "reason", "at"), row, strict=True))
                     for row in control.execute(STATEMENTS["messages"], {"move_id": move.move_id})],
        "down_time": _down_time(control, move, steps, attempt),
        "timeline": _timeline(control, move),
        "counters": report_content.counters(steps),
        "contingency": _contingency(control, move),
        "objects": {"construction": CONSTRUCTION, "entities": _objects(store, move)},
    }  # fmt: skip


def _standing(attempt: Attempt | None) -> dict[str, Any]:
    if attempt is None:
        return {"final": False, "state": "not started", "text": "NOT FINAL: the down time was not started yet."}
    state, final = State(attempt.state), attempt.state == State.OPEN
    return {
        "final": final,
        "state": str(state),
        "text": f"{'FINAL' if final else 'NOT FINAL'}: {sentence(state=state)}",
    }


def _move(move: Move) -> dict[str, Any]:
    return {
        "name": move.name, "property": move.property_code, "target_property": move.target_property,
        "source": shown(move.source), "target": shown(move.target), "state": move.state,
    }  # fmt: skip


def _down_time(
    control: _Connection, move: Move, steps: list[StepRecord], attempt: Attempt | None
) -> dict[str, Any] | None:
    """Give the last attempt with its steps, what it took, who answers for what; and the attempts before it."""
    if attempt is None:
        return None
    names = ("attempt", "state", "by", "reason", "started_at", "opened_at", "abandoned_at", "abandoned_by",
             "abandoned_reason", "source_opened_at")  # fmt: skip
    found = result.of(control, move=move)
    return {
        "downtime": attempt.downtime_id, "business_date": attempt.business_date, "open_by": attempt.open_by,
        "started_by": attempt.who, "started_at": attempt.started_at, "opened_at": attempt.opened_at,
        "waived": attempt.waived, "gos": attempt.gos, "error": attempt.error,
        **{name: found[name] for name in ("down_seconds", "work_seconds", "objects_moved")},
        "steps": [{"step": step.step, "title": step.title, "state": step.state, "at": step.changed_at,
                   "work_seconds": round(step.work_seconds, 3), "done": step.done} for step in steps],
        "attempts": [dict(zip(names, row, strict=True))
                     for row in control.execute(STATEMENTS["attempts"], {"move_id": move.move_id})],
    }  # fmt: skip


def _timeline(control: _Connection, move: Move) -> list[dict[str, Any]]:
    """Give what the trail has of the move, its property, and the downtimes that it was made in."""
    facts = {"move_id": move.move_id}
    downtimes = [f"downtime {id_}" for (id_,) in control.execute(STATEMENTS["downtimes"], facts)]
    objects = [move.name, f"move {move.name}", f"organization {move.organization}", *downtimes]
    rows = control.execute(STATEMENTS["trail"], facts | {"objects": objects})
    return [dict(zip(("at", "by", "what", "object", "reason"), row, strict=True)) for row in rows]


def _contingency(control: _Connection, move: Move) -> dict[str, Any]:
    forms = contingency.forms(control, move=move)
    settled = [form for form in forms if form.state != "printed"]
    return {
        "last_pack": contingency.last_made(control, move=move),
        "missing": [{"number": form.number, "kind": form.kind, "pack": form.pack} for form in forms if form.missing],
        "settled": [{"number": form.number, "kind": form.kind, "pack": form.pack, "state": form.state, "by": form.who,
                     "at": form.at, "reason": form.reason or ""} for form in settled],
    }  # fmt: skip


def _objects(store: Store, move: Move) -> dict[str, EntityDigest]:
    """Give the digest of each entity's objects that were equal when they were last compared; none before that."""
    if store.carried() is None:
        return {}
    with connect(move.target, name="report") as target:
        return {
            entity.name: digest_of(
                entity.name,
                ((key, keys.get(key, ""), content) for key, content in store.proven(entity)),
            )
            for entity in move.plan.moving
            for keys in [target_keys(target, move=move, entity=entity.name)]
        }


def target_keys(target: _Connection, *, move: Move, entity: str) -> dict[str, str]:
    """Give the target's keys of an entity's objects by the source's."""
    return dict(target.execute(STATEMENTS["target_keys"], {"move": move.name, "entity": entity}).fetchall())
