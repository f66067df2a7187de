"""`move verify` compares anew while the processes run; the tests are one story, told in order."""

from __future__ import annotations

import time
from contextlib import contextmanager

import pytest

from slacktide.postgres.connection import connect
from tests.cutover.house import a_steady_move
from tests.cutover.moving import NAME, until

CODE = "insert into hotel.market_code (property_code, code, name) values ('RESORT', 'ZZ', 'late')"
UNMAPPED = """
update hotel.reservation set market_code = 'ZZ'
where reservation_id = (select min(reservation_id) from hotel.reservation where property_code = 'RESORT')
"""
UNDONE = "update slacktide.pass_range set batch = null where ordinal = 1"


@pytest.fixture(scope="module")
def moving(server):
    """Give a small move that is steady, and runs."""
    with a_steady_move(server, name="verifying", bookings=20) as moving:
        yield moving


def verify(moving, *, status=0):
    return moving.run("move", "verify", NAME, accept=(status,))


@contextmanager
def locked(address, table):
    """Hold a table against everybody."""
    with connect(address, name="test", autocommit=False) as connection:
        connection.execute(f"lock table {table} in access exclusive mode")
        yield


def waits(moving, process, text):
    return text in (moving.status()["processes"][process]["waits_for"] or "")


def test_each_call_compares_anew(moving):
    """Each call starts a verification and shows the one that was made for it."""
    first, second = verify(moving).json, verify(moving).json
    assert first["new"] is second["new"] is True
    assert first["verified"]["batch"] < second["verified"]["batch"]
    assert second["verified"]["equal"] is True


def test_a_stop_gives_it_up(moving):
    """A verification that would last is given up by a stop at once; what was verified before stays."""
    before = moving.move().facts["verified"]
    with locked(moving.target, "hotel.trace"):
        moving.ask("control", "delete from slacktide.verification")  # so that all is read anew
        asking = moving.start("move", "verify", NAME)
        until(lambda: moving.move().facts["verify_asked"] > before["answers"], what="the request")
        until(lambda: waits(moving, "generate", "comparison"), what="the comparison")
        began = time.monotonic()
        moving.run("move", "processes", "stop", NAME)
        assert time.monotonic() - began < 60
        assert asking.wait(20) == 1
    assert moving.move().facts["verified"] == before


def test_the_last_one_of_stopped_processes(moving):
    """Where the processes are stopped the last one is shown, and said to be that."""
    last = verify(moving).json
    assert (last["new"], last["verified"]) == (False, moving.move().facts["verified"])


def test_one_process_is_stopped(moving):
    """Where only one process is stopped it is refused with the command that starts it."""
    moving.run("move", "processes", "start", NAME)
    moving.run("move", "processes", "stop", NAME, "process")
    assert f"slacktide move processes start {NAME} process" in verify(moving, status=1).err
    moving.run("move", "processes", "start", NAME)
    assert verify(moving).json["new"] is True


def test_a_difference(moving):
    """An object that could not be moved is a difference: it is named, and the command says 1."""
    moving.ask("source", CODE)
    moving.ask("source", UNMAPPED)
    found = until(lambda: (said := verify(moving, status=1).json).get("verified") and said, what="the difference")
    assert (found["new"], found["verified"]["equal"], found["verified"]["different"]) == (True, False, 1)


def test_the_pass_is_not_complete(moving):
    """While the pass has ranges left it is refused, with the command that shows it."""
    with locked(moving.source, "hotel.trace"):
        moving.ask("control", UNDONE)
        assert f"slacktide move status {NAME} --watch" in verify(moving, status=1).err


def test_no_worker(moving):
    """Without a worker it is refused with the command that starts one."""
    moving.end(moving.running[0])
    assert "slacktide worker" in verify(moving, status=1).err
