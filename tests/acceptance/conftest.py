"""A real browser, a real site, a real worker, and a sample ERP with its interface tables."""

from __future__ import annotations

import shutil
import threading
from contextlib import contextmanager

import psycopg
import pytest
from playwright.sync_api import sync_playwright

from slacktide.holding import sample
from slacktide.holding.place import Place, set_place
from slacktide.postgres.connection import connect
from slacktide.worker.supervise import Worker
from tests.acceptance.person import Person, until
from tests.memory import drop_from_memory
from tests.server.pages.conftest import WHO, control, end, link, people, plan, site, tasks

__all__ = ["control", "end", "link", "people", "plan", "site", "tasks"]

CHROMIUM = shutil.which("chromium")
FLAGS = "--disable-gpu --disable-background-networking --disable-component-update --disable-sync --no-first-run"


@pytest.fixture(scope="module")
def chromium():
    """Give the one browser of a module. It goes with it, for its loop is in the way of others."""
    if CHROMIUM is None:
        pytest.skip("needs chromium, which .ci/run installs")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split(), timeout=120_000)
        yield browser
        browser.close()


@pytest.fixture
def person(chromium, site, people):
    """Give a function that lets somebody come to the site, and log in. Nothing is loaded from elsewhere, ever."""
    with coming(chromium, site) as come:
        yield come


@contextmanager
def coming(chromium, site):
    came = []

    def come(name=None, **facts):
        someone = Person(chromium, site, **facts)
        came.append(someone)
        if name is not None:
            assert someone.log_in(name) == 200
        return someone

    yield come
    for someone in came:
        someone.leave()
    assert [one.elsewhere + one.complaints for one in came] == [[] for _ in came]


class Erp:
    """The sample ERP, as somebody who works in it sees it."""

    def __init__(self, address, connection):
        """Take its address and a connection."""
        self.address, self.connection = address, connection

    def written(self):
        """Give the numbers of the invoices in the interface table."""
        rows = self.connection.execute("select number from payables.invoice_header order by interface_id")
        return [number for (number,) in rows]

    def imported(self):
        """Let the ERP do what it has accepted; give the numbers of the invoices that it has then."""
        sample.run_importer(self.connection)
        rows = self.connection.execute("select number from ledger.invoice order by invoice_id")
        return [number for (number,) in rows]

    def written_at(self, number):
        row = self.connection.execute(
            "select written_at from payables.invoice_header where number = %s", [number]
        ).fetchone()
        return row and row[0]

    def refusal(self, statement):
        """Give the SQLSTATE with which somebody who asks nobody is refused, or None; nothing is kept."""
        try:
            with psycopg.connect(self.address) as other:
                other.execute(statement)
                other.rollback()
        except psycopg.Error as error:
            return error.sqlstate
        return None


@pytest.fixture
def erp(server, database, control):
    """Give the ERP into which the site imports."""
    name = f"erp_{database.partition('?')[0].rpartition('/')[2]}"
    server.create_database(name)
    address = server.address(name)
    with connect(address, name="test") as connection:
        sample.create(connection)
        set_place(control, Place("erp", address), **WHO)
        yield Erp(address, connection)
    drop_from_memory(address)


@pytest.fixture
def worker(database, erp):
    """Let a worker run beside the site."""
    ended, ready = threading.Event(), threading.Event()
    named = {"ended": ended.is_set, "ready": ready.set}
    thread = threading.Thread(target=Worker(database).run, kwargs=named)
    thread.start()
    until(ready.is_set)
    yield
    ended.set()
    thread.join()
