"""The way back: what the old source holds already, so that only what changed is carried, and nothing of it is lost.

A way back is a move like any other, from where the property lives now to where it lived before. What is different: its
target is full. Its key map there is the forward move's, turned round, and of each object that is equal on both sides it
knows the content, so that the pass finds nothing to write. The events, and what stands against each:

1. A row keeps its old key: by the key map turned round. What is new draws a key of the old source's own.
2. An object is deleted while the property trades there: the pass ends by saying what is absent, and it goes.
3. An optional code was left out, or two codes became one: the row of the old source keeps its code as long as what
   comes says the same (`kept_codes`), whatever else of the row is changed, also where a part's key holds the code; so
   does a reference that was left null.
4. A code stands for several: it has no way back by itself, and is listed before anything is sent (`require_inverted`).
5. An object never arrived, as its failure was accepted: it stays here, is known by name, and is not compared.
6. Another property's object was kept by reference there: here is the original, so it is not written, nor deleted.
7. A shared profile is deleted there: it goes here too, and leaves its unique values to whoever took them over, unless
   something here refers to it. Then it stays, as it was here before; so does one that is there still and to which
   nothing of the property refers any more. Of one that went before the stream began nobody tells: it is looked for
   when the pass is over, and asked for (`settle`).
8. Another property changes a shared profile here meanwhile: what it is here stays, and is named; whether it was changed
   before it would be written (`let_changed_stay`) or afterwards (`settle`).
9. The command is killed: everything here can be done again, and nothing is open meanwhile.
"""

from __future__ import annotations

import contextlib
import html
import json
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import msgspec

from slacktide.core import clock
from slacktide.core.errors import InputError
from slacktide.core.piece import pieces
from slacktide.postgres import sql
from slacktide.postgres.connection import connect
from slacktide.transfer import prepare
from slacktide.transfer import returning_sql as statement
from slacktide.transfer.entry import Touched
from slacktide.transfer.journal import Journal
from slacktide.transfer.message import unescape
from slacktide.transfer.slot import RANGE_OBJECTS
from slacktide.transfer.source import Source
from slacktide.transfer.verify import Comparison
from slacktide.transfer.verify_read import SourceReader, Subject, TargetReader, at_one_snapshot, key_of
from slacktide.transfer.verify_sql import is_named

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.plan.model import Entity
    from slacktide.transfer.conversion import CodeInUse
    from slacktide.transfer.move import Move

    _Connection = psycopg.Connection[TupleRow]

_STATEMENTS = sql.load(__package__, "returning.sql")
Names = dict[str, list[str]]  # by entity, the keys at the old source
Mappings = dict[str, dict[str, str | None]]  # by list and code
_CONTENT = re.compile(r'^<\w+ h="([0-9a-f]{32})"')


class NotInvertible(InputError):
    """These codes at the target stand for several at the source: {codes}. Say which one each becomes, in lines of list,source_code,target_code, by `slacktide move convert {move} --mappings FILE.csv`."""  # noqa: E501 -- the message is one sentence


class Settled(msgspec.Struct, frozen=True):
    """What was found of shared objects: those that stay as others have changed them; how many are to go."""

    stay: Names
    going: int

    def __bool__(self) -> bool:
        """Tell whether there is anything."""
        return bool(self.stay) or self.going > 0


# -- codes -------------------------------------------------------------------------------------------------------------


def invert_codes(control: _Connection, *, back: Move) -> None:
    """Give a way back the forward move's mappings, turned round."""
    control.execute(_STATEMENTS["invert"], {"back": back.move_id, "forward": back.back_of})


def require_inverted(control: _Connection, *, back: Move, used: Iterable[CodeInUse]) -> None:
    """See that no code in use stands for several without a mapping of its own. Raises NotInvertible."""
    rows = control.execute(_STATEMENTS["ambiguous"], {"back": back.move_id, "forward": back.back_of})
    several = {(name, code): codes for name, code, codes in rows}
    bad = [(one, several[one.list, one.code]) for one in used if (one.list, one.code) in several]
    if bad:
        listed = "; ".join(
            f"{one.list} {one.code!r} ({one.count} rows) for {', '.join(map(repr, codes))}" for one, codes in bad
        )
        raise NotInvertible(codes=listed, move=back.name)


def kept_codes(control: _Connection, *, move: Move) -> dict[str, str] | None:
    """Say, for each list as JSON under `kept_LIST`, which code comes for each that stands there; None: no way back."""
    if move.back_of is None:
        return None
    forward, back = (_mappings(control, move_id) for move_id in (move.back_of, move.move_id))
    kept = {}
    for item in move.plan.lists:
        here = back[item.name]
        said = {code: code for code in here.values() if code and code not in forward[item.name]}
        said |= {code: to for code, other in forward[item.name].items() if other and (to := here.get(other))}
        kept[f"kept_{item.name}"] = json.dumps(said)
    return kept


def compared_codes(codes: Mappings, *, kept: dict[str, str] | None) -> Mappings:
    """Give what comes for each code as it is compared: as the one that comes for what would be written.

    So a code that was left out and none are compared as the same, and two that became one. `kept` None: no way back.
    """
    if kept is None:
        return codes
    said = {name: json.loads(kept[f"kept_{name}"]) for name in codes}
    return {name: {code: said[name].get(other) for code, other in some.items()} for name, some in codes.items()}


def _mappings(control: _Connection, move_id: int) -> Mappings:
    found: Mappings = defaultdict(dict)
    for name, code, other in control.execute(_STATEMENTS["mappings"], {"move_id": move_id}):
        found[name][code] = other
    return found


def _codes(control: _Connection, move: Move) -> dict[str, str]:
    mapped = _mappings(control, move.move_id)
    return {f"codes_{item.name}": json.dumps(mapped[item.name]) for item in move.plan.lists}


# -- the key map -------------------------------------------------------------------------------------------------------


def seed_keys(*, back: Move, forward: Move) -> int:
    """Give the old source the key map of the way back; give the number of objects that it knows."""
    with (
        connect(back.source, name=f"{back.name} way back") as there,
        connect(back.target, name=f"{back.name} way back") as here,
    ):
        prepare.prepare_reading(there)
        prepare.prepare_target(here, plan=back.plan, move=back.name, target_property=back.target_property)
        with here.transaction():
            move_no = _move_no(here, back)
            here.execute(_STATEMENTS["make_seed"])
            counts = [
                _seed(there, here, move_no, entity=entity, back=back, forward=forward)
                for entity in back.plan.late.moving  # what is miscellaneous stands there too, moved or not
            ]
            others = [entity.name for entity in back.plan.moving if not entity.shared]
            here.execute(_STATEMENTS["of_others"], {"move_no": move_no, "names": others})
        here.execute("analyze slacktide.key_map")
    return sum(counts)


def _seed(
    there: _Connection, here: _Connection, move_no: int, *, entity: Entity, back: Move, forward: Move
) -> int:  # fmt: skip
    counts = []
    for table in (table for table in entity.tables if table.mapped):
        with (
            there.cursor().copy(statement.known(entity, table, move=forward.name)) as rows,
            here.cursor().copy(statement.COPY_SEED) as into,
        ):
            for row in rows:
                into.write(row)
        here.execute(_STATEMENTS["analyze_seed"])
        counts.append(here.execute(statement.seed(table), {"move_no": move_no}).rowcount)
        here.execute(_STATEMENTS["empty_seed"])
        if not entity.shared:
            facts = {"move_no": move_no, "property": back.target_property}
            here.execute(statement.never_arrived(back.plan.late, entity, table), facts)
    return counts[0]


def _move_no(connection: _Connection, move: Move) -> int:
    row = connection.execute(_STATEMENTS["move_no"], {"move": move.name}).fetchone()
    assert row is not None  # noqa: S101 -- written down by `prepare_target`
    return int(row[0])


def seed_content(control: _Connection, *, back: Move, business_date: date) -> int:
    """Note of every object that is equal on both sides that it need not be written; give their number.

    Both sides are compared as a verification does, with the property trading where it lives.
    """
    kept = kept_codes(control, move=back)
    subject = Subject(
        plan=back.plan, move=back.name, source_property=back.property_code, target_property=back.target_property,
        codes=compared_codes(_mappings(control, back.move_id), kept=kept), kept=kept, seeding=True,
    )  # fmt: skip
    codes = _codes(control, back)
    source = Source(back.source, plan=back.plan, property_code=back.property_code, name=f"{back.name} way back")
    equal = 0
    with (
        contextlib.closing(source),
        connect(back.target, name=f"{back.name} way back") as reading,
        connect(back.target, name=f"{back.name} way back") as here,
        source.at_one_instant(),
        at_one_snapshot(reading),
    ):
        comparison = Comparison(
            SourceReader(source.connection, subject), TargetReader(reading, subject), business_date=business_date
        )
        move_no = _move_no(here, back)
        for entity in back.plan.moving:
            keys = [key_of(line).decode() for line in comparison.objects(entity)]
            for found in contents(source, entity, keys, codes=codes):
                facts = {"move_no": move_no, "name": entity.name, "keys": [*found], "hashes": [*found.values()]}
                equal += here.execute(_STATEMENTS["note_content"], facts).rowcount
    return equal


def contents(
    source: Source, entity: Entity, keys: list[str], *, codes: dict[str, str]
) -> Iterator[dict[str, str]]:  # fmt: skip
    """Give the content hashes of objects by key, as they would stand in messages, some at a time."""
    key = re.compile(f' {re.escape(entity.key)}="([^"]*)"')
    for some in pieces(keys, size=RANGE_OBJECTS):
        for read in source.objects(entity, list(some), codes=codes):
            found = [(_CONTENT.search(line), key.search(line)) for line in read.xml.decode().split("\n")]
            yield {unescape(html.unescape(k[1])) or "": h[1] for h, k in found if h and k}


# -- what others changed -----------------------------------------------------------------------------------------------


def let_changed_stay(control: _Connection, *, back: Move, forward: Move) -> Names:
    """Let shared objects stay that another property changed at the old source since it was left; give them.

    To be asked before anything is carried. The content that was sent last is known where the forward move sent it to.
    """
    codes = _codes(control, forward)
    source = Source(forward.source, plan=back.plan, property_code=forward.property_code, name=f"{back.name} way back")
    with (
        contextlib.closing(source),
        connect(forward.target, name=f"{back.name} way back") as there,
        connect(back.target, name=f"{back.name} way back") as here,
        source.connection.transaction(),
    ):
        found: Names = {}
        for entity in (entity for entity in back.plan.moving if entity.shared):
            facts = {"move_no": _move_no(here, back), "name": entity.name}
            keys = {here_key: key for key, here_key in here.execute(_STATEMENTS["unwritten"], facts)}
            sent = _sent(there, forward, entity.name, [*keys])
            changed = [keys[key] for now in contents(source, entity, [*sent], codes=codes) for key in now
                       if now[key] != sent[key]]  # fmt: skip
            found |= _let_stay(here, facts, changed)
    return found


def settle(control: _Connection, *, back: Move, different: Iterable[tuple[str, str]]) -> Settled:
    """Of shared objects that differ let those be that are not the property's to change here; ask for what is gone.

    If what was written last is what they are where the property lives, somebody else has changed them here since. For
    what is gone there see event 7: of what the way back has not met nothing is compared. To be asked after the pass.
    """
    differ: Names = defaultdict(list)
    for name, key in different:
        if is_named(key):
            differ[name].append(key)
    stay: Names = {}
    absent: list[Touched] = []
    codes = _codes(control, back)
    source = Source(back.source, plan=back.plan, property_code=back.property_code, name=f"{back.name} way back")
    with (
        contextlib.closing(source),
        connect(back.target, name=f"{back.name} way back") as here,
        source.connection.transaction(),
    ):
        for entity in (entity for entity in back.plan.moving if entity.shared):
            facts = {"move_no": _move_no(here, back), "name": entity.name}
            sent = _sent(here, back, entity.name, differ[entity.name])
            now: dict[str, str] = {}
            for some in contents(source, entity, [*sent], codes=codes):
                now |= some
            stay |= _let_stay(here, facts, [key for key in now if now[key] == sent[key]])
            unmet = [key for (key,) in here.execute(_STATEMENTS["unmet"], facts)]
            standing = source.standing(entity, {*differ[entity.name], *unmet})
            absent += [Touched(entity.name, key) for key, there, _ in standing if not there]
    if absent:  # and what came into the way of one of them, in the same batch
        journal = Journal(control, move_id=back.move_id)
        journal.enqueue([*absent, *journal.waiting_for([], [], stirred=True)], now=clock.now())
    return Settled(stay, len(absent))


def different_ahead(control: _Connection, *, back: Move) -> list[tuple[str, str]]:
    """Give what the last verification ahead found different, by entity and key."""
    rows = control.execute(_STATEMENTS["different"], {"move_id": back.move_id})
    return [(name, key) for name, key in rows]


def _sent(connection: _Connection, move: Move, name: str, keys: list[str]) -> dict[str, str]:
    """Give the content that a move wrote last of objects, by its source's keys."""
    facts = {"move": move.name, "name": name, "keys": keys}
    return {key: hash_.hex for key, hash_ in connection.execute(_STATEMENTS["content_left"], facts)}


def _let_stay(here: _Connection, facts: dict[str, Any], keys: list[str]) -> Names:
    if not keys:
        return {}
    rows = here.execute(_STATEMENTS["let_stay"], {**facts, "keys": keys})
    return {facts["name"]: sorted(key for (key,) in rows)}
