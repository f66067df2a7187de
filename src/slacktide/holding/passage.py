"""A passage: the stretch of a transaction in which something is written, or done outside, while nothing is down.

1. It is open when we look, and the downtime starts before we write: the locks come first, the look after them, so
   that whoever closes waits for us, and what is quiet stays quiet.
2. The downtime starts while we write: a write is judged when it commits, so it is looked at again directly before the
   commit, and given up. What has been done outside cannot be given up: the ERP accepted it before the start.
3. The database knows of a closing that the control database does not know yet: its guard is asked too, and its
   refusal is a hold like any other.
4. The closer has the lock: we would wait for it, and hold what we have meanwhile. After `LOCK_TIMEOUT_MS` it is a
   hold, and looked at again soon.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.rows import TupleRow

from slacktide.guard.passing import pass_guard
from slacktide.holding.item import Step
from slacktide.holding.look import Look
from slacktide.postgres.connection import connect

LOCK_TIMEOUT_MS = 1000
PASSAGE_OPTIONS = f"-c lock_timeout={LOCK_TIMEOUT_MS} -c idle_in_transaction_session_timeout=0"


def open_place(address: str, *, name: str) -> psycopg.Connection[TupleRow]:
    """Open a connection for passages: nobody in the database is waited for longer than the lock time-out."""
    return connect(address, name=name, options=PASSAGE_OPTIONS)


@contextmanager
def passage(
    place: psycopg.Connection[TupleRow], *, look: Look, organization: str, step: Step, judged_at_commit: bool = True
) -> Iterator[None]:
    """Hold the organization's shared lock in a transaction of the place, and write only while the step is allowed.

    With `judged_at_commit` it is looked at once more before the commit, and all is rolled back where a downtime began.
    Raises HeldBack, LeftBehind, ScheduleInChange, and what the guard refuses with (SQLSTATE ST001, ST002).
    """
    with place.transaction():
        pass_guard(place, organization=organization, what=f"held work of {organization} ({step})")
        look.require(organization=organization, step=step)
        yield
        if judged_at_commit:
            look.require(organization=organization, step=step)
