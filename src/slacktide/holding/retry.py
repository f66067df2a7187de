"""How a job that is held is tried again, by its own queue: Celery's or Procrastinate's.

1. A downtime is long, and the queue counts retries. Waiting is no failure: a held task of Celery is sent again with the
   count that it has; of one of Procrastinate it is counted how often it was held, and that is taken off before anybody
   judges how often it was tried.
2. The worker's clock is wrong. What is waited is a length of time by the control database's clock, of a second at
   least, so that nobody looks again and again in vain; and whether the job may run is judged when it runs.
3. A held job calls another one as a function. Only a task whose own body is held is sent again, not the one around it.
4. A task is run where it was called, without a worker: whoever called it is told, and nothing is sent.

Neither is imported here unless it is there already.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

import psycopg

from slacktide.control.database import open_control
from slacktide.core import clock
from slacktide.core.errors import ExitStatus, OutsideError
from slacktide.holding.look import HeldBack
from slacktide.postgres.sql import load

_sql = load(__package__, "held.sql")
_SHORTEST = timedelta(seconds=1)
_SOON = timedelta(seconds=5)


class NotFree(OutsideError):
    """Somebody is in the way of this job for a moment: {reason}. Try again in a few seconds."""

    exit_status = ExitStatus.HELD

    @property
    def next_check(self) -> datetime:
        """When to look again."""
        return clock.now() + _SOON


WAITS = (HeldBack, NotFree)


def seconds_to_wait(error: HeldBack | NotFree) -> float:
    """Give how long a job waits before it looks again."""
    wait = error.next_check - error.decision.now if isinstance(error, HeldBack) else _SOON
    return max(wait, _SHORTEST).total_seconds()


def again_in_celery(job: Callable[..., Any], error: HeldBack | NotFree) -> Exception | None:
    """Send the running task of Celery again, if it is this job; give what its worker has to be told by raising it."""
    task = getattr(sys.modules.get("celery"), "current_task", None)
    if not task or job not in _bodies(task) or task.request.called_directly or task.request.is_eager:
        return None
    seconds = seconds_to_wait(error)
    again = task.signature_from_request(task.request, countdown=seconds, retries=task.request.retries)
    again.apply_async()
    told: Exception = import_module("celery.exceptions").Retry(exc=error, when=seconds, sig=again)
    return told


def _bodies(task: Any) -> Iterator[Any]:
    """Go through the functions that a task was made from; that of a bound one comes as its method."""
    found = task
    while (found := getattr(found, "__wrapped__", None)) is not None:
        yield getattr(found, "__func__", found)


def procrastinate_retry(otherwise: Any = None) -> Any:
    """Give the `retry` of a Procrastinate task: what is held waits for its next check; else as `otherwise` says.

    `otherwise` is a retry strategy of Procrastinate; in the attempts that it is told, no hold is counted.
    """
    procrastinate = import_module("procrastinate")

    class RetryWhenHeld(procrastinate.BaseRetryStrategy):  # type: ignore[misc,name-defined]  # known when called
        def get_retry_decision(self, *, exception: BaseException, job: Any) -> Any:
            if isinstance(exception, WAITS):
                _holds(job, "note_job_held")
                at = max(exception.next_check, clock.now() + timedelta(seconds=seconds_to_wait(exception)))
                return procrastinate.RetryDecision(retry_at=at)
            if otherwise is None:
                return None
            failures = job.evolve(attempts=max(0, job.attempts - _holds(job, "job_holds")))
            return otherwise.get_retry_decision(exception=exception, job=failures)

    return RetryWhenHeld()


def forget_jobs(connection: psycopg.Connection[Any], *, keep: timedelta) -> int:
    """Forget the jobs of Procrastinate that were held longer ago than that; give how many."""
    return connection.execute(_sql["forget_jobs"], {"keep": keep}).rowcount


def _holds(job: Any, statement: str) -> int:
    """Give how often a job of Procrastinate was held, having noted one more."""
    facts = {"queue": job.queue, "task": job.task_name, "job": job.id}
    with open_control() as control, control.connect(name="held job") as connection:
        row = connection.execute(_sql[statement], facts).fetchone()
    return row[0] if row else 0
