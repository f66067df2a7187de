"""Jobs of one's own: they run under the lock, or wait for the end of the downtime."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import psycopg
import pytest

from slacktide.guard import closing
from slacktide.holding import held
from slacktide.holding.job import InTransaction, RunsLater
from slacktide.holding.look import HeldBack
from slacktide.holding.retry import NotFree


@pytest.fixture(autouse=True)
def environment(site, server, monkeypatch):
    """Name the site's control database in the environment."""
    monkeypatch.setenv("SLACKTIDE_DATABASE_URL", site.address)
    monkeypatch.setenv("SLACKTIDE_DATA", str(server.folder))


def whose(number, organization):
    return organization


@held(organization=whose)
def job(number, organization):
    return number


def test_a_job_waits(site):
    """A job runs while its organization is open, and says when to look again while it is not."""
    assert job(1, "SOUTH") == 1
    downtime = site.down("SOUTH", end="now+PT1H")
    with pytest.raises(HeldBack) as caught:
        job(2, organization="SOUTH")
    assert caught.value.next_check <= caught.value.decision.until
    assert job(3, "NORTH") == 3
    site.end(downtime)
    assert job(2, "SOUTH") == 2


def test_under_the_lock(site):
    """While it runs, whoever closes the organization waits; another one's closing does not."""
    with held(organization="SOUTH"):
        for code, quiet in (("SOUTH", False), ("NORTH", True)):
            closing.begin_closing(site.erp, organization=code)
            assert closing.try_quiet(site.erp, organization=code, lock_timeout_ms=100) is quiet
    assert closing.try_quiet(site.erp, organization="SOUTH")


def test_with_the_connection_that_writes(site):
    """Given the connection that writes, what is written is rolled back if a downtime has started meanwhile."""
    with psycopg.connect(site.erp_address, autocommit=True) as writer:
        with held(organization="SOUTH", connection=writer):
            writer.execute("insert into ledger.request (key, header_key) select 'x', 'y' where false")
            insert(writer, "kept")
        with pytest.raises(HeldBack):
            write_while_it_starts(site, writer)
    assert site.written() == ["kept"]


def write_while_it_starts(site, writer):
    with held(organization="SOUTH", connection=writer):
        insert(writer, "late")
        site.down("SOUTH")


def insert(connection, number):
    connection.execute(
        "insert into payables.invoice_header (key, organization, number, amount) values (%s, 'SOUTH', %s, 1)",
        [number, number],
    )


def test_an_asynchronous_job(site):
    """A coroutine is held like a function."""

    @held(organization="SOUTH")
    async def asynchronous():
        await asyncio.sleep(0)
        return "ran"

    assert asyncio.run(asynchronous()) == "ran"
    site.down("SOUTH")
    with pytest.raises(HeldBack):
        asyncio.run(asynchronous())


def test_in_the_way(site):
    """The database's own refusal, and a schedule that is being changed, make a job wait for a moment."""
    closing.begin_closing(site.erp, organization="SOUTH")
    with pytest.raises(NotFree, match="SOUTH"):
        job(1, "SOUTH")
    closing.reopen(site.erp, organization="SOUTH")
    assert job(1, "SOUTH") == 1
    with psycopg.connect(site.address) as other:
        other.execute("lock table slacktide.setting in row exclusive mode")
        with pytest.raises(NotFree, match="schedule"):
            job(1, "SOUTH")
    assert job(1, "SOUTH") == 1


def test_refused_inside(site):
    """A write that the guard refuses inside the job is a hold as well; any other failure is the job's own."""
    with psycopg.connect(site.erp_address, autocommit=True) as writer:
        with pytest.raises(NotFree):
            write_while_it_closes(site, writer)
        closing.reopen(site.erp, organization="SOUTH")
        with pytest.raises(psycopg.errors.UniqueViolation):
            write_twice(writer)
    assert site.written() == []


def write_while_it_closes(site, writer):
    with held(organization="SOUTH", connection=writer):
        closing.begin_closing(site.erp, organization="SOUTH")
        insert(writer, "late")


def write_twice(writer):
    with held(organization="SOUTH", connection=writer):
        insert(writer, "twice")
        insert(writer, "twice")


def test_imports_no_queue():
    """Importing `held` imports neither Celery nor Procrastinate nor Django."""
    code = (
        "import sys; from slacktide.holding import held; print({'celery', 'procrastinate', 'django'} & {*sys.modules})"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"


def test_a_connection_in_a_transaction(site):
    """A connection that is in a transaction already is refused: its commit would not be judged."""
    with psycopg.connect(site.erp_address) as writer:
        writer.execute("select 1")
        with pytest.raises(InTransaction), held(organization="SOUTH", connection=writer):
            insert(writer, "late")
        writer.rollback()
        with held(organization="SOUTH", connection=writer):
            insert(writer, "judged")
    assert site.written() == ["judged"]


def generated():
    yield 1


async def generated_later():
    yield 1


async def later():
    return 1


@pytest.mark.parametrize("job", [generated, generated_later])
def test_a_generator_is_no_job(job):
    """A generator function runs after its passage, so it is refused when it is decorated."""
    with pytest.raises(RunsLater, match=job.__name__):
        held(organization="SOUTH")(job)


@pytest.mark.parametrize("work", [generated, generated_later, later])
def test_what_runs_later_is_no_result(site, work):
    """A function that gives a generator or a coroutine runs after its passage, so it fails."""

    @held(organization="SOUTH")
    def starts():
        return work()

    with pytest.raises(RunsLater):
        starts()


def test_the_lock_is_lost(site, caplog):
    """A job that is done is done, though the session that held its lock beside was lost: that is logged."""

    @held(organization="SOUTH")
    def finished():
        site.control.execute(
            "select pg_terminate_backend(pid, 10000) from pg_stat_activity where application_name = 'slacktide held'"
        )
        return "done"

    assert finished() == "done"
    assert "SOUTH" in caplog.text
