"""Decode the messages of PostgreSQL's `pgoutput` plugin, protocol version 1, values as text.

The shapes follow the chapter "Logical Replication Message Formats" of PostgreSQL's manual. A tuple is a list with, for
each column of its relation, bytes in the stream's text form, None for NULL, or UNCHANGED for a TOASTed value that the
transaction did not touch.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import Enum
from struct import Struct, error, unpack_from
from typing import Final

import msgspec

from slacktide.core.errors import OutsideError

EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_TEXT, _SAME = ord("t"), ord("u")
_LSN_TIME_XID = Struct("!QqI")
_COMMIT = Struct("!BQQq")
_COUNT = Struct("!H")
_LENGTH = Struct("!I")
_COLUMN = Struct("!Ii")
_MESSAGE = Struct("!BQ")


class _Unchanged(Enum):
    UNCHANGED = "unchanged"


UNCHANGED: Final = _Unchanged.UNCHANGED
Value = bytes | _Unchanged | None
Values = list[Value]


class UndecodableMessage(OutsideError):
    """The replication stream holds a message of kind {kind!r}, which this decoder does not know."""


class CutMessage(OutsideError):
    """The replication stream holds a message of kind {kind!r} that ends too early."""


class Begin(msgspec.Struct, gc=False):
    """A transaction begins; `xid` has 32 bits."""

    final_lsn: int
    committed_at: datetime
    xid: int


class Commit(msgspec.Struct, gc=False):
    """A transaction ends; `end_lsn` is the position right behind its commit record."""

    commit_lsn: int
    end_lsn: int
    committed_at: datetime


class Origin(msgspec.Struct, gc=False):
    """The transaction came here by replication from another origin."""

    lsn: int
    name: str


class RelationColumn(msgspec.Struct, gc=False):
    """A column of a relation; `identity` says that it is part of the replica identity."""

    name: str
    type_oid: int
    modifier: int
    identity: bool


class Relation(msgspec.Struct, gc=False):
    """A table, described before its first change; `identity` is d, n, f or i as in pg_class.relreplident."""

    oid: int
    schema: str
    table: str
    identity: str
    columns: list[RelationColumn]


class Type(msgspec.Struct, gc=False):
    """A type that is not built in."""

    oid: int
    schema: str
    name: str


class Insert(msgspec.Struct, gc=False):
    """A row came."""

    relation: int
    new: Values


class Update(msgspec.Struct, gc=False):
    """A row changed. `old` is there where the identity changed or is full; `whole` says that all columns are in it."""

    relation: int
    new: Values
    old: Values | None
    whole: bool


class Delete(msgspec.Struct, gc=False):
    """A row went; `old` holds its identity, or all columns where `whole`."""

    relation: int
    old: Values
    whole: bool


class Truncate(msgspec.Struct, gc=False):
    """Tables were emptied."""

    relations: list[int]
    cascade: bool
    restart_identity: bool


class Message(msgspec.Struct, gc=False):
    """A logical message, as pg_logical_emit_message wrote it."""

    transactional: bool
    lsn: int
    prefix: str
    content: bytes


Decoded = Begin | Commit | Origin | Relation | Type | Insert | Update | Delete | Truncate | Message


def instant(microseconds: int) -> datetime:
    """Give the instant that is so many microseconds behind PostgreSQL's epoch."""
    return EPOCH + timedelta(microseconds=microseconds)


def _text(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(b"\0", at)
    return data[at:end].decode(), end + 1


def _values(data: bytes, at: int) -> tuple[Values, int]:
    (count,) = _COUNT.unpack_from(data, at)
    at += 2
    values: Values = []
    for _ in range(count):
        kind = data[at]
        at += 1
        if kind == _TEXT:
            (length,) = _LENGTH.unpack_from(data, at)
            at += 4
            values.append(data[at : at + length])
            at += length
            if at > len(data):
                raise IndexError
        else:
            values.append(UNCHANGED if kind == _SAME else None)
    return values, at


def _begin(data: bytes) -> Begin:
    final_lsn, microseconds, xid = _LSN_TIME_XID.unpack_from(data, 1)
    return Begin(final_lsn, instant(microseconds), xid)


def _commit(data: bytes) -> Commit:
    _, commit_lsn, end_lsn, microseconds = _COMMIT.unpack_from(data, 1)
    return Commit(commit_lsn, end_lsn, instant(microseconds))


def _origin(data: bytes) -> Origin:
    return Origin(unpack_from("!Q", data, 1)[0], _text(data, 9)[0])


def _relation(data: bytes) -> Relation:
    oid = _LENGTH.unpack_from(data, 1)[0]
    schema, at = _text(data, 5)
    table, at = _text(data, at)
    identity = chr(data[at])
    (count,) = _COUNT.unpack_from(data, at + 1)
    at += 3
    columns = []
    for _ in range(count):
        name, behind = _text(data, at + 1)
        type_oid, modifier = _COLUMN.unpack_from(data, behind)
        columns.append(RelationColumn(name, type_oid, modifier, identity=bool(data[at] & 1)))
        at = behind + 8
    return Relation(oid, schema or "pg_catalog", table, identity, columns)


def _type(data: bytes) -> Type:
    schema, at = _text(data, 5)
    return Type(_LENGTH.unpack_from(data, 1)[0], schema or "pg_catalog", _text(data, at)[0])


def _insert(data: bytes) -> Insert:
    return Insert(_LENGTH.unpack_from(data, 1)[0], _values(data, 6)[0])


def _update(data: bytes) -> Update:
    relation, kind, at = _LENGTH.unpack_from(data, 1)[0], data[5], 6
    old = None
    if kind in b"KO":
        old, at = _values(data, at)
        at += 1
    return Update(relation, _values(data, at)[0], old, whole=kind == ord("O"))


def _delete(data: bytes) -> Delete:
    return Delete(_LENGTH.unpack_from(data, 1)[0], _values(data, 6)[0], whole=data[5] == ord("O"))


def _truncate(data: bytes) -> Truncate:
    (count,) = _LENGTH.unpack_from(data, 1)
    options = data[5]
    return Truncate(list(unpack_from(f"!{count}I", data, 6)), bool(options & 1), bool(options & 2))


def _message(data: bytes) -> Message:
    flags, lsn = _MESSAGE.unpack_from(data, 1)
    prefix, at = _text(data, 10)
    (length,) = _LENGTH.unpack_from(data, at)
    content = data[at + 4 : at + 4 + length]
    if len(content) < length:
        raise IndexError
    return Message(bool(flags & 1), lsn, prefix, content)


_DECODERS: dict[int, Callable[[bytes], Decoded]] = {
    ord("B"): _begin,
    ord("C"): _commit,
    ord("O"): _origin,
    ord("R"): _relation,
    ord("Y"): _type,
    ord("I"): _insert,
    ord("U"): _update,
    ord("D"): _delete,
    ord("T"): _truncate,
    ord("M"): _message,
}


def decode(data: bytes) -> Decoded:
    """Decode one message. Raises UndecodableMessage, CutMessage."""
    decoder = _DECODERS.get(data[0])
    if decoder is None:
        raise UndecodableMessage(kind=chr(data[0]))
    try:
        return decoder(data)
    except (error, ValueError, IndexError) as cut:
        raise CutMessage(kind=chr(data[0])) from cut
