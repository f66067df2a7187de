"""Looking at one object: its XML in a batch, and its rows on both sides by the old or the new key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from psycopg.sql import SQL, Identifier

from slacktide.core.errors import UsageError
from slacktide.postgres import sql
from slacktide.postgres.connection import connect
from slacktide.transfer import source_sql
from slacktide.transfer.journal import Journal
from slacktide.transfer.message import unescape
from slacktide.transfer.source_sql import qualified, type_of
from slacktide.transfer.spool import SealedSpool
from slacktide.transfer.spool_key import seal_of

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
    """Give an entity that moves. Raises UnknownEntity."""
    for entity in move.plan.late.moving:
        if entity.name == name:
            return entity
    raise UnknownEntity(entity=name, known=", ".join(e.name for e in move.plan.late.moving))


def xml_of(connection: psycopg.Connection[TupleRow], *, move: Move, entity: str, key: str, batch: int) -> str:
    """Give an object's XML as it stands in its batch. Raises NotInBatch, UnknownEntity."""
    kind = entity_of(move, entity)
    stored = Journal(connection, move_id=move.move_id).batch(batch)
    spool = SealedSpool(move.source_spool, seal=seal_of(connection, move=move))
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
    """Give an object's rows on both sides, by its key at the source or at the target; None where neither knows it.

    A key may be one object's at the source and another one's at the target: then that one is given as `also`.
    """
    kind = entity_of(move, entity)
    with connect(move.source, name="show") as source, connect(move.target, name="show") as target:
        found = []
        for old, new in _matches(move, kind, key, source, target):
            here, there = _rows(source, kind, old), _rows(target, kind, new) if new is not None else {}
            if any(here.values()) or any(there.values()):
                found.append({"entity": entity, "source_key": old, "target_key": new, "source": here, "target": there})
    return found[0] | {"also": found[1] if found[1:] else None} if found else None


def _matches(
    move: Move, entity: Entity, key: str, source: psycopg.Connection[TupleRow], target: psycopg.Connection[TupleRow]
) -> list[tuple[str, str | None]]:
    """Give both keys of the object that has this key at the source, then of the one that has it at the target."""
    by_source, by_target = (
        target.execute(_STATEMENTS[name], {"move": move.name, "name": entity.name, "key": key}).fetchall()
        for name in ("known_by_source_key", "known_by_target_key")
    )
    if not by_source:
        standing = source.execute(
            source_sql.standing(move.plan, entity), {"property": move.property_code, "keys": [key]}
        ).fetchall()
        by_source = [(key, None) for _, present, inside in standing if present and inside]
    return [*by_source, *(pair for pair in by_target if pair not in by_source)]


def _rows(connection: psycopg.Connection[TupleRow], entity: Entity, key: str) -> dict[str, list[dict[str, Any]]]:
    return {table.name: _table(connection, entity, table, key) for table in entity.tables}


def _table(connection: psycopg.Connection[TupleRow], entity: Entity, table: Table, key: str) -> list[dict[str, Any]]:
    column = table.root_column
    statement = SQL("select to_jsonb(t) from {} t where {} = %s::{} order by {}").format(
        qualified(table), Identifier("t", column), type_of(entity.root, entity.key),
        SQL(", ").join(Identifier("t", name) for name in table.key),
    )  # fmt: skip
    return [row for (row,) in connection.execute(statement, [key])]


def as_text(found: dict[str, Any]) -> str:
    """Write an object's rows of both sides, one under the other, and then the other one's whose key is the same."""
    lines = [f"{found['entity']}: {_one_as_text(found)}"]
    if found["also"]:
        lines += [f"also the target key of another {found['entity']}: {_one_as_text(found['also'])}"]
    return "\n".join(lines)


def _one_as_text(found: dict[str, Any]) -> str:
    lines = [f"source key {found['source_key']}, target key {found['target_key'] or 'none yet'}"]
    for name, rows in found["source"].items():
        for side, listed in (("source", rows), ("target", found["target"].get(name, []))):
            lines += [f"  {side} {name}: {json.dumps(row, ensure_ascii=False)}" for row in listed]
    return "\n".join(lines)
