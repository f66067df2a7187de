"""Reading both sides for the verification: lines that are equal, byte for byte, when what they tell is.

A line is what COPY gives of a row: an object's (source key, own, rows by table, digest, codes left out) or a measure's
(source key, label, value). Both sides give them in the order of the source's keys, so that they are merged as they come
and memory stays small, whatever the size of the property.

A target that has just been filled has no statistics, or those of a young table, and by them the planner would take
nested loops over all of it: seen, for hours. So what reads everything is read without them.

Where one side fails, or is cancelled, the other one's COPY still runs: it has to be ended before its transaction can
be, or that waits for ever. So whoever takes lines closes them, whatever happens.

An object of more than a gigabyte cannot be put into one text by PostgreSQL, and one such would end the reading of all.
So what is read is read again by halves then, down to that object, which is told by a mark that equals nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from psycopg.sql import SQL, Composed

from slacktide.core.errors import UsageError
from slacktide.core.piece import pieces
from slacktide.plan.model import Plan, Unknown
from slacktide.postgres import sql
from slacktide.postgres.halving import TOO_LARGE, is_too_large
from slacktide.transfer import source_sql, verify_sql
from slacktide.transfer.message import NULL, unescape
from slacktide.transfer.verify_sql import Side

if TYPE_CHECKING:
    import psycopg
    from psycopg import Copy
    from psycopg.rows import TupleRow

    from slacktide.plan.model import Entity, Total

_STATEMENTS = sql.load(__package__, "verify.sql")
_TOGETHER = 2000  # objects that are read together where one of all is too large
Lines = Generator[bytes, None, None]


class MoveUnknown(UsageError):
    """The target knows no move {move!r}: run `slacktide move prepare {move} --apply`."""


class Subject(msgspec.Struct, frozen=True):
    """What is verified: one property's move by one plan.

    `codes` are the mappings, list by list; `accepted` are the keys, by entity, of objects whose error is accepted.
    """

    plan: Plan
    move: str
    source_property: str
    target_property: str
    codes: dict[str, dict[str, str | None]] = {}
    accepted: dict[str, set[str]] = {}
    kept: dict[str, str] | None = None  # of a way back: `returning.kept_codes`
    seeding: bool = False  # a way back is being prepared: what was never sent is compared too


class Reader:
    """One side, read over a connection that is inside the transaction whose snapshot is meant."""

    side: Side

    def __init__(self, connection: psycopg.Connection[TupleRow], subject: Subject) -> None:
        """Take the connection."""
        self.connection, self.subject = connection, subject
        self.values: dict[str, Any] = {}

    def lines(self, statement: Composed, *, whole: bool, **values: Any) -> Lines:
        """Give the rows of a statement as COPY writes them, from when the first is asked for. `whole` reads everything.

        Then a side may have to wait for the other one, and does not take its reader for one who has vanished.
        """
        if whole:
            self.connection.execute("set local enable_nestloop = off; set local tcp_user_timeout = 0")
        copy = self.connection.cursor().copy(SQL("copy ({}) to stdout").format(statement), self.values | values)
        return self._received(copy, whole=whole)

    def _received(self, copy: AbstractContextManager[Copy], *, whole: bool) -> Lines:
        with copy as rows:
            for line in rows:
                yield bytes(line)
        if whole:
            self.connection.execute("set local enable_nestloop to default")

    def _digests(self, entity: Entity, *, keys: list[str] | None, **values: Any) -> Lines:
        """Give the objects' lines, of all or of those with `keys`; of one too large for a text a mark as its digest."""
        last = b""
        try:
            with self.connection.transaction(), closing(self.lines_of(entity, keys=keys, **values)) as lines:
                for line in lines:
                    last = line
                    yield line
        except TOO_LARGE as error:
            if not is_too_large(error):
                raise
            listed = [*self.lines_of(entity, keys=keys, content=False, **values)]
            rest = [line for line in listed if not last or key_of(line) > key_of(last)]
            for some in pieces(rest, size=_TOGETHER):
                yield from self._by_halves(entity, some)

    def _by_halves(self, entity: Entity, some: Sequence[bytes]) -> Iterator[bytes]:
        """Give the lines of some objects, of which `some` are the lines without content."""
        names = [key_of(line).decode() for line in some]
        try:
            with self.connection.transaction():
                lines = [*self.lines_of(entity, keys=self.own_keys(entity, names))]
        except TOO_LARGE as error:
            if not is_too_large(error):
                raise
            half = len(some) // 2
            parts = (some[:half], some[half:]) if half else ()
            lines = [line for part in parts for line in self._by_halves(entity, part)] or [*some]
        yield from lines

    def lines_of(self, entity: Entity, *, keys: list[str] | None, content: bool = True, **values: Any) -> Lines:
        """Give objects' lines as the database writes them, with their digests or with marks (see `verify_sql`)."""
        whole = keys is None
        statement = verify_sql.digests(self.subject.plan, entity, self.side, whole=whole, content=content)
        return self.lines(statement, whole=whole, keys=keys, **values)

    def own_keys(self, entity: Entity, names: list[str]) -> list[str]:
        """Give this side's keys of objects by the source's."""
        raise NotImplementedError

    def measures(self, total: Total, *, business_date: date, keys: list[str] | None) -> Lines:
        """Give what a total measures, of all objects or of some (by this side's keys)."""
        statement = verify_sql.measures(self.subject.plan, total, self.side, whole=keys is None)
        return self.lines(statement, whole=keys is None, business_date=business_date, keys=keys)

    def total(self, total: Total, *, business_date: date) -> dict[str, Decimal]:
        """Give a total by label; zero is left out."""
        statement = verify_sql.totals(self.subject.plan, total, self.side)
        return dict(self.connection.execute(statement, self.values | {"business_date": business_date}).fetchall())


class SourceReader(Reader):
    """The source, at its instant."""

    side = Side.SOURCE

    def __init__(self, connection: psycopg.Connection[TupleRow], subject: Subject) -> None:
        """Take the connection, which is inside `Source.at_one_instant()`."""
        super().__init__(connection, subject)
        self.values = {
            "property": subject.source_property,
            "target_property": subject.target_property,
            **{
                f"codes_{codes.name}": msgspec.json.encode(subject.codes.get(codes.name, {})).decode()
                for codes in subject.plan.lists
            },
        }

    def digests(self, entity: Entity, *, keys: list[str] | None, known: list[str]) -> Lines:
        """Give the property's objects and the `known` ones of others, or just those with `keys`."""
        return self._digests(entity, keys=keys, known=known)

    def own_keys(self, entity: Entity, names: list[str]) -> list[str]:  # noqa: ARG002 -- the target's asks by it
        """Give the keys as they are, of whatever entity."""
        return names

    def left_null(self, changed: dict[str, set[str]]) -> dict[str, set[str]]:
        """Give the objects whose reference may be null or not because of changed ones."""
        found: dict[str, set[str]] = {}
        for entity in self.subject.plan.moving:
            for table, reference in entity.references:
                keys = changed.get(reference.entity)
                if keys and reference.unknown is Unknown.LEAVE_NULL:
                    statement = source_sql.referring_by(self.subject.plan, table, reference)
                    rows = self.connection.execute(statement, {"keys": sorted(keys)})
                    found.setdefault(entity.name, set()).update(key for (key,) in rows)
        return found


class TargetReader(Reader):
    """The target, in one snapshot; it knows the source's keys by the key map."""

    side = Side.TARGET

    def __init__(self, connection: psycopg.Connection[TupleRow], subject: Subject) -> None:
        """Take the connection, which is inside `at_one_snapshot`. Raises MoveUnknown."""
        super().__init__(connection, subject)
        row = connection.execute(_STATEMENTS["move"], {"move": subject.move}).fetchone()
        if row is None:
            raise MoveUnknown(move=subject.move)
        self.move_no, self.incarnation, self.number = row
        self.values = {
            "property": subject.target_property,
            "move_no": self.move_no,
            "returning": subject.kept is not None,
            "seeding": subject.seeding,
            **(subject.kept or {f"kept_{codes.name}": None for codes in subject.plan.lists}),
        }

    def _run(self, statement: str, /, **values: Any) -> list[TupleRow]:
        return self.connection.execute(_STATEMENTS[statement], self.values | values).fetchall()

    def digests(self, entity: Entity, *, keys: list[str] | None) -> Lines:
        """Give the objects that the key map knows, or just those with `keys` (the target's)."""
        return self._digests(entity, keys=keys)

    def own_keys(self, entity: Entity, names: list[str]) -> list[str]:
        """Give the target's keys."""
        return [*self.known(entity.name, names).values()]

    def known(self, name: str, keys: Iterable[str]) -> dict[str, str]:
        """Give the target's keys of the source's; those that the key map does not know are missing."""
        return dict(self._run("known_of", name=name, keys=sorted(keys)))

    def by_reference(self, name: str) -> list[str]:
        """Give the source's keys of the objects that are kept by reference."""
        return [key for (key,) in self._run("by_reference", name=name)]

    def counts(self) -> dict[str, int]:
        """Give how many objects of each entity the key map knows."""
        names = [entity.name for entity in self.subject.plan.moving]
        return dict(self._run("known_counts", names=names))

    def all_known(self, name: str) -> Iterator[str]:
        """Give the source's keys of all objects of an entity."""
        for line in self.lines(SQL(_STATEMENTS["all_known"]).format(), whole=False, name=name):
            yield key_of(line).decode()

    def written_since(self, batch: int) -> list[tuple[str, str]]:
        """Give the objects written after a batch: entity and the source's key."""
        names = [entity.name for entity in self.subject.plan.moving]
        return [(name, key) for name, key in self._run("written_since", names=names, batch=batch)]

    def loose(self, entity: Entity) -> list[str]:
        """Give the property's objects that the key map does not know, by the target's keys."""
        statement = verify_sql.loose(self.subject.plan, entity)
        return [] if statement is None else [key for (key,) in self.connection.execute(statement, self.values)]

    def empty(self, entity: Entity) -> list[tuple[str, str]]:
        """Give the key map's parts (name, source's key) that have no row."""
        return [
            (part.name, key)
            for part in entity.parts
            if part.drawn
            for (key,) in self.connection.execute(verify_sql.empty(part), self.values)
        ]


@contextmanager
def at_one_snapshot(connection: psycopg.Connection[TupleRow]) -> Iterator[None]:
    """Read in one snapshot for as long as the block lasts; the connection is outside a transaction before."""
    with connection.transaction():
        connection.execute("set transaction isolation level repeatable read, read only")
        connection.execute("set local row_security = off")
        yield


def fields(line: bytes) -> list[str]:
    """Take a line apart; NULL becomes the empty text."""
    return [unescape(field) or "" if field != NULL else "" for field in line.decode().rstrip("\n").split("\t")]


def key_of(line: bytes) -> bytes:
    """Give the key that a line begins with."""
    key = line.partition(b"\t")[0].rstrip(b"\n")
    return key if b"\\" not in key else (unescape(key.decode()) or "").encode()


def measure_of(line: bytes) -> tuple[bytes, bytes]:
    """Give the key and the label that a measure's line begins with."""
    key, label, *_ = line.split(b"\t")
    return (key, label) if b"\\" not in line else (key_of(key), key_of(label))


def merged(
    source: Lines, target: Lines, *, order: Callable[[bytes], Any]
) -> Generator[tuple[bytes | None, bytes | None], None, None]:
    """Bring together what has the same key on both sides; both come in its order, and are closed."""
    with closing(source), closing(target):
        yield from _together(source, target, order)


def _together(
    source: Lines, target: Lines, order: Callable[[bytes], Any]
) -> Iterator[tuple[bytes | None, bytes | None]]:
    left, right = next(source, None), next(target, None)
    while left is not None or right is not None:
        if left == right:
            yield left, right
            left, right = next(source, None), next(target, None)
            continue
        here, there = left and order(left), right and order(right)
        if right is None or (left is not None and here < there):  # type: ignore[operator] # both are lines here
            yield left, None
            left = next(source, None)
        elif left is None or there < here:  # type: ignore[operator] # both are lines here
            yield None, right
            right = next(target, None)
        else:
            yield left, right
            left, right = next(source, None), next(target, None)
