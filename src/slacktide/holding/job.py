"""Jobs and scripts of one's own: `@held(organization=...)` on a job, or `with held(...)`.

What stands inside runs in a passage: under the organization's shared lock, and only while no downtime is in effect.
Where one is, nothing runs, and `HeldBack` says when to look again; a job is made to wait until then by its own queue
(`retry`).

1. The job writes over a connection of its own, and a downtime starts meanwhile: given that connection, the passage is
   its transaction, which is judged again when it commits, and rolled back. Without it the lock alone counts, from the
   start to the end: raising afterwards would have the job write twice. A lock that was lost is logged for that reason.
   A connection that is in a transaction is refused: that commits later, and nobody judges it.
2. The job is retried by its queue: the queue's own order holds, not the order of arrival. What needs that is handed
   in as held work instead (`store.arrive`).
3. A closer has the lock, the schedule is being changed, or the database's own guard refuses: the job waits for a
   moment, as it waits for a downtime (`NotFree`).
4. The job is a generator, or gives one or a coroutine: it would run when its lock is gone, and is refused.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from contextlib import ExitStack
from functools import wraps
from typing import Any, ParamSpec, Self, TypeVar

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from slacktide.control.database import open_control
from slacktide.core.errors import UsageError
from slacktide.holding import place
from slacktide.holding.failure import Kind, kind_of
from slacktide.holding.item import Step
from slacktide.holding.look import Look, ScheduleInChange
from slacktide.holding.passage import open_place, passage
from slacktide.holding.retry import WAITS, NotFree, again_in_celery

_LOG = logging.getLogger("slacktide.holding")
P = ParamSpec("P")
R = TypeVar("R")


class InTransaction(UsageError):
    """The connection given for {organization} is in a transaction already, whose commit nobody would judge: commit that, or roll it back, before."""  # noqa: E501 -- the message is one sentence


class RunsLater(UsageError, TypeError):
    """The job {job} is a generator, or gives one or a coroutine, so that it would run behind its lock: make it a function or a coroutine function that does its work before it returns."""  # noqa: E501 -- the message is one sentence


class held:  # noqa: N801 -- used as a decorator and as a context manager, so it reads as one
    """Run what is inside only while no downtime of the organization is in effect; else raise `HeldBack` or `NotFree`.

    `organization` is a code or, on a job, a function of the job's arguments that gives one. `connection` is the one
    that writes, a psycopg connection to the guarded database; without it the lock is held beside. `step` is `insert`
    (a write to interface tables) or `import`. The control database is the one of the environment.
    """

    def __init__(
        self,
        *,
        organization: str | Callable[..., str],
        step: Step = "insert",
        connection: psycopg.Connection[TupleRow] | None = None,
    ) -> None:
        """Keep what the passage is for; nothing is looked at yet."""
        self._organization, self._step, self._connection = organization, step, connection
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Take the lock and look. Raises HeldBack, NotFree, LeftBehind."""
        with ExitStack() as stack:
            try:
                self._enter(stack, str(self._organization))
            except (psycopg.Error, ScheduleInChange) as error:
                if reason := _not_free(error, entering=True):
                    raise NotFree(reason=reason) from error
                raise
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> bool | None:
        """Judge once more where the connection was given, commit, and let the lock go."""
        try:
            done = self._stack.__exit__(*error)  # type: ignore[arg-type]  # what `with` passes
        except (psycopg.Error, ScheduleInChange) as failed:
            if reason := _not_free(failed):
                raise NotFree(reason=reason) from failed
            raise
        if reason := _not_free(error[1]):
            raise NotFree(reason=reason)
        return done

    def __call__(self, job: Callable[P, R]) -> Callable[P, R]:
        """Make a job wait for the end of a downtime; a task of Celery is sent again then."""
        if inspect.isgeneratorfunction(job) or inspect.isasyncgenfunction(job):
            raise RunsLater(job=_name(job))
        if inspect.iscoroutinefunction(job):

            @wraps(job)
            async def waiting(*arguments: P.args, **named: P.kwargs) -> Any:
                own = self._for(*arguments, **named)
                await asyncio.to_thread(own.__enter__)
                try:
                    result = _done(job, await job(*arguments, **named))
                except BaseException as error:
                    await asyncio.to_thread(own.__exit__, type(error), error, error.__traceback__)
                    raise
                await asyncio.to_thread(own.__exit__, None, None, None)
                return result

            return waiting  # type: ignore[return-value]  # a coroutine function, as `job` is

        @wraps(job)
        def held_job(*arguments: P.args, **named: P.kwargs) -> R:
            try:
                with self._for(*arguments, **named):
                    return _done(job, job(*arguments, **named))
            except WAITS as error:
                if (told := again_in_celery(held_job, error)) is not None:
                    raise told from error
                raise

        return held_job

    def _for(self, *arguments: Any, **named: Any) -> held:
        """Give the passage of one run of the job."""
        whose = self._organization
        code = whose if isinstance(whose, str) else whose(*arguments, **named)
        return held(organization=code, step=self._step, connection=self._connection)

    def _enter(self, stack: ExitStack, organization: str) -> None:
        if self._connection is not None and self._connection.info.transaction_status is not TransactionStatus.IDLE:
            raise InTransaction(organization=organization)
        control = stack.enter_context(open_control())
        look = Look(stack.enter_context(control.connect(name="held look")))
        beside = self._connection or stack.enter_context(self._place(look, organization, control.address))
        stack.callback(_say_lost, beside, organization)
        judged = self._connection is not None
        stack.enter_context(
            passage(beside, look=look, organization=organization, step=self._step, judged_at_commit=judged)
        )

    def _place(self, look: Look, organization: str, address: str) -> psycopg.Connection[TupleRow]:
        """Give a connection to the organization's place or, where none is known, to the control database."""
        look.decide(organization=organization, step=self._step)
        with open_place(address, name="held") as control:
            found = place.list_places(control)
        if any(one.organization in (None, organization) for one in found):
            address = place.address_of(found, organization=organization, home=look.home(organization))
        return open_place(address, name="held")


def _done(job: Callable[..., Any], result: R) -> R:
    """Give what a job has given, if nothing of it is still to run. Raises RunsLater."""
    if inspect.isawaitable(result) or inspect.isgenerator(result) or inspect.isasyncgen(result):
        if inspect.iscoroutine(result):
            result.close()
        raise RunsLater(job=_name(job))
    return result


def _name(job: Callable[..., Any]) -> str:
    return getattr(job, "__qualname__", repr(job))


def _say_lost(beside: psycopg.Connection[TupleRow], organization: str) -> None:
    """Log that the lock was lost while the job ran."""
    if beside.closed:
        _LOG.warning("The lock of %s was lost while its job ran: the job has not been stopped.", organization)


def _not_free(error: object, *, entering: bool = False) -> str | None:
    """Say why a job waits for a moment, where it is that: others are in the way, or the database's guard refuses."""
    if isinstance(error, ScheduleInChange):
        return str(error)
    if not isinstance(error, psycopg.Error):
        return None
    held = (Kind.HELD, Kind.AGAIN) if entering else (Kind.HELD,)
    return " ".join(str(error).split()) if kind_of(error.sqlstate) in held else None
