"""Waiting for a downtime, in a process of its own, while the test goes on."""

from __future__ import annotations

import time

import pytest

from slacktide.control.lease import take_lease
from slacktide.control.session import start_session
from slacktide.control.setting import control_now, setting_of
from slacktide.postgres.connection import connect

OWN = ("--organization", "HOTEL")
SOON = 15  # seconds, of which a busy machine needs most to end a process; without a word it would look after a minute


@pytest.fixture
def schedule(hotel):
    """Give a function that schedules a downtime of the hotel and gives its ID."""

    def call(*arguments):
        return hotel("downtime", "schedule", *OWN, *arguments, "--reason", "x", "--json").json["id"]

    return call


@pytest.fixture
def waiting(started, hotel, database):
    """Give a function that starts waiting, and goes on when the other process listens."""

    def call(key, goal, *more):
        process = started("downtime", "wait", key, "--for", goal, *more, "--json")
        with connect(database, name="test") as connection:
            limit = time.monotonic() + 20
            while not connection.execute(LISTENS).fetchone()[0]:
                assert time.monotonic() < limit
                time.sleep(0.02)
        time.sleep(0.3)  # so that it has looked and rests
        assert process.poll() is None
        return process

    return call


LISTENS = """
select exists (select from pg_stat_activity where datname = current_database()
               and application_name = 'slacktide downtime wait: listen' and query ilike '%listen slacktide_holder%')
"""


def ends(process, within):
    """Give the exit status, which has to come within so many seconds; and how long it took."""
    start = time.monotonic()
    return process.wait(timeout=within), time.monotonic() - start


def test_started_by_the_clock(schedule, waiting, database):
    """It is woken by the boundary itself, without any message and without looking again and again."""
    key = schedule("--start", "now+PT10S", "--for", "PT1H")
    process = waiting(key, "started")
    with connect(database, name="test") as connection:
        left = (setting_of(connection, id=key).start - control_now(connection)).total_seconds()
    status, seconds = ends(process, within=left + SOON)
    assert (status, seconds > left) == (0, True)


def test_open_by_a_message(schedule, waiting, hotel):
    """It is woken when the downtime is ended."""
    key = schedule("--for", "PT1H")
    process = waiting(key, "open")
    assert hotel("downtime", "end", key, "--reason", "done").status == 0
    assert ends(process, within=SOON)[0] == 0


def test_never(schedule, waiting, hotel):
    """It ends with 1 when the downtime is cancelled while it is waited for, and at once when it is over already."""
    key = schedule("--start", "now+PT1H", "--for", "PT1H")
    process = waiting(key, "started")
    hotel("downtime", "cancel", key, "--reason", "not needed")
    assert ends(process, within=SOON)[0] == 1
    said = hotel("downtime", "wait", key, "--for", "quiet", "--json")
    assert (said.status, said.json["outcome"]) == (1, "never")


def test_quiet_when_the_last_one_goes(schedule, waiting, hotel, database):
    """It is woken when the last session goes."""
    hotel("user", "add", "ada")
    task = hotel("task", "add", *OWN, "--json").json["id"]
    with connect(database, name="test") as connection:
        session = start_session(connection, user="ada")
        take_lease(connection, session=session, task=task)
    process = waiting(schedule("--for", "PT1H", "--users", "out"), "quiet")
    hotel("session", "end", session, "--reason", "night")
    assert ends(process, within=SOON)[0] == 0


def test_timeout(schedule, hotel):
    """It ends with 75 when the time is over, and with 2 for a downtime that is not there."""
    key = schedule("--start", "now+PT1H", "--for", "PT1H")
    start = time.monotonic()
    said = hotel("downtime", "wait", key, "--for", "started", "--timeout", "PT0.5S", "--json")
    assert (said.status, said.json["outcome"], time.monotonic() - start < SOON) == (75, "timed out", True)
    assert hotel("downtime", "wait", "99", "--for", "open").status == 2
    assert hotel("downtime", "wait", key, "--for", "lunch").status == 2
    assert hotel("downtime", "wait", key, "--for", "open", "--timeout", "soon").status == 2
