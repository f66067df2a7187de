"""The worker and its children, as processes of the system that are really killed."""

from __future__ import annotations

import os
import signal

import pytest

from slacktide.transfer.journal import PROCESSES
from tests.cutover.moving import NAME, until


@pytest.fixture(scope="module")
def moving(small_move):
    """Give a small move that is written down; no worker runs."""
    small_move.create()
    return small_move


@pytest.fixture
def working(moving):
    """Give the move, a worker, and the pids of the four children that it keeps."""
    worker = moving.worker()
    moving.run("move", "processes", "start", NAME)
    yield moving, worker, children(moving)
    moving.end(worker)


def children(moving):
    """Wait for all four children and give their pids."""
    return until(lambda: _all_four(moving), what="the four children")


def _all_four(moving):
    pids = {process: moving.child(process) for process in PROCESSES}
    return pids if all(pids.values()) else None


def gone(pids):
    return not any(os.path.exists(f"/proc/{pid}/cmdline") and not _zombie(pid) for pid in pids)  # noqa: PTH110 -- a pid


def _zombie(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:  # noqa: PTH123 -- a pid
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_without_a_worker(moving):
    """Where no worker lives nothing would happen: starting is refused with the command that starts one."""
    said = moving.run("move", "processes", "start", NAME, accept=(1,))
    assert "slacktide worker" in said.err
    assert all(panel["state"] == "stopped" for panel in moving.status()["processes"].values())


def test_a_killed_child_is_started_again(working):
    """A child that is killed is replaced by its own worker, and the others stay."""
    moving, _, before = working
    os.kill(before["generate"], signal.SIGKILL)
    after = until(lambda: (now := _all_four(moving)) and now["generate"] != before["generate"] and now, what="generate")
    assert {name: pid for name, pid in after.items() if name != "generate"} == {
        name: pid for name, pid in before.items() if name != "generate"
    }


def test_another_worker_takes_over(working):
    """A worker that is killed leaves no child behind, and another one takes its processes over."""
    moving, worker, before = working
    worker.kill()
    worker.wait()
    until(lambda: gone(before.values()), seconds=20, what="the end of the children")
    other = moving.worker()
    after = children(moving)
    assert not set(after.values()) & set(before.values())
    moving.end(other)


def test_two_workers_share(working):
    """With two workers each process runs once: its lock decides, and nothing fails for that."""
    moving, _, before = working
    other = moving.worker()
    status = moving.status()
    assert children(moving) == before
    assert status["errors"] == []
    assert moving.end(other) == 0


def test_a_worker_ends_cleanly(working):
    """A worker that is told to end ends its children, each after what it has in hand, and says 0."""
    moving, worker, before = working
    assert moving.end(worker) == 0
    assert gone(before.values())
    said = {panel["waits_for"] for panel in moving.status()["processes"].values()}
    assert said == {"a worker"}
