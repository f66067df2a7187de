"""Who acts is asked again when something is changed: what held when the request came may hold no more."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager

import pytest

from slacktide.control.lease import leases_of
from slacktide.control.session import end_session, list_sessions
from slacktide.control.user import Change, change_user
from slacktide.postgres.connection import connect
from tests.server.pages.conftest import WHO

ACTS = {
    "/parameters/disable_user_access/new": {"level": "site", "value": "N"},
    "/holders": {"what": "lease"},
    "/held": {},
    "/downtimes/new": {"scope": "site", "length": "until_ended"},
}


def disabled(connection, _):
    """Take away all that ada may do."""
    change_user(connection, name="ada", change=Change(disabled=True), **WHO)


def session_ended(connection, session):
    """End her session."""
    end_session(connection, id=session, **WHO)


def no_administrator(connection, _):
    """Make her a normal user."""
    change_user(connection, name="ada", change=Change(admin=False), **WHO)


@pytest.fixture
def waits(control, soon):
    """Give a function that waits until the site waits for a lock, or has answered."""
    waiting = """
        select from pg_stat_activity
        where datname = current_database() and application_name = 'slacktide site' and wait_event_type = 'Lock'
    """

    def wait(asking):
        soon(lambda: not asking.is_alive() or control.execute(waiting).fetchone() is not None)

    return wait


@pytest.fixture
def asked_while(database, control, waits):
    """Give a function that has something happen between the moment that a request is judged and that it acts."""

    @contextmanager
    def held(statement, *facts):
        with connect(database, name="test holds") as connection, connection.transaction():
            connection.execute(statement, facts)
            yield connection

    def ask(browser, path, form, happens):
        answers, session = [], next(one.id for one in list_sessions(control) if one.user == "ada")
        asking = threading.Thread(target=lambda: answers.append(browser.post(path, **form)))
        with held("select from slacktide.session where id = %s for update", "0") as second:
            with held("lock table slacktide.app_user in access exclusive mode"):
                asking.start()
                waits(asking)  # its session was found, and its role comes next
                second.execute("select from slacktide.session where id = %s for update", [session])
            waits(asking)  # it was judged, and waits for its session to act in
            happens(second, session)
        asking.join()
        return answers[0]

    return ask


CASES = [(path, disabled) for path in ACTS] + [("/holders", happens) for happens in (session_ended, no_administrator)]


@pytest.mark.parametrize(("path", "happens"), CASES)
def test_between_the_judgement_and_the_act(browser, tasks, asked_while, control, path, happens):
    """An administrator who is none any more, or whose session has ended, changes nothing by what was judged before."""
    grace, ada = browser("grace"), browser("ada")
    grace.post(f"/task/{tasks[0]}/open")
    ada.token()
    before = leases_of(control, user="grace")
    form = {"id": before[0].id, "reason": "mine", "confirm": "1"} if path != "/held" else {}
    assert asked_while(ada, path, form | ACTS[path], happens).status in {400, 403}
    assert leases_of(control, user="grace") == before
    assert control.execute("select from slacktide.setting").fetchall() == []
    assert control.execute("select from slacktide.audit where who = 'ada'").fetchall() == []


@pytest.mark.parametrize("happens", [disabled, session_ended, no_administrator])
def test_a_transaction_goes_on(browser, clerk, asked_while, happens):
    """So is nobody's transaction ended by who may not any more, which nothing would bring back."""
    ada = browser("ada")
    found = re.search(r'value="transaction"><input type="hidden" name="id" value="([^"]+)"', ada.get("/holders").text)
    form = {"what": "transaction", "id": found[1], "reason": "mine"}
    assert asked_while(ada, "/holders", form, happens).status in {400, 403}
    assert clerk.execute("select 1").fetchone() == (1,)
