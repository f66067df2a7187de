"""Reading the source at one instant.

A batch is read in one snapshot N. The order matters, and each step answers an event that was seen:

1. the plan's tables are locked (against DDL only) before N is taken: else a rewriting ALTER between shows no row;
2. N and the fingerprint come with the first query;
3. the log's insert position L is asked in a later statement, and put back where it stands behind a page header: what
   is visible in N was logged before L; an idle server would not reach a header's end for many seconds;
4. the stream is awaited up to L; if that takes long, a message flushes the log: a writer that is still open may
   have logged without flushing, and the stream sends only what is flushed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import msgspec
import psycopg
from psycopg import IsolationLevel, errors
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Composed

from slacktide.core.errors import OutsideError
from slacktide.plan import identity
from slacktide.plan.catalog import read_catalog
from slacktide.plan.model import Entity, Plan
from slacktide.postgres import sql
from slacktide.postgres.connection import connect
from slacktide.postgres.halving import TOO_LARGE, is_too_large
from slacktide.postgres.position import Snapshot, parse_lsn, put_back
from slacktide.transfer import merging_sql, source_object_sql, source_sql

_STATEMENTS = sql.load(__package__, "source.sql")
_LOCK_TIMEOUT = "2s"
# By table or partition: its definition, its files, and the plan's table, with a blank between.
Fingerprint = dict[str, str]


class SourceBusy(OutsideError):
    """A table of the source cannot be read, for it is locked: {holders}. It is tried again."""


class SchemaChanged(OutsideError):
    """The table {table!r} of the source was changed ({what}).

    Mend the plan, then run `slacktide move prepare {move} --apply`.
    """


class ChangesUnseen(OutsideError):
    """Changes of {table!r} in the source cannot be followed: {reason}.

    Run `slacktide move prepare {move} --apply`, which sets identities, puts tables into the publication, and has their
    objects read again; then start again.
    """


class Instant(msgspec.Struct, frozen=True):
    """One instant of the source: its snapshot, the time, the log's position behind all that it sees.

    `unseen` gives the tables and leaves whose changes do not lead to their objects, with the reason.
    """

    text: str
    snapshot: Snapshot
    as_of: datetime
    position: int
    fingerprint: Fingerprint
    unseen: dict[str, str]


class Merging(msgspec.Struct, frozen=True):
    """Codes of a list that become one, by which rows of a part's table would get one key."""

    table: str
    of_list: str
    codes: list[str]
    becomes: str


class Unwritten(msgspec.Struct, frozen=True):
    """An object that could not be written: its codes without a mapping, its refused references by line.

    `too_large` is what the source says of one that it cannot write as one text; `merging` are codes that become one.
    """

    key: str
    unmapped: str = ""
    refused: str = ""
    too_large: str = ""
    merging: Merging | None = None


class ReadObjects(msgspec.Struct, frozen=True):
    """Objects of one entity as XML, and those of them that could not be written."""

    xml: bytes = b""
    count: int = 0
    unwritten: list[Unwritten] = []
    outside: list[str] = []


class Source:
    """The source database, read for one property by one plan."""

    def __init__(
        self, address: str, *, plan: Plan, property_code: str, name: str, publication: str | None = None
    ) -> None:  # fmt: skip
        """Connect; `publication` is that by which the stream follows its changes, if it does. Raises Unreachable."""
        self._publication = publication
        self.plan, self.property_code = plan, property_code
        # Hidden rows are an error, not an absence; a table that somebody changes is waited for a moment only.
        self.connection = connect(address, name=name, options=f"-c row_security=off -c lock_timeout={_LOCK_TIMEOUT}")
        self.connection.isolation_level = IsolationLevel.REPEATABLE_READ
        self._flushing = connect(address, name=f"{name} flush", options="-c synchronous_commit=local")
        self._tables = [table for entity in plan.moving for table in entity.tables]
        self._sizes: TupleRow | None = None
        self._known: tuple[str, Fingerprint, dict[str, str]] = ("", {}, {})

    def close(self) -> None:
        """Close the connections."""
        self.connection.close()
        self._flushing.close()

    @contextmanager
    def at_one_instant(self) -> Iterator[Instant]:
        """Read in one snapshot for as long as the block lasts. Raises SourceBusy."""
        with self.connection.transaction():
            self._lock()
            facts = {"tables": self._names, "publication": self._publication}
            text, as_of, versions = self._first(_STATEMENTS["snapshot"], **facts)
            position = self._insert_position()
            yield Instant(text, Snapshot.parse(text), as_of, position, *self._fingerprint(versions))

    @property
    def _names(self) -> list[str]:
        return [table.qualified for table in self._tables]

    def _fingerprint(self, versions: str) -> tuple[Fingerprint, dict[str, str]]:
        """Give the fingerprint and what is unseen, asked anew where a catalog row has another version."""
        if versions != self._known[0]:
            fingerprint = fingerprint_of(self.connection, tables=self._names, publication=self._publication)
            self._known = versions, fingerprint, self._unseen() if self._publication else {}
        return self._known[1:]

    def _unseen(self) -> dict[str, str]:
        """Name the tables and leaves whose changes the stream does not tell, with the reason."""
        facts = {"tables": self._names, "publication": self._publication}
        unpublished = self.connection.execute(_STATEMENTS["unpublished"], facts).fetchall()
        catalog = read_catalog(connection=self.connection, plan=self.plan)
        poor = {at.qualified: reason for at, reason in identity.unseen(plan=self.plan, catalog=catalog)}
        return poor | {name: f"it is not in the publication {self._publication}" for (name,) in unpublished}

    def position(self) -> int:
        """Give where the log ends now."""
        return self._insert_position()

    def flush(self) -> None:
        """Have the source write and flush its log up to now."""
        self._flushing.execute(_STATEMENTS["flush"])

    def _lock(self) -> None:
        """Hold the plan's tables against DDL; no query comes before this one."""
        names = SQL(", ").join(source_sql.qualified(table) for table in self._tables)
        try:
            self.connection.execute(SQL("lock table {} in access share mode").format(names))
        except (errors.LockNotAvailable, errors.DeadlockDetected) as error:
            raise SourceBusy(holders=self._lockers() or str(error).strip()) from error

    def _lockers(self) -> str:
        """Say who locks the tables; nothing where nobody does any more."""
        found = self._flushing.execute(_STATEMENTS["lockers"], {"tables": self._names})
        return "; ".join(sorted(text for (text,) in found))

    def _insert_position(self) -> int:
        page, segment = self._sizes = self._sizes or self._first(_STATEMENTS["sizes"])
        (text,) = self._first(_STATEMENTS["insert_position"])
        return put_back(parse_lsn(text), page_bytes=page, segment_bytes=segment)

    def _first(self, statement: Any, **values: Any) -> TupleRow:
        row = self.connection.execute(statement, values).fetchone()
        assert row is not None  # noqa: S101 -- these statements always give a row
        return row

    # -- what a batch asks --------------------------------------------------------------------------------------------

    def _run(self, statement: Composed | None, **values: Any) -> list[TupleRow]:
        if statement is None:
            return []
        return self.connection.execute(statement, {"property": self.property_code, **values}).fetchall()

    def range_ends(self, entity: Entity, *, size: int) -> list[tuple[str, int]]:
        """Give the last keys of ranges of about `size` objects of the property, in order, with how many each holds."""
        return [(key, count) for key, count in self._run(source_sql.range_ends(self.plan, entity), size=size)]

    def left_behind(self, entity: Entity) -> int:
        """Count what the plan's filters leave behind."""
        return int(self._run(source_sql.left_behind(self.plan, entity))[0][0])

    def range_keys(self, entity: Entity, *, after: str | None, upto: str | None) -> list[str]:
        """Give the property's keys behind `after` up to `upto`."""
        return [key for (key,) in self._run(source_sql.range_keys(self.plan, entity), after=after, upto=upto)]

    def standing(self, entity: Entity, keys: Iterable[str]) -> list[tuple[str, bool, bool]]:
        """Give, for each key, whether the object is there, and whether it belongs to the property."""
        return [(k, p, i) for k, p, i in self._run(source_sql.standing(self.plan, entity), keys=list(keys))]

    def dependents(self, entity: Entity, keys: Iterable[str]) -> list[str]:
        """Give the objects of an entity that belong to the property through given ones."""
        return [key for (key,) in self._run(source_sql.dependents(entity), keys=list(keys))]

    def minding(self, entity: Entity, moved: Iterable[str], *, changed: Iterable[str]) -> list[tuple[str, str]]:
        """Give the objects, by entity and key, that mind whose `moved` objects are, and parts of `changed` ones."""
        wholes, parts = list(moved), list(changed)
        return [
            (other.name, key)
            for other in self.plan.moving
            for table, reference in other.references
            if reference.entity == entity.name and source_sql.stays_inside(self.plan, reference)
            for keys in [wholes if reference.part is None else parts]
            for (key,) in (self._run(source_sql.referring_by(self.plan, table, reference), keys=keys) if keys else ())
        ]

    def referred_to(self, entity: Entity, keys: Iterable[str], *, every: bool) -> list[tuple[str, str, bool]]:
        """Give what objects and their parts refer to: entity, key, whether the property's; else only others'."""
        rows = self._run(source_sql.referred_to(self.plan, entity), keys=list(keys), all=every)
        return [(name, key, inside) for name, key, inside in rows]

    def referrers(self, entity: Entity, keys: Iterable[str]) -> list[tuple[str, str | None, str | None]]:
        """Give who refers to objects: key, entity and key of the referrer, None for the property's own."""
        rows = self._run(source_sql.referrers(self.plan, entity), keys=list(keys))
        return [(key, other, other_key) for key, other, other_key in rows]

    def objects(self, entity: Entity, keys: list[str], *, codes: dict[str, str]) -> Iterator[ReadObjects]:
        """Give objects as XML, in several pieces where one would be larger than a text of PostgreSQL can be (1 GB).

        `codes` holds each list's mappings as JSON, as `codes_LIST`.
        """
        try:
            with self.connection.transaction():
                read = self._objects(entity, keys, codes)
        except TOO_LARGE as error:
            if not is_too_large(error):
                raise
            half = len(keys) // 2
            if half:
                yield from self.objects(entity, keys[:half], codes=codes)
                yield from self.objects(entity, keys[half:], codes=codes)
                return
            read = ReadObjects(unwritten=[Unwritten(keys[0], too_large=" ".join(str(error).split()))])
        yield read

    def _objects(self, entity: Entity, keys: list[str], codes: dict[str, str]) -> ReadObjects:
        merging = {row[0]: Merging(*row[1:]) for row in self._run(merging_sql.merging(entity), keys=keys, **codes)}
        keys = [key for key in keys if key not in merging]
        cursor = self.connection.execute(
            source_object_sql.objects(self.plan, entity), {"property": self.property_code, "keys": keys, **codes}
        )
        result = cursor.pgresult
        assert result is not None  # noqa: S101 -- an executed select has a result
        xml = result.get_value(0, 0) or b""
        _, count, keys_failed, unmapped, refused, outside = cursor.fetchone() or ()
        failed = zip(keys_failed or [], unmapped or [], refused or [], strict=True)
        unwritten = [Unwritten(*each) for each in failed] + [Unwritten(k, merging=one) for k, one in merging.items()]
        left_out = self.standing(entity, merging) if merging else []
        outside = [*(outside or []), *(key for key, _, inside in left_out if not inside)]
        return ReadObjects(xml, count, unwritten, outside)


def await_stream(
    *,
    source: Source,
    position: int,
    reached: Callable[[float], int],
    limit_seconds: float,
    flush_after_seconds: float = 0.03,
) -> bool:
    """Wait until everything before `position` is journalled; tell whether it was in time.

    `reached(seconds)` asks for the position, waits at the most so long for news, and gives it.
    """
    from slacktide.core import clock  # noqa: PLC0415 -- the one place here that measures time

    begun, flushed = clock.monotonic_seconds(), False
    while reached(0.01) < position:
        waited = clock.monotonic_seconds() - begun
        if waited > limit_seconds:
            return False
        if waited > flush_after_seconds and not flushed:
            source.flush()
            flushed = True
    return True


def fingerprint_of(
    connection: psycopg.Connection[TupleRow], *, tables: list[str], publication: str | None = None
) -> Fingerprint:
    """Say what tables and their leaves look like: what the stream does not tell of them."""
    rows = connection.execute(_STATEMENTS["fingerprint"], {"tables": tables, "publication": publication})
    return {name: f"{definition} {files} {top}" for name, definition, files, top in rows}


def changed_tables(*, before: Fingerprint, now: Fingerprint) -> tuple[list[tuple[str, str]], list[str]]:
    """Name the tables and leaves whose definition is another one, and the tables of the plan whose files alone are.

    Of the first each comes with its table of the plan, that itself before its leaves. A leaf that comes, goes or takes
    another one's place changes the files only, as does whatever was forgotten because `prepare` ran again.
    """
    differ = {name: now.get(name) or before[name] for name in before | now if before.get(name) != now.get(name)}
    top = {name: text.split(" ", 2)[2] for name, text in differ.items()}
    defined = [name for name in differ if _is_defined_anew(before.get(name), now.get(name), leaf=name != top[name])]
    defined.sort(key=lambda name: (name != top[name], name))
    return [(name, top[name]) for name in defined], sorted({top[name] for name in differ if name not in defined})


def _is_defined_anew(before: str | None, now: str | None, *, leaf: bool) -> bool:
    if before is None or (leaf and now is None):
        return False
    was, files, _ = before.split(" ", 2)
    definition, filed, _ = (now or "  ").split(" ", 2)
    return definition != was and not (leaf and filed != files)
