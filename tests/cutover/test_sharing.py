"""Who keeps an organization from being quiet where no move is planned."""

from __future__ import annotations

import psycopg
import pytest

from slacktide.cutover.state import measure_of, state
from slacktide.guard.passing import pass_guard
from slacktide.holding.place import Place, set_place
from slacktide.holding.window import Copier
from slacktide.postgres.connection import connect
from tests.holding.conftest import WHO, site

__all__ = ["site"]
INSERT = "insert into payables.invoice_header (key, organization, number, amount) values (%(key)s, %(whose)s, '1', 1)"


@pytest.fixture
def copy(site):
    """Give a function that copies the windows into the places, as workers do."""
    with connect(site.address, name="windows") as connection:
        copier = Copier(connection)
        yield copier.copy
        copier.close()


def word(site, organization="SOUTH"):
    """Give the state's word of an organization, as it is measured."""
    return state(site.control, organization=organization, measured=measure_of(site.control, [organization])).state


def writing(site, organization="SOUTH"):
    """Give a session that has written an invoice of an organization and has not committed."""
    clerk = connect(site.erp_address, name="clerk", autocommit=False)
    clerk.execute(INSERT, {"key": organization, "whose": organization})
    return clerk


def test_who_writes_interface_tables(site, copy):
    """A writer that was let in before the start, and has not committed, is waited for and listed; others are not."""
    with writing(site), writing(site, "NORTH"):
        site.down()
        assert copy()
        assert word(site) == "closing"
        (holder,) = measure_of(site.control, ["SOUTH"]).holders("SOUTH")
        assert (holder.state, holder.query.split()[0]) == ("idle in transaction", "insert")
        assert len(measure_of(site.control).holders(None)) == 2
    assert word(site) == "quiet"


def test_who_holds_the_lock_beside(site, copy):
    """A command or a job that holds the lock in the control database is waited for, of the site too."""
    with connect(site.address, name="job", autocommit=False) as job:
        pass_guard(job, organization="SOUTH", what="a test")
        site.down(None)
        assert copy()
        assert [word(site, whose) for whose in ("SOUTH", "NORTH", None)] == ["closing", "quiet", "closing"]
        assert len(measure_of(site.control, ["SOUTH"]).holders("SOUTH")) == 1
    assert [word(site, whose) for whose in ("SOUTH", None)] == ["quiet", "quiet"]


def test_users_in(site, copy):
    """With users in only transactions are waited for, and they are."""
    with writing(site):
        site.down(users="in")
        assert copy()
        assert word(site) == "closing"
    assert word(site) == "down, users in"


def test_a_copy_that_is_late(site, copy):
    """Until the place has the window its tables are open, and nobody can call it quiet."""
    site.down()
    assert word(site) == "closing"
    assert copy()
    assert word(site) == "quiet"


def test_a_guard_that_was_disabled(site, copy):
    """Where a trigger of the guard does not always fire, writers pass: that is not quiet, and says why."""
    site.down()
    assert copy()
    site.erp.execute("alter table payables.invoice_line disable trigger slacktide_guard_insert")
    (unseen,) = measure_of(site.control, ["SOUTH"]).unseen
    assert "slacktide_guard_insert of payables.invoice_line" in unseen.reason
    assert word(site) == "closing"


def test_a_place_that_does_not_answer(site, copy):
    """A place that cannot be asked may have writers; that of another organization does not matter."""
    site.down()
    assert copy()
    set_place(site.control, Place("other", "postgresql://x@127.0.0.1:1/gone", "NORTH"), **WHO)
    assert word(site) == "quiet"
    site.down("NORTH")
    assert word(site, "NORTH") == "closing"


def test_a_place_without_a_guard(site, server):
    """A place that has no guard keeps nobody out, and whoever of ours has its lock is waited for."""
    set_place(site.control, Place("bare", server.address(), "SOUTH"), **WHO)
    with psycopg.connect(server.address()) as ours:
        pass_guard(ours, organization="SOUTH", what="a test")
        site.down()
        assert word(site) == "closing"
    assert word(site) == "quiet"
