"""A move as the control database keeps it: which property, by which plan, from where to where."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from slacktide.core.errors import UsageError
from slacktide.plan.load import load_plan_text
from slacktide.postgres import sql

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.plan.model import Plan

CLEANING, CLEAN = "cleaning", "clean"
"""The states of a move from which `clean` takes away what it needs, and has."""

TAKEN_BACK = "taken back"
"""The state of a way back that was given up and cleaned."""

_STATEMENTS = sql.load(__package__, "move.sql")


class UnknownMove(UsageError):
    """There is no move {name!r}: `slacktide move list` shows those that there are."""


class MoveExists(UsageError):
    """There is a move {name!r} already: choose another name; one that was never configured goes whole by `slacktide move clean {name} --apply`."""  # noqa: E501 -- the message is one sentence


class Move(msgspec.Struct, frozen=True, dict=True):
    """One move. Addresses are as they were given: each process resolves `env:` and `file:` for itself.

    A rehearsal is a move too, which nobody lists: `rehearses` names the move that it stands for.
    """

    move_id: int
    name: str
    plan_file: str
    plan_text: str
    property_code: str
    target_property: str
    source: str
    target: str
    spool: str
    task: int
    state: str
    configured_at: datetime | None
    facts: dict[str, Any]
    organization: str  # as the control database names it; `property_code` is what the source names it
    back_of: int | None = None  # the move that this one takes back
    slots: list[str] = []  # that were made for it, by name, until it was loaded
    rehearses: str | None = None

    @cached_property
    def plan(self) -> Plan:
        """The plan as it was when the move was made."""
        return load_plan_text(text=self.plan_text, file=self.plan_file)

    @cached_property
    def late(self) -> Move:
        """The same move by the plan as it is after the opening."""
        late = msgspec.structs.replace(self)
        late.__dict__["plan"] = self.plan.late
        return late

    @property
    def source_spool(self) -> Path:
        """The folder that batches are written to."""
        return Path(self.spool) / "source"

    @property
    def target_spool(self) -> Path:
        """The folder that batches are fetched to."""
        return Path(self.spool) / "target"


def load_move(connection: psycopg.Connection[TupleRow], *, name: str) -> Move:
    """Give the move of this name. Raises UnknownMove."""
    row = connection.execute(_STATEMENTS["by_name"], {"name": name}).fetchone()
    if row is None:
        raise UnknownMove(name=name)
    return Move(*row)


def list_moves(connection: psycopg.Connection[TupleRow]) -> list[Move]:
    """List all moves by name, but no rehearsal of one."""
    return [Move(*row) for row in connection.execute(_STATEMENTS["all"])]


def create_move(connection: psycopg.Connection[TupleRow], **facts: str) -> Move:
    """Write down a new move: name, plan_file, plan_text, property, target_property, source, target, spool."""
    if connection.execute(_STATEMENTS["by_name"], {"name": facts["name"]}).fetchone() is not None:
        raise MoveExists(name=facts["name"])
    connection.execute(_STATEMENTS["create"], facts)
    return load_move(connection, name=facts["name"])


def create_back(connection: psycopg.Connection[TupleRow], *, of: Move, name: str, spool: str) -> Move:
    """Write down the way back of a move. Raises MoveExists."""
    if connection.execute(_STATEMENTS["by_name"], {"name": name}).fetchone() is not None:
        raise MoveExists(name=name)
    connection.execute(_STATEMENTS["create_back"], {"name": name, "spool": spool, "move_id": of.move_id})
    return load_move(connection, name=name)


def back_of(connection: psycopg.Connection[TupleRow], *, move: Move) -> Move | None:
    """Give the way back of a move, if one was begun."""
    row = connection.execute(_STATEMENTS["back_of"], {"move_id": move.move_id}).fetchone()
    return Move(*row) if row else None


def forward_of(connection: psycopg.Connection[TupleRow], *, move: Move) -> Move | None:
    """Give the move that this one takes back, if it takes one back."""
    row = connection.execute(_STATEMENTS["by_id"], {"move_id": move.back_of}).fetchone()
    return Move(*row) if row else None


def set_task(connection: psycopg.Connection[TupleRow], *, move: Move, task: int, state: str) -> None:
    """Note the task that a move is on; it never goes back by itself."""
    connection.execute(_STATEMENTS["set_task"], {"move_id": move.move_id, "task": task, "state": state})


def set_fact(connection: psycopg.Connection[TupleRow], *, move: Move, name: str, value: Any) -> None:
    """Keep one fact of a move, as JSON."""
    encoded = msgspec.json.encode(value).decode()
    connection.execute(_STATEMENTS["set_fact"], {"move_id": move.move_id, "name": name, "value": encoded})
