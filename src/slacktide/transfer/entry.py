"""What the journal holds, as values: touched objects, transactions, key ranges, batches, incarnations, problems."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Touched(msgspec.Struct, frozen=True, order=True, gc=False):
    """An object that a transaction touched; `crossed` says that the property it belongs to may have changed."""

    entity: str
    key: str
    crossed: bool = False


class Transaction(msgspec.Struct, frozen=True):
    """A committed transaction of the stream: the end of its commit, its 32-bit id, and the objects it touched."""

    position: int
    xid: int
    committed_at: datetime
    objects: tuple[Touched, ...]


class Pending(msgspec.Struct, frozen=True):
    """A transaction that belongs to no batch yet; without an id it is visible to every snapshot."""

    sequence: int
    xid: int | None
    committed_at: datetime


class Range(msgspec.Struct, frozen=True):
    """A key range of the pass: keys behind `after` up to `upto`; None is open."""

    ordinal: int
    entity: str
    after: str | None
    upto: str | None
    absence: bool
    objects: int


class Batch(msgspec.Struct, frozen=True):
    """A stored batch: its identity, the instant it was read at, and its file."""

    number: int
    incarnation: int
    snapshot: str
    position: int
    as_of: datetime
    oldest_commit: datetime | None
    file: str
    checksum: str
    bytes: int
    objects: int


class Incarnation(msgspec.Struct, frozen=True):
    """A slot's life: everything that is known of it, and how far its stream is journalled."""

    incarnation: int
    slot: str
    system_id: str | None
    timeline: int | None
    consistent_point: int
    snapshot: str | None
    fingerprint: dict[str, str] | None
    reached: int


ANYTHING = ("*", "*")  # what a failed object waits for that came into another one's way


class Problem(msgspec.Struct, frozen=True):
    """What stands in the way of one object: `failed`, `waiting` for another one, or a `warning`."""

    entity: str
    key: str
    state: str
    reason: str
    waits_for: tuple[str, str] | None = None
