"""The shadow that a rehearsal moves into: a database of its own beside the target, or one that the operator names.

The events:

1. The operator names the target itself, or the source, by whatever address: both are known by the cluster's own number
   and the database's name, and refused before anything is done.
2. Making it is not allowed, or the kind of property cannot: nothing was done, and the answer names `--target`.
3. Whoever made it is killed: its name was written down before it was made, so whoever clears up drops it.
4. The shadow is somebody's test system: only the rows that the rehearsal wrote go again, with the key map, and the
   guard where there was none before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from slacktide.core.errors import InputError
from slacktide.cutover import cleaning
from slacktide.cutover.kind import find
from slacktide.guard import closing
from slacktide.postgres import sql
from slacktide.postgres.connection import beside, connect, shown
from slacktide.transfer import clearing, prepare

if TYPE_CHECKING:
    from psycopg.rows import TupleRow

    from slacktide.transfer.move import Move

    _Connection = psycopg.Connection[TupleRow]

_STATEMENTS = sql.load(__package__, "shadow.sql")


class NoShadow(InputError):
    """No shadow database can be made beside the target of {move}: {reason}. Make an empty one with the target's tables, and name it: `slacktide move rehearse {move} --target URL`."""  # noqa: E501 -- the message is one text


class ShadowIsReal(InputError):
    """{address} is the {side} of {move} itself, and a rehearsal must not touch it. Name another database: `slacktide move rehearse {move} --target URL`."""  # noqa: E501 -- the message is one text


def require_other(address: str, *, move: Move) -> None:
    """See that an address is neither the move's source nor its target. Raises ShadowIsReal, Unreachable."""
    one = _identity(address)
    for side, other in (("source", move.source), ("target", move.target)):
        if _identity(other) == one:
            raise ShadowIsReal(address=shown(address), side=side, move=move.name)


def _identity(address: str) -> tuple[str, ...]:
    with connect(address, name="shadow") as connection:
        return tuple(connection.execute(_STATEMENTS["identity"]).fetchone() or ())


def address_beside(move: Move, *, database: str) -> str:
    """Give the address of a shadow database beside the target."""
    return beside(move.target, database=database)


def require_kind(move: Move) -> None:
    """See that the kind of property can make a schema. Raises NoShadow."""
    if find(move.plan.kind) is None:
        raise NoShadow(move=move.name, reason="its plan names no kind of property that can make the tables")


def make(move: Move, *, database: str) -> None:
    """Make a database like the target, with the tables of the kind of property. Raises NoShadow."""
    with connect(move.target, name=f"{move.name} shadow") as target:
        encoding, collate, ctype = target.execute(_STATEMENTS["settings"]).fetchone() or ()
        statement = SQL("create database {} template template0 encoding {} lc_collate {} lc_ctype {}").format(
            Identifier(database), Literal(encoding), Literal(collate), Literal(ctype)
        )
        try:
            target.execute(statement)
        except psycopg.Error as error:
            raise NoShadow(move=move.name, reason=" ".join(str(error).split())) from error
    kind = find(move.plan.kind)
    assert kind is not None  # noqa: S101 -- asked by require_kind
    kind.make_schema(address=address_beside(move, database=database))


def drop(address: str, *, database: str) -> None:
    """Drop a database that was made here, whoever is connected to it; `address` is that of its neighbour."""
    with connect(address, name="shadow") as target:
        target.execute(SQL("drop database if exists {} with (force)").format(Identifier(database)))


def is_guarded(address: str) -> bool:
    """Tell whether anything is guarded in a database."""
    with connect(address, name="shadow") as shadow:
        return shadow.execute(_STATEMENTS["guarded"]).fetchone() == (True,)


def prepare_for(move: Move) -> None:
    """Make a shadow ready to be moved into: key map, guard, rights; the property there is the mover's."""
    with connect(move.target, name=f"{move.name} prepare") as shadow:
        prepare.prepare_target(shadow, plan=move.plan, move=move.name, target_property=move.target_property)
        closing.prepare_target(shadow, organization=move.target_property, reason=f"rehearsal of {move.rehearses}")


def clear(move: Move) -> None:
    """Take the rehearsal's rows away again, as abandoning would. Raises TargetNotCleared."""
    kind = find(move.plan.kind)

    def derived(target: _Connection) -> int:
        return kind.clear(target, property_code=move.target_property) if kind else 0

    with connect(move.target, name=f"{move.name} clear") as shadow:
        if shadow.execute("select to_regclass('slacktide.mover_move') is not null").fetchone() == (True,):
            clearing.clear(shadow, move=move, derived=derived, epoch=None)  # nobody else enters a shadow


def clean(move: Move, *, guarded_before: bool) -> None:
    """Take away what `prepare_for` made."""
    with connect(move.target, name=f"{move.name} clean") as shadow:
        if shadow.execute("select to_regclass('slacktide.mover_move') is not null").fetchone() == (True,):
            prepare.clean_target(shadow, plan=move.plan, move=move.name)
        if shadow.execute("select to_regclass('slacktide.guard_closing') is not null").fetchone() == (True,):
            closing.release(shadow, organization=move.target_property, reason="the rehearsal is over")
            shadow.execute(_STATEMENTS["forget_stand_in"], {"organization": move.name})
            if not guarded_before:
                cleaning.remove_guard(shadow, prepare.guarded_tables(move.plan))
