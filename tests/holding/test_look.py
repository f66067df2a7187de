"""The look: by the schedule as it is saved at this very moment."""

from __future__ import annotations

import threading
import time

import psycopg
import pytest

from slacktide.control.origin import confirm_schedule, doubt_schedule
from slacktide.control.setting import control_now, setting_of
from slacktide.core.duration import format_instant
from slacktide.holding.look import HeldBack, Look, ScheduleInChange
from slacktide.postgres.connection import connect


@pytest.fixture
def look(site):
    """Give the looks of a connection that has looked once, when all was open."""
    with connect(site.address, name="look") as connection:
        look = Look(connection)
        assert look.decide(organization="SOUTH", step="insert").allowed
        yield look


@pytest.mark.parametrize("step", ["insert", "import"])
@pytest.mark.parametrize("scope", ["SOUTH", None])
def test_what_starts_now(site, look, scope, step):
    """A downtime that has just been saved holds the next look, and its end lets the next one through."""
    downtime = site.down(scope)
    with pytest.raises(HeldBack) as caught:
        look.require(organization="SOUTH", step=step)
    assert caught.value.decision.until is None
    assert look.decide(organization="NORTH", step=step).allowed is (scope == "SOUTH")
    site.end(downtime)
    assert look.require(organization="SOUTH", step=step).allowed


def test_nothing_changed(site, look):
    """While nothing changes and no boundary passes, the schedule is not read again."""
    compiled = look._schedule  # noqa: SLF001 -- that it is the same one is what matters
    look.decide(organization="NORTH", step="insert")
    assert look._schedule is compiled  # noqa: SLF001 -- see above


def test_an_uncommitted_change(site, look):
    """A change that has risen the count and not committed is waited for a short time, and then nothing is written."""
    with connect(site.address, name="slow", autocommit=False) as slow:
        slow.execute("update slacktide.organization set name = 'other' where code = 'NORTH'")
        begun = time.monotonic()
        with pytest.raises(ScheduleInChange):
            look.require(organization="SOUTH", step="insert")
        assert time.monotonic() - begun < 2
        slow.rollback()
    assert look.require(organization="SOUTH", step="insert").allowed


def test_extended_just_before_its_end(site, look):
    """A downtime that is extended before its end holds behind that end, though the extension commits after it."""
    downtime = site.down(end="now+PT3S")
    end = setting_of(site.control, id=downtime).end.timestamp()
    with pytest.raises(HeldBack):
        look.require(organization="SOUTH", step="insert")
    with psycopg.connect(site.address) as slow:
        slow.execute("update slacktide.setting set ends_at = ends_at + interval '1 hour' where id = %s", [downtime])
        looking = threading.Thread(target=_look_behind, args=[look, end, found := []])
        looking.start()
        time.sleep(max(0.0, end - time.time()) + 0.15)
        slow.commit()
        looking.join()
    assert found == ["held"]


SLOW = """
create function public.slow() returns trigger language plpgsql as $$ begin perform pg_sleep(2); return new; end $$;
create trigger zz_slow before update on slacktide.setting for each row execute function public.slow();
"""


def test_extended_and_not_counted_yet(site, look):
    """The same where the extension has been let through, and has not yet risen the count when its old end passes."""
    downtime = site.down(end="now+PT3S")
    end = setting_of(site.control, id=downtime).end.timestamp()
    site.control.execute(SLOW)
    with pytest.raises(HeldBack):
        look.require(organization="SOUTH", step="insert")
    with psycopg.connect(site.address) as slow:
        extending = threading.Thread(target=_extend, args=[slow, downtime])
        time.sleep(max(0.0, end - time.time() - 1))
        extending.start()
        _look_behind(look, end, found := [])
        extending.join()
    assert found == ["held"]


def _extend(slow, downtime):
    slow.execute("update slacktide.setting set ends_at = ends_at + interval '1 hour' where id = %s", [downtime])
    slow.commit()


def _look_behind(look, end, found):
    """Look as soon as the old end has come, until there is an answer."""
    time.sleep(max(0.0, end - time.time()) + 0.01)
    while not found:
        try:
            look.require(organization="SOUTH", step="insert")
            found.append("allowed")
        except ScheduleInChange:
            continue
        except HeldBack:
            found.append("held")


def test_too_late_to_extend(site):
    """Behind its end a downtime cannot be extended by any way: the database's own clock refuses."""
    downtime = site.down(end="now+PT0.1S")
    time.sleep(0.15)
    with pytest.raises(psycopg.errors.RestrictViolation):
        site.control.execute("update slacktide.setting set ends_at = 'infinity' where id = %s", [downtime])


def test_joined_by_another(site, look):
    """Where another downtime begins as one ends, nothing comes through between."""
    start = format_instant(control_now(site.control))
    site.down(start=start, end="start+PT0.5S")
    until = site.down(start=start, end="start+PT0.8S")
    held = 0
    while True:
        try:
            look.require(organization="SOUTH", step="insert")
            break
        except HeldBack as error:
            held += 1
            end = error.decision.until
    assert (held > 1, control_now(site.control) >= end, until != "") == (True, True, True)


@pytest.mark.parametrize("step", ["insert", "import"])
def test_a_doubt(site, look, step):
    """A doubt of the schedule holds the next look, and its confirmation lets the next one through."""
    doubt_schedule(site.control, why="a backup was put back", who="tester")
    with pytest.raises(HeldBack):
        look.require(organization="SOUTH", step=step)
    confirm_schedule(site.control, who="tester", reason="a test")
    assert look.require(organization="SOUTH", step=step).allowed


def test_an_uncommitted_doubt(site, look):
    """A doubt that is being written down is waited for, like any other change."""
    with connect(site.address, name="slow", autocommit=False) as slow:
        slow.execute("select")  # a transaction that stays open
        doubt_schedule(slow, why="a backup was put back", who="tester")
        with pytest.raises(ScheduleInChange):
            look.require(organization="SOUTH", step="insert")
        slow.rollback()
    assert look.require(organization="SOUTH", step="insert").allowed
