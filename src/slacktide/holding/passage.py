"""A passage: the stretch of a transaction in which something is written, or done outside, while nothing is down.

1. It is open when we look, and the downtime starts before we write: the locks come first, the look after them, so
   that whoever closes waits for us, and what is quiet stays quiet.
2. The downtime starts while we write: a write is judged when it commits, so it is looked at again directly before the
   commit, and given up. What has been done outside cannot be given up: the ERP accepted it before the start.
3. The database knows of a closing that the control database does not know yet: its guard is asked too, and its
   refusal is a hold like any other.
4. The closer has the lock: we would wait for it, and hold what we have meanwhile. After `LOCK_TIMEOUT_MS` it is a
   hold, and looked at again soon.
5. The database answers no more: its server hangs, or what stands between. No time limit of its own counts then, and a
   few of these would keep all releasers. After `ANSWER_SECONDS` it has failed, and its connection is closed. What it
   does with the last statement is not known, as after any lost connection.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.rows import TupleRow

from slacktide.core import clock
from slacktide.guard.passing import pass_guard
from slacktide.holding.item import Step
from slacktide.holding.look import Look
from slacktide.holding.wording import storable
from slacktide.postgres.connection import Unreachable, resolved, session_parameters, shown

LOCK_TIMEOUT_MS = 1000
PASSAGE_OPTIONS = f"-c lock_timeout={LOCK_TIMEOUT_MS} -c idle_in_transaction_session_timeout=0"


ANSWER_SECONDS = 60.0
"""How long a statement of a place may last: more than any write of one document takes, and its last locks."""

R = TypeVar("R")


class Answering(psycopg.Connection[TupleRow]):
    """A connection that fails if an answer takes too long, whatever the server and the network do."""

    answer_seconds = ANSWER_SECONDS

    def wait(self, gen: PQGen[R], *arguments: Any, **named: Any) -> R:
        """Wait for an answer. Raises psycopg.OperationalError."""
        return super().wait(self._limited(gen), *arguments, **named)

    def _limited(self, gen: PQGen[R]) -> PQGen[R]:
        """Pass on what the socket is ready for, which is nothing ever so often, until the time is over."""
        until = clock.monotonic_seconds() + self.answer_seconds
        try:
            wanted = next(gen)
            while (ready := (yield wanted)) or clock.monotonic_seconds() < until:
                wanted = gen.send(ready)
        except StopIteration as ended:
            answer: R = ended.value
            return answer
        self.pgconn.finish()
        message = f"the database has not answered for {self.answer_seconds:g} seconds"
        raise psycopg.OperationalError(message)


def open_place(address: str, *, name: str) -> Answering:
    """Open a connection for passages: nobody in the database is waited for longer than the lock time-out.

    Raises Unreachable.
    """
    facts = session_parameters(name=name, options=PASSAGE_OPTIONS)
    try:
        return Answering.connect(resolved(address), autocommit=True, **facts)
    except psycopg.OperationalError as error:
        raise Unreachable(address=shown(address), reason=storable(str(error))) from error


@contextmanager
def passage(
    place: psycopg.Connection[TupleRow], *, look: Look, organization: str, step: Step, judged_at_commit: bool = True
) -> Iterator[None]:
    """Hold the organization's shared lock in a transaction of the place, and write only while the step is allowed.

    With `judged_at_commit` it is looked at once more before the commit, and all is rolled back where a downtime began.
    Without it nothing is written in this transaction: it ends by rollback, which a lost connection does not fail.
    Raises HeldBack, LeftBehind, ScheduleInChange, and what the guard refuses with (SQLSTATE ST001, ST002).
    """
    with place.transaction(force_rollback=not judged_at_commit):
        pass_guard(place, organization=organization, what=f"held work of {organization} ({step})")
        look.require(organization=organization, step=step)
        yield
        if judged_at_commit:
            look.require(organization=organization, step=step)
