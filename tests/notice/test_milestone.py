"""The milestones of a down time are told once, to administrators and the webhook, whoever looks and whoever dies."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from datetime import timedelta
from importlib import resources

import pytest

from slacktide.control.downtime import end_downtime
from slacktide.control.setting import control_now
from slacktide.cutover import milestone
from slacktide.cutover.attempt import Event
from slacktide.cutover.record import Record
from slacktide.postgres.connection import connect
from slacktide.transfer.move import create_move
from tests.control.working import at_once
from tests.notice.conftest import BOTH, send_all

STEPS = ["closing", "quiet", "final_synchronization", "counters", "verify", "resync_inventory", "ready_to_open",
         "hand_over"]  # fmt: skip
KILLED = """
import os, signal, sys
from slacktide.cutover import milestone
from slacktide.notice import store
from slacktide.postgres.connection import connect
tell = store.tell_milestone
def dying(*arguments, **named):
    tell(*arguments, **named)
    os.kill(os.getpid(), signal.SIGKILL)
store.tell_milestone = dying
with connect(sys.argv[1], name="killed") as connection:
    milestone.tell(connection, configured={"mail": True, "webhook": True})
"""


class Night:
    """The record of a down time, as the procedure writes it."""

    def __init__(self, site):
        plan = resources.files("slacktide.hotel").joinpath("plan.yaml").read_text()
        facts = {"plan_file": "hotel", "plan_text": plan, "spool": "", "source": "", "target": ""}
        self.site = site
        self.move = create_move(site.connection, name="m", property="SOUTH", target_property="SOUTH", **facts)
        self.record = Record(site.connection, move_id=self.move.move_id, move="m")
        self.downtime = site.down(users="out", start="now+PT1H")

    def begin(self):
        steps = [(step, step) for step in STEPS]
        today = control_now(self.site.connection).date()
        self.record.begin(steps=steps, waived={}, gos={}, downtime_id=self.downtime, business_date=today, open_by=None,
                          who="ada", reason="the move")  # fmt: skip

    def done(self, *steps):
        for step in steps:
            self.record.set_step(step, state="done")

    def told(self, *, after=None):
        """Look, now or so much later, and give which milestones were told by that."""
        at = after and control_now(self.site.connection) + after
        milestone.tell(self.site.connection, configured=BOTH, at=at)
        return self.new()

    def new(self):
        rows = self.site.connection.execute("select milestone from slacktide.milestone order by at, key").fetchall()
        found = [name for (name,) in rows]
        before, self.before = getattr(self, "before", []), found
        return found[len(before) :]


@pytest.fixture
def night(site):
    """Give a move of SOUTH whose downtime is scheduled; ada administers SOUTH, bob works there, and root everywhere."""
    site.user("bob", "SOUTH")
    site.user("ada")
    site.change_user("ada", organizations={"SOUTH": "administrator"})
    site.user("root", admin=True)
    return Night(site)


def test_each_in_its_order(night):
    """Each milestone is told when it is reached, in order, once; so are a second pause and a failure."""
    assert night.told() == ["scheduled"]
    night.begin()
    assert night.told() == ["closing"]
    night.done("closing", "quiet")
    assert night.told() == ["closed"]
    night.record.happen(Event.PAUSE)
    night.record.happen(Event.STOP)
    assert night.told() == ["paused"]
    night.record.happen(Event.RESUME)
    night.record.happen(Event.FAIL, error="Failing row contains (Mrs Guest)")
    assert night.told() == ["failed"]
    night.record.happen(Event.RESUME)
    night.done("final_synchronization", "counters")
    assert night.told() == ["half"]
    night.record.void()
    night.done("final_synchronization", "counters", "verify", "resync_inventory")
    assert night.told() == ["verified", "ready"]
    night.record.happen(Event.PAUSE)
    night.record.happen(Event.STOP)
    assert night.told() == ["paused"]
    night.record.happen(Event.RESUME)
    night.record.happen(Event.HAND_OVER)
    night.record.happen(Event.OPEN)
    assert night.told() == ["open"]
    assert night.told() == []
    assert not night.site.connection.execute(
        "select from slacktide.notice where content::text like '%Guest%'"
    ).fetchall()


def test_given_up(night):
    """Abandoned, it is told once the source is open, and not before; the next attempt's milestones are its own."""
    night.begin()
    assert night.told() == ["scheduled", "closing"]
    night.record.happen(Event.ABANDON)
    assert night.told() == []
    night.site.connection.execute("update slacktide.procedure set source_opened_at = clock_timestamp()")
    assert night.told() == ["abandoned"]
    night.record.happen(Event.CLEAR)
    night.begin()
    assert night.told() == ["closing"]


def test_given_up_when_it_was_open(night):
    """Open, told, and given up all the same: that is told too, and nothing between the two; kept open, nothing is."""
    night.downtime = night.site.down(users="out")  # which has begun
    night.begin()
    night.told()
    night.record.happen(Event.HAND_OVER)
    end_downtime(night.site.connection, id=night.downtime, who="ada", reason="open")
    night.record.happen(Event.OPEN)
    assert night.told() == ["open"]
    night.record.happen(Event.WITHDRAW)
    assert night.told() == []
    night.record.happen(Event.KEEP)
    assert night.told() == []
    night.record.happen(Event.WITHDRAW)
    night.record.happen(Event.ABANDON)
    assert night.told() == []
    night.site.connection.execute("update slacktide.procedure set source_opened_at = clock_timestamp()")
    assert night.told() == ["abandoned"]
    night.record.happen(Event.CLEAR)
    assert night.told() == []


def test_the_hand_over_fails(night, mailbox, postman):
    """A hand over that failed is told, each time that it does: nobody can write, and nobody goes on by himself."""
    night.begin()
    night.record.happen(Event.HAND_OVER)
    assert night.told() == ["scheduled", "closing"]
    for _ in range(2):
        night.record.happen(Event.FAIL, error="Failing row contains (Mrs Guest)")
        assert night.told() == ["failed"]
        assert night.told() == []
        night.record.happen(Event.RESUME)
        assert night.told() == []
    night.record.happen(Event.OPEN)
    assert night.told() == ["open"]
    send_all(postman)
    told = [mail["text"] for mail in mailbox.to("ada@example.com") if "FAILED" in mail["Subject"]]
    assert ["it can be resumed, but not abandoned" in text for text in told] == [True, True]


def test_the_planned_end_passes(night):
    """When the planned end passes while it goes on, the operator is told; extended, and passed again, once more."""
    night.begin()
    night.told()
    planned = timedelta(hours=2, minutes=1)
    assert night.told(after=planned) == ["overdue"]
    assert night.told(after=planned) == []
    night.site.extend(night.downtime)
    assert night.told(after=planned) == []
    assert night.told(after=planned + timedelta(hours=1)) == ["overdue"]
    night.record.happen(Event.HAND_OVER)
    night.record.happen(Event.OPEN)
    assert night.told() == ["open"]


def test_whoever_looks_and_dies(night):
    """Three look at once, and one was killed just before its commit: each milestone has one notice."""
    site = night.site
    night.begin()
    night.done("closing", "quiet")
    killed = subprocess.run([sys.executable, "-c", KILLED, site.address], check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert night.new() == []

    def look():
        with connect(site.address, name="look") as connection:
            return milestone.tell(connection, configured=BOTH)

    told = at_once(look, look, look)
    assert sorted(key for each in told for key in each) == ["1 closed", "1 closing", f"scheduled {night.downtime}"]
    assert site.kinds() == ["milestone"] * 3


def test_whom_it_reaches(night, mailbox, postman, hook, caller):
    """Administrators of the property and of the site get a mail, users none; the webhook gets a signed document."""
    night.begin()
    night.record.happen(Event.FAIL)
    assert night.told() == ["scheduled", "closing", "failed"]
    send_all(postman)
    send_all(caller)
    assert [len(mailbox.to(f"{name}@example.com")) for name in ("ada", "bob", "root")] == [3, 0, 3]
    failed = mailbox.to("ada@example.com")[-1]
    assert failed["Subject"] == "SOUTH: the down time has FAILED in a step, and both sides stay closed"
    assert "See what to do: slacktide move status m; then slacktide move downtime resume m" in failed["text"]
    document = json.loads(hook.got[-1][2])
    assert document["type"] == "move.failed"
    assert document["data"].items() >= {"move": "m", "organization": "SOUTH", "milestone": "failed"}.items()
    assert hook.got[-1][1]["webhook-signature"].startswith("v1,")
