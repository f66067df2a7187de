"""Workers that are really killed: everybody is told once; a repeat comes from one moment only, and has the same ID."""

from __future__ import annotations

import random
import signal
import subprocess
import sys

import pytest

from slacktide.postgres.connection import connect
from tests.notice import killed
from tests.notice.conftest import until
from tests.notice.killed import BETWEEN_SENDING_AND_NOTE, MOMENTS

USERS = 100
EXTENDED_AFTER = 3  # kills
CODES = ("SOUTH", "NORTH")


@pytest.fixture
def start(site, mailbox, hook):
    """Give a function that starts a process that plans and sends, which does not outlive the test."""
    running = []

    def call(*moment):
        command = [sys.executable, killed.__file__, site.address, str(mailbox.server.port), f"{hook.url}/hook", *moment]
        running.append(subprocess.Popen(command))
        return running[-1]

    yield call
    for process in running:
        process.kill()
        process.wait()


def ids(mailbox, address):
    """Give the Message-IDs of the mails to an address, with the text that each had."""
    return [(mail["Message-ID"], mail["text"]) for mail in mailbox.to(address)]


def all_sent(site):
    """Tell whether there are deliveries and all are sent, as another one sees it."""
    with connect(site.address, name="look") as connection:
        rows = connection.execute("select state, count(*) from slacktide.notice_delivery group by state").fetchall()
    return [state for state, _ in rows] == ["sent"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at(site, mailbox, hook, start, moment):
    """Killed at any moment, another one goes on: each is told once, between sending and note one of them twice."""
    for name in ("ada", "bob", "eve"):
        site.user(name, "SOUTH")
    site.down(start="now+PT30M")
    assert start(moment).wait(timeout=60) == -signal.SIGKILL
    start()
    until(lambda: all_sent(site))
    assert site.kinds() == ["ahead"]
    counts = {name: len(ids(mailbox, f"{name}@example.com")) for name in ("ada", "bob", "eve")}
    hooks = [headers["webhook-id"] for _, headers, _ in hook.got]
    again = int(moment in BETWEEN_SENDING_AND_NOTE)
    assert sum(counts.values()) + len(hooks) == 4 + again
    for name in counts:
        assert len(set(ids(mailbox, f"{name}@example.com"))) == 1
    assert len(set(hooks)) == 1
    repeats = site.connection.execute("select sum(repeats), max(attempts) from slacktide.notice_delivery").fetchone()
    assert repeats[0] >= again
    assert repeats[1] <= 2


def test_three_workers_killed_in_turn(site, mailbox, start):
    """Of three workers killed in turn each user hears the latest once; repeats are not more than the kills."""
    for number in range(USERS):
        site.user(f"user{number}", CODES[number % 2])
    keys = [site.down(code, start="now+PT30M") for code in CODES]
    mailbox.pause_seconds = 0.01
    workers, kills = [start() for _ in range(3)], 0
    chance = random.Random(5)  # noqa: S311 -- moments, no secrets
    while not all_settled(site):
        if kills == EXTENDED_AFTER:
            for key in keys:
                site.extend(key)
        until(enough(site, mailbox, chance.randrange(5, 25)))
        workers[kills % 3].kill()
        workers[kills % 3].wait()
        workers[kills % 3] = start()
        kills += 1
    assert kills > EXTENDED_AFTER
    told = [ids(mailbox, f"user{number}@example.com") for number in range(USERS)]
    assert mailbox.count - sum(len(set(each)) for each in told) <= kills
    for number in range(USERS):
        heads = [mail["Subject"] for mail in mailbox.to(f"user{number}@example.com")]
        assert "extended" in heads[-1]
        assert len(set(heads)) == len(set(told[number])) <= 2


def enough(site, mailbox, more):
    """Give a function that tells whether so many more mails have come, or all is done."""
    wanted = mailbox.count + more
    return lambda: mailbox.count >= wanted or all_settled(site)


def all_settled(site):
    """Tell whether all has been planned and nothing is to be sent any more."""
    with connect(site.address, name="look") as connection:
        return connection.execute(
            "select count(*) = 0 and (select count(*) from slacktide.notice where kind = 'changed') = 2 "
            "from slacktide.notice_delivery where state in ('waiting', 'sending')"
        ).fetchone()[0]
