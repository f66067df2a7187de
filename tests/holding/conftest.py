"""A control database with organizations, an ERP with guarded interface tables, and a releaser in this process."""

from __future__ import annotations

import itertools
import os
import time
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from slacktide.control.downtime import Wish, change_downtime, end_downtime, schedule_downtime
from slacktide.control.organization import add_organization
from slacktide.holding import attempt, sample, store
from slacktide.holding.place import Place, set_place
from slacktide.holding.release import Releaser
from slacktide.postgres.connection import connect
from tests.memory import drop_from_memory
from tests.migrated import migrate

WHO = {"who": "tester", "reason": "a test"}
_number = itertools.count(1)


@dataclass
class Site:
    """A site with held work: its control database, its ERP, and what tests do with them."""

    address: str
    erp_address: str
    control: psycopg.Connection[Any]
    erp: psycopg.Connection[Any]

    def arrive(self, *numbers, organization="SOUTH", **facts):
        """Hand in an invoice for each number; give the items."""
        return [
            store.arrive(self.control, sample.invoice(organization=organization, number=str(number), **facts))
            for number in numbers
        ]

    def down(self, organization="SOUTH", **wish):
        """Schedule a downtime, of the site with None; give its ID."""
        whose = {"site": True} if organization is None else {"organizations": [organization]}
        if not {"end", "duration"} & set(wish):
            wish["until_ended"] = True
        return schedule_downtime(self.control, wish=Wish(**wish), **whose, **WHO).downtimes[0]["id"]

    def end(self, downtime):
        end_downtime(self.control, id=downtime, **WHO)

    def extend(self, downtime, by):
        change_downtime(self.control, id=downtime, duration=by, only_later=True, **WHO)

    def written(self, organization="SOUTH"):
        """Give the numbers of the invoices in the interface, in the order in which they were written."""
        rows = self.erp.execute(
            "select number from payables.invoice_header where organization = %s order by interface_id", [organization]
        )
        return [number for (number,) in rows]

    def imported(self, organization="SOUTH"):
        rows = self.erp.execute(
            "select number from ledger.invoice where organization = %s order by invoice_id", [organization]
        )
        return [number for (number,) in rows]

    def states(self):
        """Give the states of all items in the order of their arrival."""
        return [state for (state,) in self.control.execute("select state from slacktide.held_item order by id")]

    def item(self, item):
        return store.item_of(self.control, id=str(item.id))

    def queue(self, organization="SOUTH"):
        return store.queue_of(self.control, organization=organization)


def release(releaser, organization="SOUTH", *, times=1):
    """Release an organization's work as far as it goes now, so many times."""
    for _ in range(times):
        assert releaser.release(organization)
        while organization in store.due(releaser._connection):  # noqa: SLF001 -- its own view is what counts
            assert releaser.release(organization)


@pytest.fixture
def site(server, database):
    """Give a site with the organizations SOUTH and NORTH and one ERP; nobody releases anything."""
    name = f"erp_{os.getpid()}_{next(_number)}"
    server.create_database(name)
    migrate(address=database)
    with connect(database, name="test") as control, connect(server.address(name), name="test") as erp:
        for code in ("SOUTH", "NORTH"):
            add_organization(control, code=code, **WHO)
        sample.create(erp)
        set_place(control, Place("erp", server.address(name)), **WHO)
        yield Site(database, server.address(name), control, erp)
    drop_from_memory(server.address(name))


@pytest.fixture
def releaser(site):
    """Give a releaser of the site."""
    with connect(site.address, name="release") as connection:
        releaser = Releaser(connection)
        yield releaser
        releaser.close()


def run_until(releaser, holds, *, seconds=30.0):
    """Let a releaser run by itself until something holds."""
    begun = time.monotonic()
    releaser.run(ended=lambda: holds() or time.monotonic() - begun > seconds)
    assert holds()


@pytest.fixture
def work(monkeypatch):
    """Give a function by which a program of the test's own does the work instead of the sample's."""

    def use(program):
        monkeypatch.setattr(attempt, "work_named", lambda _: program)
        return program

    return use
