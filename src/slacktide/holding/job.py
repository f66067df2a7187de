"""Jobs and scripts of one's own: `@held(organization=...)` on a job, or `with held(...)`.

What stands inside runs in a passage: under the organization's shared lock, and only while no downtime is in effect.
Where one is, nothing runs, and `HeldBack` says when to look again; a job is made to wait until then by its own queue.

1. The job writes over a connection of its own, and a downtime starts meanwhile: given that connection, the passage is
   its transaction, which is judged again when it commits, and rolled back. Without it the lock alone counts, from the
   start to the end: raising afterwards would have the job write twice.
2. The job is retried by its queue: the queue's own order holds, not the order of arrival. What needs that is handed
   in as held work instead (`store.arrive`).
3. The queue counts retries, and a downtime is long: waiting for it is no failure, so neither Celery nor Procrastinate
   is told a limit for it.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from contextlib import ExitStack
from functools import wraps
from importlib import import_module
from typing import Any, ParamSpec, Self, TypeVar

import psycopg
from psycopg.rows import TupleRow

from slacktide.control.database import open_control
from slacktide.holding import place
from slacktide.holding.item import Step
from slacktide.holding.look import HeldBack, Look
from slacktide.holding.passage import open_place, passage

P = ParamSpec("P")
R = TypeVar("R")


class held:  # noqa: N801 -- used as a decorator and as a context manager, so it reads as one
    """Run what is inside only while no downtime of the organization is in effect; raise `HeldBack` otherwise.

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
        """Take the lock and look. Raises HeldBack, LeftBehind, ScheduleInChange."""
        with ExitStack() as stack:
            self._enter(stack, str(self._organization))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> bool | None:
        """Judge once more where the connection was given, commit, and let the lock go."""
        return self._stack.__exit__(*error)  # type: ignore[arg-type]  # what `with` passes

    def __call__(self, job: Callable[P, R]) -> Callable[P, R]:
        """Make a job wait for the end of a downtime; one of Celery's that is bound is told to try again then."""
        if inspect.iscoroutinefunction(job):

            @wraps(job)
            async def waiting(*arguments: P.args, **named: P.kwargs) -> Any:
                own = self._for(*arguments, **named)
                await asyncio.to_thread(own.__enter__)
                try:
                    result = await job(*arguments, **named)
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
                    return job(*arguments, **named)
            except HeldBack as error:
                _try_again_in_celery(arguments, error)
                raise

        return held_job

    def _for(self, *arguments: Any, **named: Any) -> held:
        """Give the passage of one run of the job."""
        whose = self._organization
        code = whose if isinstance(whose, str) else whose(*arguments, **named)
        return held(organization=code, step=self._step, connection=self._connection)

    def _enter(self, stack: ExitStack, organization: str) -> None:
        control = stack.enter_context(open_control())
        look = Look(stack.enter_context(control.connect(name="held look")))
        beside = self._connection or stack.enter_context(self._place(look, organization, control.address))
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


def procrastinate_retry(otherwise: Any = None) -> Any:
    """Give the `retry` of a Procrastinate task: what is held waits for its next check; else as `otherwise` says."""
    procrastinate = import_module("procrastinate")

    class RetryWhenHeld(procrastinate.BaseRetryStrategy):  # type: ignore[misc,name-defined]  # known when called
        def get_retry_decision(self, *, exception: BaseException, job: Any) -> Any:
            if isinstance(exception, HeldBack):
                return procrastinate.RetryDecision(retry_at=exception.next_check)
            return otherwise and otherwise.get_retry_decision(exception=exception, job=job)

    return RetryWhenHeld()


def _try_again_in_celery(arguments: tuple[Any, ...], error: HeldBack) -> None:
    """Have a bound task of Celery tried again at the next check; a task is known by what it can, not by its class."""
    task = arguments[0] if arguments else None
    if hasattr(task, "request") and callable(getattr(task, "retry", None)):
        raise task.retry(exc=error, eta=error.next_check, max_retries=None) from error  # type: ignore[union-attr]  # just asked
