"""What the target refuses: its word on an object that is written, as opposed to what passes by itself.

A constraint, a trigger's own error code, a text too long for an index, a missing right: it is about what is written,
and comes again with it. A lost connection, a deadlock, a full disk or a server that ends is not; nor is what the guard
refuses, which is about the property.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from psycopg import DatabaseError, errors

from slacktide.core.errors import BugError, OutsideError
from slacktide.guard.right import MOVER

if TYPE_CHECKING:
    from collections.abc import Iterator

# Connection, conflict of transactions, lack of means, a lock, an operator's word, the system; and the guard's own.
_PASSING = ("08", "40", "53", "55P03", "57", "58", "ST")
_CONFLICTS = (errors.UniqueViolation, errors.ForeignKeyViolation, errors.ExclusionViolation)


class Refused(OutsideError):
    """The target refuses: {reason}."""

    conflict = False  # with another row, so that it may pass when that one is mended


class BugFound(BugError):
    """The target refuses {objects} objects together, but none of them alone: nothing of the batch was written."""


@contextmanager
def refusals() -> Iterator[None]:
    """Tell within this block what the target refuses from what passes. Raises Refused."""
    try:
        yield
    except DatabaseError as error:
        if (error.sqlstate or "08").startswith(_PASSING):
            raise
        said = " ".join(str(error).split())
        if isinstance(error, errors.InsufficientPrivilege):
            said += f" (rows are written, and triggers run, as {MOVER}: grant that role the right)"
        refused = Refused(reason=said)
        refused.conflict = isinstance(error, _CONFLICTS)
        raise refused from error
