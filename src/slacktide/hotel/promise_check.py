"""Holds a promise file against a database: each object has to be there, at least as new as was promised.

At the source an object's key is the promised one. At a target, keys are translated by the key map of the move; an
object without a row in it is not there.
"""

from __future__ import annotations

from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec
from psycopg import sql

from slacktide.hotel.promise import BadPromise, Change, last_promises
from slacktide.hotel.property_plan import PLAN_FILE
from slacktide.plan.load import load_plan
from slacktide.postgres.connection import connect
from slacktide.postgres.sql import load

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from psycopg import Connection

    from slacktide.plan.model import Entity

_SQL = load(__package__, "promise.sql")
_AT_ONCE = 5000


class BrokenPromise(msgspec.Struct, frozen=True):
    """An object that is not as promised; `found` is the version that is there, if it is."""

    entity: str
    key: str
    promised: int
    found: int | None = None


class PromiseReport(msgspec.Struct):
    """What became of the promised objects.

    `promised` counts objects, `found` those that are as promised (deleted ones that are gone among them). `missing` are
    not there, `older` are there in an older version, `still_there` were deleted and are there. `key_map` tells that
    keys were translated: at a target whose key map was cleaned away nobody can say which object is which.
    """

    promised: int = 0
    found: int = 0
    missing: list[BrokenPromise] = msgspec.field(default_factory=list)
    older: list[BrokenPromise] = msgspec.field(default_factory=list)
    still_there: list[BrokenPromise] = msgspec.field(default_factory=list)
    key_map: bool = False

    @property
    def kept(self) -> bool:
        """Tell whether every promise is kept."""
        return self.found == self.promised


def check_promises(*, address: str, promises: Path, property_code: str | None = None) -> PromiseReport:
    """Look each promised object up in the database at `address`, all in one snapshot.

    With `property_code`, an object that carries another property's code counts as not there. Raises PromisesUnreadable,
    BadPromise, Unreachable.
    """
    report = PromiseReport()
    by_entity: dict[str, dict[str, Change]] = {}
    for (entity, key), change in last_promises(path=promises).items():
        by_entity.setdefault(entity, {})[key] = change
    _require_known(by_entity, promises)
    with connect(address, name="hotel promises check", autocommit=False) as connection:
        connection.execute("set transaction isolation level repeatable read, read only")
        report.key_map = _has_key_map(connection)
        for entity, changes in sorted(by_entity.items()):
            keys = iter(changes)
            while some := list(islice(keys, _AT_ONCE)):
                there = versions(connection, entity=entity, keys=some, property_code=property_code)
                for key in some:
                    _judge(report, entity, key, changes[key], there.get(key))
    return report


def versions(
    connection: Connection[Any], *, entity: str, keys: Sequence[str], property_code: str | None = None
) -> dict[str, int]:
    """Give the versions of the objects that are there, by the keys they have at the source."""
    at = dict(_translated(connection, entity, keys))
    statement = _versions_statement(entity, belongs=property_code is not None)
    given = {"keys": list(at), "property": property_code}
    there: dict[str, int] = {}
    for key, version in connection.execute(statement, given):
        there[at[key]] = max(version, there.get(at[key], 0))
    return there


def all_there(connection: Connection[Any], changes: Mapping[tuple[str, str], Change]) -> bool:
    """Tell whether the database holds these changes, or newer ones."""
    for (entity, key), change in changes.items():
        found = versions(connection, entity=entity, keys=[key]).get(key)
        if change.deleted != (found is None) or (found is not None and found < change.version):
            return False
    return True


def _judge(report: PromiseReport, entity: str, key: str, change: Change, found: int | None) -> None:
    report.promised += 1
    broken = BrokenPromise(entity, key, change.version, found)
    if change.deleted and found is not None:
        report.still_there.append(broken)
    elif not change.deleted and found is None:
        report.missing.append(broken)
    elif found is not None and found < change.version:
        report.older.append(broken)
    else:
        report.found += 1


def _translated(connection: Connection[Any], entity: str, keys: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Give the keys in this database, each with the key at the source."""
    if _has_key_map(connection):
        for source_key, target_key in connection.execute(_SQL["translate"], {"entity": entity, "keys": list(keys)}):
            yield target_key, source_key
    else:
        yield from ((key, key) for key in keys)


def _has_key_map(connection: Connection[Any]) -> bool:
    return bool(connection.execute(_SQL["has_key_map"]).fetchone() == (True,))


@cache
def _entities() -> dict[str, Entity]:
    return {entity.name: entity for entity in load_plan(path=PLAN_FILE).moving}


def _require_known(by_entity: Mapping[str, object], promises: Path) -> None:
    for entity in by_entity:
        if entity not in _entities():
            raise BadPromise(file=promises, line="?", reason=f"the hotel's plan moves no entity {entity!r}")


@cache
def _versions_statement(entity: str, *, belongs: bool) -> bytes:
    root = _entities()[entity].root
    column = root.property_column if belongs else None
    statement = sql.SQL(_SQL["versions"]).format(
        key=sql.Identifier(root.key[0]),
        table=sql.Identifier(root.schema, root.table),
        belongs=sql.SQL("true") if column is None else sql.SQL("{} = %(property)s").format(sql.Identifier(column)),
    )
    return statement.as_bytes(None)
