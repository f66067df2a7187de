"""Interface tables refuse from a window's start on, by the database's own copy and its own clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from slacktide.core.errors import SQLSTATE_CLOSED
from slacktide.core.interval import Period
from slacktide.guard import closing
from slacktide.guard.install import install
from slacktide.guard.table import GuardedTable, Mode
from slacktide.guard.window import Window, set_windows, windows
from tests.clock import until_past

INSERT = "insert into hotel.invoice values (1, 'RESORT')"


@pytest.fixture
def interface(guarded):
    """Give the owner's connection; hotel.invoice is an interface table."""
    guarded.execute("create table hotel.invoice (id bigint, property_code text); "
                    "grant all on hotel.invoice to slacktide_clerk")  # fmt: skip
    table = GuardedTable(schema="hotel", table="invoice", organization="r.property_code", mode=Mode.INTERFACE)
    install(guarded, tables=[table])
    return guarded


def window(organization, *, start, end=None):
    """Give a window that starts and ends so many seconds from now."""
    now = datetime.now(UTC)
    stop = None if end is None else now + timedelta(seconds=end)
    return Window(organization, Period(now + timedelta(seconds=start), stop))


@pytest.mark.parametrize(
    ("organization", "start", "end", "refused"),
    [
        ("RESORT", -1, None, True),
        ("RESORT", -1, 60, True),
        ("RESORT", -2, -1, False),
        ("RESORT", 60, None, False),
        ("CITY", -1, None, False),
        ("", -1, None, True),
    ],
)
def test_a_window_in_effect_refuses(interface, session, refusal, organization, start, end, refused):
    """Within a window of its organization or of the site an interface table refuses, a property's table does not."""
    given = window(organization, start=start, end=end)
    set_windows(interface, organization=organization, windows=[given])
    assert windows(interface) == [given]
    assert refusal(session(), INSERT) == (SQLSTATE_CLOSED if refused else None)
    assert refusal(session(), "update hotel.folio set note = 'x' where folio_id = 1") is None
    assert refusal(session(), "truncate hotel.invoice") == (SQLSTATE_CLOSED if start < 0 and end != -1 else None)


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read"])
def test_a_transaction_from_before_the_start(interface, session, isolation):
    """A transaction that began before the start is refused after it: `now()` is not asked."""
    given = window("RESORT", start=2)
    set_windows(interface, organization="RESORT", windows=[given])
    writer = session(autocommit=False, isolation=isolation)
    writer.execute(INSERT)
    until_past(interface, given.period.start)
    with pytest.raises(psycopg.Error) as caught:
        writer.execute(INSERT)
    assert caught.value.sqlstate == SQLSTATE_CLOSED


def test_a_window_that_an_old_snapshot_does_not_see(interface, session):
    """A snapshot older than the change of the windows gets a serialization failure."""
    writer = session(autocommit=False, isolation="repeatable read")
    writer.execute("select count(*) from hotel.invoice")
    set_windows(interface, organization="RESORT", windows=[window("RESORT", start=-1)])
    with pytest.raises(psycopg.errors.SerializationFailure):
        writer.execute(INSERT)


def test_a_closing_outlives_its_window(interface, session, refusal):
    """What was closed stays closed when its window has ended and nobody lives who could open it."""
    closing.begin_closing(interface, organization="RESORT")
    set_windows(interface, organization="RESORT", windows=[window("RESORT", start=-2, end=-1)])
    assert refusal(session(), INSERT) == SQLSTATE_CLOSED
    assert refusal(session(), "update hotel.folio set note = 'x' where folio_id = 1") == SQLSTATE_CLOSED


def test_a_durable_closing_counts_for_interface_tables(interface, session, refusal):
    """A durable closing refuses interface tables without any window."""
    closing.begin_closing(interface, organization="RESORT")
    assert refusal(session(), INSERT) == SQLSTATE_CLOSED
