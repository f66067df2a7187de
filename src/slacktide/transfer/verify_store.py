"""What one move's verification has written down in the control database: equal objects, and their measures."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from psycopg.sql import SQL, Identifier

from slacktide.postgres import sql
from slacktide.transfer.message import escape
from slacktide.transfer.verify_read import fields

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.plan.model import Entity, Plan, Total

_STATEMENTS = sql.load(__package__, "verify.sql")
_SUMS = ("verified_difference", "verified_rows", "verified_total", "verified_since")
_TABLES = ("verified_object", "verified_measure", *_SUMS)
Keys = Mapping[str, Collection[str]]  # the source's keys by entity
Rows = Counter[tuple[str, int]]  # rows by entity and the place of the table in it, from 1


class Carried(msgspec.Struct):
    """What was verified as of batch `batch`: rows by entity and table, totals, and the objects that differed."""

    batch: int
    incarnation: int
    plan_checksum: str
    business_date: date
    different: dict[str, set[str]]
    rows: Rows
    totals: dict[str, dict[str, Decimal]]


class Store:
    """What one move's verification has written down in the control database."""

    def __init__(self, connection: psycopg.Connection[TupleRow], *, move_id: int) -> None:
        """Use the connection."""
        self.connection, self._move_id = connection, move_id

    def run(self, statement: str, /, **values: Any) -> list[TupleRow]:
        """Run one of the statements."""
        cursor = self.connection.execute(_STATEMENTS[statement], {"move_id": self._move_id, **values})
        return cursor.fetchall() if cursor.description else []

    def carried(self) -> Carried | None:
        """Give what was verified ahead."""
        found = self.run("carried")
        if not found:
            return None
        totals = by_label(self.run("carried_totals"))
        rows = Rows({(entity, place): count for entity, place, count in self.run("carried_rows")})
        batch, incarnation, checksum, business_date = found[0]
        different = gathered(self.run("carried_different"))
        return Carried(batch, incarnation, checksum, business_date, different, rows, totals)

    def touched_since(self, batch: int) -> dict[str, set[str]]:
        """Give the objects that the batches behind one were made of."""
        return gathered(self.run("touched_since", batch=batch))

    def counts(self, entity: Entity, keys: Collection[str]) -> tuple[int, Rows]:
        """Give how many of these objects are written down, and their rows by table."""
        rows = Rows()
        found = self.run("objects_of", entity=entity.name, keys=list(keys)) if keys else []
        for _, counts in found:
            rows.update({(entity.name, place): count for place, count in enumerate(counts, start=1)})
        return len(found), rows

    def sums(self, total: Total, keys: Collection[str]) -> dict[str, Decimal]:
        """Give what a total measured of these objects."""
        return dict(self.run("measures_of", total=total.name, keys=list(keys))) if keys else {}

    def put_objects(self, entity: Entity, lines: Iterable[bytes]) -> None:
        """Write equal objects down."""
        statement = "copy slacktide.verified_object (move_id, entity, key, own, counts, digest, left_out) from stdin"
        self._copy(SQL(statement), entity.name, lines)

    def put_measures(self, total: Total, lines: Iterable[bytes]) -> None:
        """Write down what a total measured, object by object."""
        statement = "copy slacktide.verified_measure (move_id, total, key, label, value) from stdin"
        self._copy(SQL(statement), total.name, lines)

    def _copy(self, statement: SQL, name: str, lines: Iterable[bytes]) -> None:
        start = f"{self._move_id}\t{escape(name)}\t".encode()
        with self.connection.cursor().copy(statement) as copy:
            for line in lines:
                copy.write(start + line)

    def forget(self, plan: Plan, keys: Keys) -> None:
        """Forget objects and what was measured of them."""
        for name, some in keys.items():
            if some:
                self.run("forget_objects", entity=name, keys=list(some))
        for total in plan.totals:
            if measured := keys.get(total.entity):
                self.run("forget_measures", total=total.name, keys=list(measured))

    def forget_since(self) -> None:
        """Forget what an earlier comparison behind the verification ahead found."""
        self._empty(["verified_since"])

    def put_since(self, entity: Entity, keys: Collection[str], lines: Iterable[bytes]) -> None:
        """Write down what was read of these objects since; `lines` are the equal ones'."""
        equal = {key: digest for key, _, _, digest, _ in map(fields, lines)}
        found = [equal.get(key) for key in keys]
        self.run("add_since", entity=entity.name, keys=list(keys), digests=found)

    def proven(self, entity: Entity) -> Iterator[tuple[str, str]]:
        """Give key and digest of the objects that were equal at the last comparison, in the order of keys."""
        yield from self.run("proven", entity=entity.name)

    def forget_all(self) -> None:
        """Forget everything."""
        self._empty(_TABLES)

    def _empty(self, tables: Iterable[str]) -> None:
        statement = SQL("delete from slacktide.{} where move_id = %s")
        for table in tables:
            self.connection.execute(statement.format(Identifier(table)), [self._move_id])

    def sum_up(self) -> tuple[Rows, dict[str, dict[str, Decimal]]]:
        """Add up all that is written down: rows, and totals by label."""
        rows = Rows({(entity, place): int(count) for entity, place, count in self.run("sum_rows")})
        return rows, by_label(self.run("sum_measures"))

    def replace_sums(self, carried: Carried) -> None:
        """Write down of which instant all this is, and the sums."""
        self.run("set_verification", batch=carried.batch, incarnation=carried.incarnation,
                 plan_checksum=carried.plan_checksum, business_date=carried.business_date)  # fmt: skip
        self._empty(_SUMS)
        different = [(name, key) for name, keys in carried.different.items() for key in keys]
        rows = [(name, place, count) for (name, place), count in carried.rows.items()]
        totals = [(name, label, value) for name, sums in carried.totals.items() for label, value in sums.items()]
        self.run("add_differences", entities=[d[0] for d in different], keys=[d[1] for d in different])
        self.run("add_rows", entities=[r[0] for r in rows], ordinals=[r[1] for r in rows], counts=[r[2] for r in rows])
        self.run(
            "add_totals", totals=[t[0] for t in totals], labels=[t[1] for t in totals], values=[t[2] for t in totals]
        )


def gathered(pairs: Iterable[tuple[Any, ...]]) -> dict[str, set[str]]:
    """Give keys by entity."""
    found: dict[str, set[str]] = defaultdict(set)
    for entity, key in pairs:
        found[entity].add(key)
    return found


def by_label(rows: Iterable[tuple[Any, ...]]) -> dict[str, dict[str, Decimal]]:
    """Give totals by name and label."""
    found: dict[str, dict[str, Decimal]] = defaultdict(dict)
    for total, label, value in rows:
        found[total][label] = value
    return found
