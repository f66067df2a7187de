"""The loop of a worker, as a process of the system's own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.clock import TOLD_SECONDS
from tests.notice.conftest import SECRET, until

ALIVE = """
select count(*) from pg_stat_activity
where datname = current_database() and application_name = 'slacktide plan_notices'
"""


@pytest.fixture
def worker(site):
    """Give a function that starts the loop with an environment, which does not outlive the test."""
    running = []

    def start(**environment):
        command = [sys.executable, "-m", "slacktide.worker.notice"]
        facts = os.environ | {"SLACKTIDE_DATABASE_URL": site.address} | environment
        pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE}
        running.append(subprocess.Popen(command, env=facts, text=True, **pipes))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stderr):
            pipe.close()


def configured(mailbox, hook):
    return {
        "SLACKTIDE_MAIL_URL": f"smtp://127.0.0.1:{mailbox.server.port}",
        "SLACKTIDE_MAIL_FROM": "tide@example.com",
        "SLACKTIDE_WEBHOOK_URL": f"{hook.url}/hook",
        "SLACKTIDE_WEBHOOK_SECRET": SECRET,
    }


def test_told_by_itself(site, mailbox, hook, worker):
    """With two workers a downtime is announced, started and ended by itself, to mail and webhook, once each."""
    site.user("ada", "SOUTH")
    workers = [worker(**configured(mailbox, hook)) for _ in range(2)]
    until(lambda: site.connection.execute(ALIVE).fetchone()[0] == len(workers))
    site.down(start="now+PT5S", duration="PT2S")
    until(lambda: len(hook.got) == 3 and mailbox.count == 3)
    assert site.kinds() == ["ahead", "started", "ended"]
    delays = site.connection.execute(
        "select extract(epoch from planned_at - case kind when 'started' then starts_at else ends_at end)::float8 "
        "from slacktide.notice n join slacktide.notice_subject s on s.id = n.subject_id where n.kind <> 'ahead'"
    ).fetchall()
    assert all(0 <= delay < TOLD_SECONDS for (delay,) in delays)
    for process in workers:
        process.terminate()
        assert process.wait(20) == 0


def test_its_worker_is_gone(worker):
    """It ends when its input closes."""
    process = worker()
    process.stdin.close()
    assert process.wait(20) == 0


def test_wrong_configuration(site, worker):
    """What is configured wrongly is said, without the password, and the notices are planned all the same."""
    site.user("ada", "SOUTH")
    site.down(start="now+PT1H")
    process = worker(SLACKTIDE_MAIL_URL="smtp://ada:hush@mail", SLACKTIDE_MAIL_FROM="tide@example.com")
    until(lambda: site.states() == {("ahead", "ada"): "not configured"})
    process.terminate()
    _, said = process.communicate(timeout=20)
    assert "SLACKTIDE_MAIL_URL contains a password" in said
    assert "hush" not in said
