"""What differs now from a report that was signed: both sides are read anew, and their objects' digests computed again.

1. The target has been traded on since it is open: its objects differ, and those that do are named.
2. The source cannot be reached any more: the target alone is held against the report, and that is said.
3. What came after the opening (task 7) brought along shared objects, by reference: nothing was signed of them, so they
   count on neither side.
4. The move was cleaned: without the key map nobody can say which object of the target is which; that is an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from slacktide.core.errors import InputError
from slacktide.cutover.record import Record
from slacktide.cutover.report import STATEMENTS, target_keys
from slacktide.postgres.connection import Unreachable, connect
from slacktide.transfer.ahead import subject_of
from slacktide.transfer.journal import Journal
from slacktide.transfer.move import CLEAN
from slacktide.transfer.object_digest import digest_of
from slacktide.transfer.verify import digests
from slacktide.transfer.verify_read import TargetReader, at_one_snapshot
from slacktide.transfer.verify_sql import Side
from slacktide.transfer.verify_store import Store

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.transfer.move import Move

    _Objects = dict[str, dict[str, str]]  # by entity: content hash by the source's key

_LISTED = 20


class NothingToCompare(InputError):
    """The move {move} was cleaned, and with the key map went what says which object of the target is which. The report by itself is verified without --compare: slacktide move report --verify FILE.json."""  # noqa: E501 -- the message is one sentence


class SideNow(msgspec.Struct, frozen=True):
    """One side as it is now: how many entities are as they were signed, and of the others the objects that differ.

    `different` has, by entity, the first keys (the source's); None where what was signed is not kept any more.
    """

    side: str
    same: bool
    entities: int
    different: dict[str, list[str] | None] = {}
    unreachable: str = ""


def compare(control: psycopg.Connection[TupleRow], *, move: Move, report: dict[str, Any]) -> list[SideNow]:
    """Read both sides and hold them against a report. Raises NothingToCompare, Unreachable (the target)."""
    if move.state == CLEAN:
        raise NothingToCompare(move=move.name)
    subject = subject_of(move, Journal(control, move_id=move.move_id))
    signed = report["objects"]["entities"]
    names = [entity.name for entity in move.plan.moving]
    with connect(move.target, name="report") as target, at_one_snapshot(target):
        reader = TargetReader(target, subject)
        late = _late(control, target, move=move)
        known = {name: [key for key in reader.by_reference(name) if (name, key) not in late] for name in names}
        keys = {name: target_keys(target, move=move, entity=name) for name in names}
        there = _gathered(names, digests(connection=target, side=Side.TARGET, subject=subject), late)
    kept = Store(control, move_id=move.move_id)
    proven = {entity.name: dict(kept.proven(entity)) for entity in move.plan.moving}
    found = [_held("target", there, signed=signed, keys=keys, proven=proven)]
    try:
        with connect(move.source, name="report") as source, at_one_snapshot(source):
            here = _gathered(names, digests(connection=source, side=Side.SOURCE, subject=subject, known=known), late)
    except Unreachable as error:
        return [SideNow("source", same=False, entities=0, unreachable=str(error)), *found]
    return [_held("source", here, signed=signed, keys=keys, proven=proven), *found]


def _late(
    control: psycopg.Connection[TupleRow], target: psycopg.Connection[TupleRow], *, move: Move
) -> set[tuple[str, str]]:
    """Give what came by reference behind the barrier, by entity and the source's key."""
    last = Record(control, move_id=move.move_id, move=move.name).last()
    facts = {"move": move.name, "final": last.final_batch if last else None}
    return {(name, key) for name, key in target.execute(STATEMENTS["late_keys"], facts)}


def _gathered(names: list[str], lines: Any, late: set[tuple[str, str]]) -> _Objects:
    found: _Objects = {name: {} for name in names}
    for entity, key, digest in lines:
        if (entity, key) not in late:
            found[entity][key] = digest.hex()
    return found


def _held(
    side: str, now: _Objects, *, signed: dict[str, Any], keys: dict[str, dict[str, str]], proven: _Objects
) -> SideNow:
    different: dict[str, list[str] | None] = {}
    for name in sorted(now.keys() | signed.keys()):
        said = signed.get(name, {}).get("digest")
        if _digest(name, now.get(name, {}), keys) != said:
            known = _digest(name, proven.get(name, {}), keys) == said
            different[name] = _differing(now.get(name, {}), proven[name]) if known else None
    return SideNow(side, same=not different, entities=len(signed) - len(different), different=different)


def _digest(name: str, objects: dict[str, str], keys: dict[str, dict[str, str]]) -> str:
    ordered = sorted(objects.items(), key=lambda one: one[0].encode())
    return digest_of(name, ((key, keys.get(name, {}).get(key, ""), content) for key, content in ordered)).digest


def _differing(now: dict[str, str], proven: dict[str, str]) -> list[str]:
    return sorted(key for key in now.keys() | proven.keys() if now.get(key) != proven.get(key))[:_LISTED]
