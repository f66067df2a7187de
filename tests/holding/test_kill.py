"""Processes that are really killed: nothing is lost, nothing is done twice, and the order stays."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from slacktide.control.organization import add_organization
from slacktide.holding import sample, store
from tests.clock import TOLD_SECONDS
from tests.holding import killed
from tests.holding.killed import MOMENTS

WHO = {"who": "tester", "reason": "a test"}
ITEMS = 1000
CODES = [f"ORG{number}" for number in range(10)]


def start(site, *moment):
    return subprocess.Popen([sys.executable, killed.__file__, site.address, *moment])


def start_worker(site):
    """Start the release as a worker does: its input closes when the worker is gone."""
    environment = os.environ | {"SLACKTIDE_DATABASE_URL": site.address}
    return subprocess.Popen([sys.executable, "-m", "slacktide.worker.release"], stdin=subprocess.PIPE, env=environment)


def until(holds, *, seconds=60.0):
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() - begun < seconds
        time.sleep(0.02)


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at(site, releaser, moment):
    """A releaser that is killed between any two steps leaves every invoice written and imported once, in order."""
    numbers = ["3", "1", "2"]
    site.arrive(*numbers, imported=True)
    process = start(site, moment)
    assert process.wait(timeout=60) == -signal.SIGKILL
    until(lambda: store.try_own(site.control, organization="SOUTH"))
    store.disown(site.control, organization="SOUTH")

    def done():
        releaser.release("SOUTH")
        sample.run_importer(site.erp)
        store.check_now(site.control)
        return site.states() == ["done"] * 6

    until(done)
    assert (site.written(), site.imported()) == (numbers, numbers)
    assert site.erp.execute("select count(*) from ledger.request").fetchone() == (3,)
    assert site.control.execute("select max(attempts) from slacktide.held_item").fetchone() == (0,)


def test_three_workers_killed_in_turn(site):
    """1,000 held items of 10 organizations go on once each and in order, the first at once, none early."""
    for code in CODES:
        add_organization(site.control, code=code, **WHO)
    downtime = site.down(None, end="now+PT1H")
    with site.control.transaction():
        for number, code in itertools.product(range(ITEMS // 10), CODES):
            site.arrive(f"{number:03}", organization=code)
    workers = [start_worker(site) for _ in range(3)]
    try:
        until(lambda: all((queue := site.queue(code)) and queue.kind == "hold" for code in CODES))
        site.extend(downtime, "PT1H")
        time.sleep(1)
        assert site.erp.execute("select count(*) from payables.invoice_header").fetchone() == (0,)
        site.end(downtime)
        kill_in_turn(site, workers, seed=1)
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
    for code in CODES:
        assert site.written(code) == [f"{number:03}" for number in range(100)]
    (end,) = site.control.execute("select ends_at from slacktide.setting where id = %s", [downtime]).fetchone()
    firsts = site.erp.execute("select extract(epoch from min(written_at) - %s)::float8 from payables.invoice_header "
                              "group by organization order by 1", [end]).fetchall()  # fmt: skip
    assert 0 <= firsts[0][0] < TOLD_SECONDS


def kill_in_turn(site, workers, *, seed):
    """Kill one worker after the other, each time after some more items, until everything is written."""
    chance = random.Random(seed)  # noqa: S311 -- moments, no secrets
    kills = 0
    while (before := count(site)) < ITEMS:
        wanted = min(ITEMS, before + chance.randrange(20, 120))
        until(lambda: count(site) >= wanted)  # noqa: B023 -- asked before it changes
        workers[kills % 3].kill()
        workers[kills % 3].communicate()
        workers[kills % 3] = start_worker(site)
        kills += 1
    until(lambda: set(site.states()) == {"done"})
    assert kills > 6


def count(site):
    return site.erp.execute("select count(*) from payables.invoice_header").fetchone()[0]
