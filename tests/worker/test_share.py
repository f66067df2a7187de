"""Which worker starts which process: shares, claims, places, and what happens when one of them hangs."""

from __future__ import annotations

import pytest

from slacktide.postgres.connection import connect
from slacktide.transfer.journal import DOWN_TIME, PROCESSES
from slacktide.worker import presence, share
from tests.cutover.moving import until
from tests.transfer.moved import control_database

WANTED = [(move, process) for move in ("one", "two") for process in PROCESSES]
MOVE = """
insert into slacktide.move (name, plan, plan_text, property, target_property, source, target, spool)
values (%s, '', '', 'P', 'P', '', '', '') returning move_id
"""
WANT = "insert into slacktide.move_process (move_id, process, wanted) values (%s, %s, 'running')"

LIVES = "select 1 from pg_stat_activity where pid = %s"


@pytest.fixture
def address(server):
    """Give a control database in which the processes of two moves are wanted."""
    address = control_database(server)
    with connect(address, name="test") as control:
        for name in ("one", "two"):
            (move_id,) = control.execute(MOVE, [name]).fetchone()
            for process in PROCESSES:
                control.execute(WANT, [move_id, process])
    return address


@pytest.fixture
def workers(address):
    """Give the shares of two workers that live, each able to carry both moves."""
    connections = [connect(address, name="worker") for _ in range(2)]
    for connection in connections:
        presence.live(connection)
    yield [share.Share(connection, most_moves=2) for connection in connections]
    for connection in connections:
        connection.close()


def test_each_takes_its_share(workers):
    """Two workers that hear of eight processes take four each, and none of them both."""
    first, second = (worker.choose(WANTED, carried=0) for worker in workers)
    assert len(first) == len(second) == 4
    assert sorted([*first, *second]) == sorted(WANTED)


def test_the_dead_leave_theirs(address, workers):
    """What a worker that died had claimed is the other one's to start, at once."""
    mine = workers[0].choose(WANTED, carried=0)
    with connect(address, name="worker") as other:
        presence.live(other)
        assert not set(share.Share(other, most_moves=2).choose(WANTED, carried=0)) & set(mine)
        number = other.info.backend_pid
    with connect(address, name="look") as look:  # a session ends some time after its client has left
        until(lambda: look.execute(LIVES, [number]).fetchone() is None, what="the end of the session")
    rest = workers[1].choose([key for key in WANTED if key not in mine], carried=0)
    assert sorted([*mine, *rest]) == sorted(WANTED)


def test_one_hangs(workers, monkeypatch):
    """What a worker claimed and does not start is started by the other one after a while, though it is claimed."""
    monkeypatch.setattr(share, "_PATIENCE_SECONDS", 0.0)
    hung = workers[0].choose(WANTED, carried=0)
    rest = [key for key in WANTED if key not in hung]
    assert workers[1].choose(WANTED, carried=0) == rest
    assert set(hung) <= set(workers[1].choose(WANTED, carried=0))


def test_no_free_place(address):
    """A worker carries no more than it may, and the rest waits; a down time never does."""
    with connect(address, name="worker") as connection:
        presence.live(connection)
        alone = share.Share(connection, most_moves=1)
        assert alone.choose(WANTED, carried=0) == WANTED[:4]
        assert alone.choose([*WANTED[4:], ("one", DOWN_TIME)], carried=4) == [("one", DOWN_TIME)]
        assert alone.choose(WANTED[4:], carried=3) == WANTED[4:5]
