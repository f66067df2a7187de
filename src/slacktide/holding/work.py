"""What a program has to offer so that its writes to an ERP can be held: the protocol, and where a program is found.

A program is found by its name among the entry points of the group `slacktide.work`, so that this package knows none.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from functools import cache
from importlib.metadata import entry_points
from typing import Protocol

import msgspec
from psycopg import Connection
from psycopg.rows import TupleRow

from slacktide.core.errors import OutsideError, UsageError
from slacktide.holding.item import Arrival, Item


class UnknownWork(UsageError):
    """No program {name!r} is installed: it is one of the entry points of the group slacktide.work, {known}."""


class NotAccepted(OutsideError):
    """The ERP did not accept {key}: {reason}. Mend it, then `slacktide held check`."""


class Outcome(StrEnum):
    """What the ERP says of a key."""

    ABSENT = "absent"  # it has never got it
    PENDING = "pending"  # it has accepted it, and is not done
    DONE = "done"
    FAILED = "failed"


class Result(msgspec.Struct, frozen=True):
    """The outcome, and the ERP's reason where it failed."""

    outcome: Outcome
    reason: str = ""


class Work(Protocol):
    """A program that writes to an ERP. Connections are to the organization's place; each key is written once.

    A statement that lasts longer than `passage.ANSWER_SECONDS` has failed, and its connection is closed.
    """

    def takes(self, connection: Connection[TupleRow]) -> bool:
        """Tell whether this database has what the program writes to."""

    def find(self, connection: Connection[TupleRow], *, key: str) -> bool:
        """Tell whether the insert of this key is there."""

    def write(self, connection: Connection[TupleRow], *, item: Item) -> None:
        """Make the insert in the caller's transaction, with the item's key on it."""

    def follow(self, item: Item) -> Sequence[Arrival]:
        """Give the writes that follow once this one is done."""

    def send(self, connection: Connection[TupleRow], *, item: Item) -> None:
        """Start the import, outside the caller's transaction.

        Raises NotAccepted if the ERP surely did not take it; after anything else its result is read.
        """

    def result(self, connection: Connection[TupleRow], *, key: str) -> Result:
        """Read what became of an import."""


@cache
def work_named(name: str) -> Work:
    """Give the program of that name. Raises UnknownWork."""
    found = {point.name: point for point in entry_points(group="slacktide.work")}
    if name not in found:
        raise UnknownWork(name=name, known=", ".join(sorted(found)) or "of which there are none")
    work: Work = found[name].load()()
    return work
