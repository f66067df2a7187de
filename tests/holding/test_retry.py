"""Held jobs of real queues: Celery and Procrastinate, each with a worker of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import contextmanager
from datetime import timedelta

import celery
import procrastinate
import pytest
from celery.contrib.testing.worker import start_worker
from celery.signals import task_failure, task_retry

from slacktide.control.setting import control_now, setting_of
from slacktide.holding import held
from slacktide.holding.look import HeldBack
from slacktide.holding.retry import NotFree, forget_jobs, procrastinate_retry, seconds_to_wait
from slacktide.postgres.connection import connect

LONGEST_SECONDS = 30
UNTIL_A_WORKER_RUNS = "now+PT8S"


def whose(*_, organization, **__):
    return organization


@pytest.fixture(autouse=True)
def environment(site, server, monkeypatch):
    """Name the site's control database in the environment."""
    monkeypatch.setenv("SLACKTIDE_DATABASE_URL", site.address)
    monkeypatch.setenv("SLACKTIDE_DATA", str(server.folder))


@pytest.fixture
def app():
    """Give an application of Celery with a broker in this process."""
    found = celery.Celery("test", broker="memory://", backend="cache+memory://")
    found.conf.update(worker_hijack_root_logger=False, task_store_eager_result=False)
    yield found
    found.close()


@contextmanager
def working(app):
    """Run a worker of Celery in a thread; give what it tells of retries and failures."""
    told, changed = [], threading.Condition()

    def note(sender=None, reason=None, exception=None, **_):
        with changed:
            told.append(reason.exc if reason is not None else exception)
            changed.notify_all()

    task_retry.connect(note)
    task_failure.connect(note)
    try:
        with start_worker(app, perform_ping_check=False, shutdown_timeout=LONGEST_SECONDS):
            yield lambda count: wait_for(changed, lambda: len(told) >= count and told)
    finally:
        task_retry.disconnect(note)
        task_failure.disconnect(note)


def wait_for(changed, holds):
    with changed:
        assert changed.wait_for(holds, LONGEST_SECONDS)
        return holds()


def end_of(site, downtime):
    return setting_of(site.control, id=downtime).end


def test_celery_waits_for_the_end(site, app):
    """A task that was sent before the start waits for the end, also a later one, and keeps arguments and retries."""

    @app.task(max_retries=0)
    @held(organization=whose)
    def export(number, *, organization):
        with connect(site.address, name="job") as control:
            return number, organization, control_now(control).isoformat(), celery.current_task.request.retries

    result = export.delay(7, organization="SOUTH")
    downtime = site.down("SOUTH", end=UNTIL_A_WORKER_RUNS)
    with working(app) as told:
        assert "HeldBack" in repr(told(1)[0])
        site.extend(downtime, "PT2S")
        number, organization, ran_at, retries = result.get(timeout=LONGEST_SECONDS)
        assert len(told(2)) >= 2
    assert (number, organization, retries) == (7, "SOUTH", 0)
    assert ran_at >= end_of(site, downtime).isoformat()


def test_celery_counts_failures_only(site, app):
    """Of a bound task that was held, each failure counts, and no hold: it is tried as often as it says."""
    tries = []

    @app.task(bind=True, autoretry_for=(ValueError,), max_retries=2, default_retry_delay=0)
    @held(organization=whose)
    def fail(task, organization):
        tries.append(task.request.retries)
        raise ValueError(organization)

    site.down("SOUTH", end="now+PT2S")
    with working(app):
        result = fail.delay(organization="SOUTH")
        with pytest.raises(ValueError, match="SOUTH"):
            result.get(timeout=LONGEST_SECONDS)
    assert tries == [0, 1, 2]


def test_celery_sends_the_held_task_alone(site, app):
    """A held function inside another task fails that one, which has done something already; it is not sent again."""
    ran = []

    @held(organization="SOUTH")
    def inner():
        ran.append("inner")

    @app.task
    def outer():
        ran.append("outer")
        inner()

    site.down("SOUTH", end="now+PT1H")
    with working(app):
        result = outer.delay()
        assert "downtime" in repr(result.get(timeout=5, propagate=False))
    assert result.state == "FAILURE"
    assert ran == ["outer"]


def test_celery_without_a_worker(site, app):
    """A task that is run where it is called tells its caller, and is sent to nobody."""

    @app.task
    @held(organization="SOUTH")
    def job():
        return "ran"

    assert (job(), job.apply().get()) == ("ran", "ran")
    site.down("SOUTH", end="now+PT1H")
    for call in (job, lambda: job.apply(throw=True)):
        with pytest.raises(HeldBack):
            call()


async def run_until(app, done):
    """Run a worker of Procrastinate until something has happened."""
    worker = asyncio.create_task(app.run_worker_async(fetch_job_polling_interval=0.2, install_signal_handlers=False))
    try:
        await asyncio.wait_for(done.wait(), LONGEST_SECONDS)
    finally:
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)


def test_procrastinate(site):
    """A held job waits for the end, also a later one; then each failure counts, and no hold."""
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=site.address))
    ran, done, downtimes = [], asyncio.Event(), []
    strategy = procrastinate.RetryStrategy(max_attempts=2)

    @app.task(queue="export", pass_context=True, retry=procrastinate_retry(strategy))
    @held(organization=whose)
    async def export(context, organization, number):
        ran.append((organization, number, control_now(site.control), context.job.attempts))
        if len(ran) == 3:
            done.set()
        raise ValueError(number)

    async def run():
        async with app.open_async():
            await app.schema_manager.apply_schema_async()
            await export.defer_async(organization="SOUTH", number=7)
            downtimes.append(site.down("SOUTH", end=UNTIL_A_WORKER_RUNS))
            extending = asyncio.create_task(asyncio.to_thread(extend_when_held))
            await run_until(app, done)
            await extending

    def extend_when_held():
        with connect(site.address, name="watch") as watch:
            limit = time.monotonic() + LONGEST_SECONDS
            while not watch.execute("select exists (select from slacktide.held_job)").fetchone()[0]:
                assert time.monotonic() < limit
                time.sleep(0.02)
        site.extend(downtimes[0], "PT2S")

    asyncio.run(run())
    assert {(organization, number) for organization, number, *_ in ran} == {("SOUTH", 7)}
    assert ran[0][2] >= end_of(site, downtimes[0])
    holds, attempts = ran[0][3], [attempt for *_, attempt in ran]
    assert holds >= 2
    assert attempts == [holds, holds + 1, holds + 2]


def test_a_second_at_least(site):
    """Who waits for a boundary that is there waits a second all the same, and a few where somebody is in the way."""
    downtime = site.down("SOUTH", end="now+PT1H")
    with pytest.raises(HeldBack) as caught, held(organization="SOUTH"):
        pass
    end = end_of(site, downtime)
    assert seconds_to_wait(caught.value) <= (end - caught.value.decision.now).total_seconds()
    caught.value.next_check = caught.value.decision.now - timedelta(minutes=1)
    assert seconds_to_wait(caught.value) == 1
    assert 1 < seconds_to_wait(NotFree(reason="x")) < 10


def test_jobs_are_forgotten(site):
    """How often a job was held is forgotten when it is long ago."""
    site.control.execute(
        "insert into slacktide.held_job (queue, task, job, last_at) values"
        " ('q', 't', 1, clock_timestamp() - interval '91 days'), ('q', 't', 2, clock_timestamp())"
    )
    assert forget_jobs(site.control, keep=timedelta(days=90)) == 1
    assert site.control.execute("select job from slacktide.held_job").fetchall() == [(2,)]
