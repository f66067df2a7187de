"""What a wave does for a move, and what it leaves alone, without a worker."""

from __future__ import annotations

import threading
from datetime import date

import pytest

from slacktide.control.downtime import Wish, downtimes_in_effect, end_downtime, schedule_downtime
from slacktide.cutover import wave, wave_move
from slacktide.cutover.precondition import WAIVABLE
from slacktide.cutover.wave_move import advance
from slacktide.postgres.connection import connect
from slacktide.transfer.journal import PROCESSES, Journal
from slacktide.transfer.prepare import drop_slots
from tests.cutover.moving import until
from tests.transfer.moved import moving as a_small_move

LIVES = "select 1 from pg_stat_activity where pid = %s"
AGAIN = "update slacktide.wave_move set looked_at = null"
PASSED = """
insert into slacktide.pass_range (move_id, incarnation, ordinal, entity, absence, objects, batch)
select move_id, incarnation, 1, 'guest', false, 1, 1 from slacktide.move
"""
CASHIER_OPENS = "update hotel.cashier set open_since = now() where property_code = 'RESORT' and cashier_no = 1"
CASHIERS_CLOSE = """
update hotel.cashier set open_since = null where property_code = 'RESORT';
update hotel.card_batch set settled_at = now() where property_code = 'RESORT' and settled_at is null
"""
WAITS = """
select 1 from pg_stat_activity
where datname = current_database() and application_name = 'slacktide worker' and wait_event_type = 'Lock'
"""


@pytest.fixture
def moving(server, tmp_path):
    """Give a small move that is in a wave, which is started."""
    made = a_small_move(server, tmp_path)
    wave.create(made.control, name="first", moves={"resort": None}, who="test", reason="")
    start(made)
    yield made
    drop_slots(made.source, move="resort")
    made.close()


def start(made):
    wave.start(made.control, name="first", waived=dict.fromkeys(WAIVABLE, "Ada"), gos={}, who="test", reason="",
               business_date=date(2016, 8, 15))  # fmt: skip


def line(moving):
    return wave.board(moving.control, name="first")[0]


def wanted(moving):
    rows = moving.control.execute("select process from slacktide.move_process where wanted = 'running'")
    return {process for (process,) in rows.fetchall()}


def look(moving, times=1):
    """Have a worker look at the move so often."""
    for _ in range(times):
        moving.control.execute(AGAIN)
        advance(moving.control)


def in_its_window(moving):
    """Have the move be steady, and in a window in which everything holds."""
    look(moving)
    moving.control.execute(PASSED)
    moving.source.execute(CASHIERS_CLOSE)
    schedule_downtime(moving.control, wish=Wish(duration="PT1H", users="out"), organizations=["RESORT"], who="test",
                      reason="the window")  # fmt: skip


def stop_by_hand(moving):
    """Stop the processes, as an operator does."""
    for process in PROCESSES:
        Journal(moving.control, move_id=moving.move.move_id).want(process, running=False)


def begun(moving):
    """Count the down times that were started."""
    return moving.control.execute("select count(*) from slacktide.procedure").fetchone()[0]


def look_while_it_stops(moving):
    """Have a worker look at the move, and stop the wave when it has read that the wave is started."""
    moving.control.execute(AGAIN)
    with connect(moving.control_address, name="worker") as worker:
        looking = threading.Thread(target=advance, args=[worker])
        with moving.control.transaction():
            wave.stop(moving.control, name="first", who="test", reason="")
            looking.start()
            with connect(moving.control_address, name="test") as other:
                until(lambda: not looking.is_alive() or other.execute(WAITS).fetchone(), what="the worker")
        looking.join()


def test_it_begins(moving):
    """A move is prepared and its processes are wanted, in the name of who started the wave; a worker is missing."""
    assert advance(moving.control) == 1
    assert wanted(moving) == {*PROCESSES}
    assert line(moving).state == "waits for a free place on a worker"
    trail = "select who, reason from slacktide.audit where what = 'move processes start'"
    assert moving.control.execute(trail).fetchall() == [("test", "wave first: ")]


def test_somebody_has_it_in_hand(moving):
    """A move at which another worker looks is left to that one; when it dies, the next one goes on."""
    key = [wave_move._CLASS, moving.move.move_id]  # noqa: SLF001 -- what another worker would hold
    with connect(moving.control_address, name="worker") as other:
        other.execute("select pg_advisory_lock(%s, %s)", key)
        assert advance(moving.control) == 0
        assert wanted(moving) == set()
        number = other.info.backend_pid
    until(lambda: moving.control.execute(LIVES, [number]).fetchone() is None, what="the end of its session")
    assert advance(moving.control) == 1


def test_no_connection_is_left(moving, monkeypatch):
    """Where the source has too few connections left the move waits, says so, and nothing was put there."""
    monkeypatch.setattr(wave_move, "_CONNECTIONS", 100_000)
    advance(moving.control)
    assert "waits for connections at the source" in line(moving).state
    assert wanted(moving) == set()
    assert moving.source.execute("select count(*) from pg_publication").fetchone() == (0,)


def test_slots_are_reserved(moving, monkeypatch):
    """A move that has begun and has no slot yet counts: one more is not begun on the room that it will take."""
    advance(moving.control)
    (system,) = moving.control.execute("select source_system from slacktide.wave_move").fetchone()
    assert moving.control.execute(wave.STATEMENTS["reserved"], {"system": system}).fetchone() == (1,)
    (free, _) = moving.source.execute(wave.STATEMENTS["free_connections"]).fetchone()
    monkeypatch.setattr(wave_move, "_CONNECTIONS", free // 2 + 1)
    _, lacking = wave_move._room(moving.control, moving.move)  # noqa: SLF001 -- what decides
    assert "waits for connections" in str(lacking)


def test_a_source_is_away(moving):
    """A database that cannot be reached is said, and tried again; the move goes on when it answers."""
    there = moving.move.source
    moving.control.execute("update slacktide.move set source = 'postgresql://nobody@127.0.0.1:1/none'")
    advance(moving.control)
    seen = line(moving)
    assert (seen.state, seen.next) == ("cannot start", "slacktide move downtime check resort")
    assert "127.0.0.1" in seen.error
    moving.control.execute("update slacktide.move set source = %s", [there])
    moving.control.execute(AGAIN)
    advance(moving.control)
    assert wanted(moving) == {*PROCESSES}


def test_a_process_that_ended(moving):
    """A process that failed stops the move with its reason, until the wave is started again."""
    advance(moving.control)
    Journal(moving.control, move_id=moving.move.move_id, process="generate").fail("the table is another one")
    moving.control.execute(AGAIN)
    advance(moving.control)
    seen = line(moving)
    assert (seen.state, seen.next) == ("stopped", "slacktide wave start first")
    assert "generate: the table is another one" in seen.error
    moving.control.execute(AGAIN)
    assert advance(moving.control) == 0
    start(moving)
    assert advance(moving.control) == 1


def test_stopped(moving):
    """In a wave that is stopped nothing begins."""
    wave.stop(moving.control, name="first", who="test", reason="")
    assert advance(moving.control) == 0
    assert line(moving).state == "not started"


def test_stopped_while_it_is_prepared(moving):
    """A wave that is stopped while a worker prepares a move: its processes are not started any more."""
    look_while_it_stops(moving)
    assert wanted(moving) == set()
    assert (line(moving).state, line(moving).error) == ("not started", None)


def test_stopped_while_the_preconditions_are_looked_at(moving):
    """A wave that is stopped while a worker looks whether all holds: nothing goes down once that was said."""
    in_its_window(moving)
    stop_by_hand(moving)  # so that stopping the wave changes nothing but the wave
    look_while_it_stops(moving)
    assert begun(moving) == 0
    start(moving)
    look(moving)
    assert begun(moving) == 1


@pytest.mark.parametrize("stopped", [2, len(PROCESSES)])
def test_its_window_ends(moving, stopped):
    """Where the window ends before the down time begins, the processes that the wave has stopped run again."""
    in_its_window(moving)
    look(moving, stopped)
    assert wanted(moving) == {*PROCESSES[stopped:]}
    (downtime,) = downtimes_in_effect(moving.control, organization="RESORT")
    end_downtime(moving.control, id=downtime.id, who="test", reason="it was too short")
    look(moving)
    assert wanted(moving) == {*PROCESSES}
    look(moving)
    assert line(moving).state == "waits for a free place on a worker"
    trail = "select after from slacktide.audit where what = 'move processes start' order by id desc limit 1"
    (after,) = moving.control.execute(trail).fetchone()
    assert after == {"processes": [*PROCESSES[:stopped]], "wave": "first"}


def test_something_fails_when_they_are_stopped(moving):
    """What does not hold any more once the processes are stopped has them run again; mended, it goes down."""
    in_its_window(moving)
    look(moving, 2)
    moving.source.execute(CASHIER_OPENS)
    look(moving, len(PROCESSES) - 1)
    assert wanted(moving) == {*PROCESSES}
    look(moving)
    assert (line(moving).state, wanted(moving)) == ("cannot start", {*PROCESSES})
    assert "cashiers" in line(moving).error
    moving.source.execute(CASHIERS_CLOSE)
    look(moving, len(PROCESSES) + 1)
    assert (begun(moving), wanted(moving)) == (1, {"down time"})


def test_the_wave_is_stopped_when_they_are_stopped(moving):
    """A wave that is stopped in a window has the processes run again that it has stopped, in the name of who did it."""
    in_its_window(moving)
    look(moving, len(PROCESSES))
    wave.stop(moving.control, name="first", who="Ada", reason="another night")
    assert wanted(moving) == {*PROCESSES}
    trail = "select who, reason from slacktide.audit where what = 'move processes start' order by id desc limit 1"
    assert moving.control.execute(trail).fetchone() == ("Ada", "another night")


def test_stopped_by_hand(moving):
    """Processes that an operator has stopped stay so outside the window, and the board says it."""
    look(moving)
    moving.control.execute(PASSED)
    stop_by_hand(moving)
    look(moving)
    assert (line(moving).state, wanted(moving)) == ("stopped; waits for its window", set())
