"""People at work, as the tests of tasks, sessions and leases set them up."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from slacktide.control.downtime import Wish, schedule_downtime
from slacktide.control.lease import take_lease
from slacktide.control.quiet import people
from slacktide.control.schedule import known_of
from slacktide.control.session import start_session
from slacktide.control.setting import control_now
from slacktide.control.setting_change import Times, Whose, add_setting
from slacktide.control.task import add_task
from slacktide.control.user import Change, add_user

WHO = {"who": "tester", "reason": "a test"}


@dataclass
class Office:
    """A control database with people in it."""

    connection: Any

    def user(self, name="ada", *, admin=False):
        """Add a user; give a session of it."""
        add_user(self.connection, name=name, change=Change(admin=admin, organizations={"HOTEL": "user"}), **WHO)
        return self.session(name)

    def session(self, name="ada", **more):
        return start_session(self.connection, user=name, **more)

    def task(self, organization="HOTEL"):
        return add_task(self.connection, organization=organization, **WHO).id

    def take(self, session, task):
        return take_lease(self.connection, session=session, task=task)

    def down(self, *codes, **wish):
        """Schedule a downtime of organizations, or of the site; give its ID."""
        wish = {"duration": "PT1H"} | wish if not {"end", "until_ended"} & set(wish) else wish
        facts = {"wish": Wish(**wish), "site": not codes, "organizations": codes}
        return schedule_downtime(self.connection, **facts, **WHO).downtimes[0]["id"]

    def set(self, parameter, value, organization="HOTEL", start=None):
        whose = Whose(organization=organization)
        add_setting(self.connection, parameter=parameter, value=value, whose=whose, times=Times(start=start), **WHO)

    def age(self, statement, *values):
        """Make something older than it is, past the triggers."""
        with self.connection.transaction():
            self.connection.execute("set local session_replication_role = replica")
            self.connection.execute(statement, values)

    def left(self, organization="HOTEL"):
        """Give how many leases and sessions are waited for, and whether that is settled."""
        known, now = known_of(self.connection), control_now(self.connection)
        found = people(self.connection, organization=organization, known=known, now=now)
        return len(found.leases), len(found.waited_for), found.settled


def at_once(*calls):
    """Call several functions at once, each in a thread of its own; give what each gave, or raised."""
    ready, answers = threading.Barrier(len(calls)), [None] * len(calls)

    def one(number, call):
        ready.wait()
        try:
            answers[number] = call()
        except Exception as error:  # noqa: BLE001 -- it is the answer
            answers[number] = error

    threads = [threading.Thread(target=one, args=each) for each in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers
