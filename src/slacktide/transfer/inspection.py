"""Looking at one object: its XML in a batch, and its rows on both sides by the old or the new key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from psycopg.sql import SQL, Identifier

from slacktide.core.errors import UsageError
from slacktide.postgres import sql
from slacktide.postgres.connection import connect
from slacktide.transfer.journal import Journal
from slacktide.transfer.message import unescape
from slacktide.transfer.source_sql import qualified, type_of
from slacktide.transfer.spool import Spool

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.plan.model import Entity, Table
    from slacktide.transfer.move import Move

_STATEMENTS = sql.load(__package__, "target.sql")


class UnknownEntity(UsageError):
    """The plan moves no entity {entity!r}: it moves {known}."""


class NotInBatch(UsageError):
    """The batch {batch} holds no {entity} {key!r}: it failed before it was written, or the file was purged."""


def entity_of(move: Move, name: str) -> Entity:
    """Give an entity that the four processes move. Raises UnknownEntity."""
    for entity in move.plan.moving:
        if entity.name == name:
            return entity
    raise UnknownEntity(entity=name, known=", ".join(e.name for e in move.plan.moving))


def xml_of(connection: psycopg.Connection[TupleRow], *, move: Move, entity: str, key: str, batch: int) -> str:
    """Give an object's XML as it stands in its batch. Raises NotInBatch, UnknownEntity."""
    kind = entity_of(move, entity)
    stored = Journal(connection, move_id=move.move_id).batch(batch)
    spool = Spool(move.source_spool)
    if stored is not None and spool.path(stored.file).exists():
        parser: ET.XMLPullParser[Any] = ET.XMLPullParser(["end"])
        for piece in spool.read(stored.file, checksum=stored.checksum):
            parser.feed(piece)
            for event in parser.read_events():
                element: Any = event[-1]
                if element.tag == kind.root.element and unescape(element.get(kind.key, "")) == key:
                    return str(ET.tostring(element, encoding="unicode")).strip()
    raise NotInBatch(batch=batch, entity=entity, key=key)


def both_sides(move: Move, *, entity: str, key: str) -> dict[str, Any] | None:
    """Give an object's rows on both sides, by its key at the source or at the target; None where neither knows it."""
    kind = entity_of(move, entity)
    with connect(move.source, name="show") as source, connect(move.target, name="show") as target:
        row = target.execute(
            "select source_key, target_key from slacktide.key_map join slacktide.mover_move m using (move_no) "
            "where m.name = %s and key_map.name = %s and (source_key = %s or target_key = %s) "
            "order by source_key = %s desc limit 1",
            [move.name, entity, key, key, key],
        ).fetchone()
        old, new = row or (key, None)
        here = _rows(source, kind, old)
        there = _rows(target, kind, new) if new is not None else {}
    if not any(here.values()) and not any(there.values()):
        return None
    return {"entity": entity, "source_key": old, "target_key": new, "source": here, "target": there}


def _rows(connection: psycopg.Connection[TupleRow], entity: Entity, key: str) -> dict[str, list[dict[str, Any]]]:
    return {table.name: _table(connection, entity, table, key) for table in entity.tables}


def _table(connection: psycopg.Connection[TupleRow], entity: Entity, table: Table, key: str) -> list[dict[str, Any]]:
    column = table.root or entity.key
    statement = SQL("select to_jsonb(t) from {} t where {} = %s::{} order by {}").format(
        qualified(table), Identifier("t", column), type_of(entity.root, entity.key),
        SQL(", ").join(Identifier("t", name) for name in table.key),
    )  # fmt: skip
    return [row for (row,) in connection.execute(statement, [key])]


def as_text(found: dict[str, Any]) -> str:
    """Write an object's rows of both sides, one under the other."""
    lines = [f"{found['entity']}: source key {found['source_key']}, target key {found['target_key'] or 'none yet'}"]
    for name, rows in found["source"].items():
        for side, listed in (("source", rows), ("target", found["target"].get(name, []))):
            lines += [f"  {side} {name}: {json.dumps(row, ensure_ascii=False)}" for row in listed]
    return "\n".join(lines)
