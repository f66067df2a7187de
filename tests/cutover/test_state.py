from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from slacktide.control.downtime import Wish, schedule_downtime
from slacktide.control.organization import add_organization
from slacktide.core.errors import ExitStatus
from slacktide.cutover import state as held_up
from slacktide.cutover.state import measure, places
from slacktide.downtime.schedule import UnknownOrganization
from slacktide.guard import closing
from slacktide.guard.install import install
from slacktide.guard.table import GuardedTable
from slacktide.postgres.connection import connect
from slacktide.transfer.move import Move
from tests.migrated import migrate

WHO = {"who": "tester", "reason": "a test"}
TABLE = GuardedTable(schema="public", table="stay", organization="r.code")
_number = itertools.count(1)


@pytest.fixture
def control(database):
    """Give a connection to a control database with the organization HOTEL."""
    migrate(address=database)
    with connect(database, name="test") as connection:
        add_organization(connection, code="HOTEL", **WHO)
        yield connection


@pytest.fixture
def guarded(server, database):
    """Give a maker of guarded databases: the owner's connection and the address."""
    opened = []

    def make():
        name = f"{Path(database.partition('?')[0]).name}_{next(_number)}"
        server.create_database(name)
        connection = connect(server.address(name), name="owner")
        opened.append(connection)
        connection.execute("create table public.stay (code text)")
        install(connection, tables=[TABLE])
        return connection, server.address(name)

    yield make
    for connection in opened:
        connection.close()


@pytest.fixture
def source(guarded):
    return guarded()


@pytest.fixture
def target(guarded):
    return guarded()


@pytest.fixture
def ask(control, source, target):
    """Give a function that measures the databases of a move, or of several, and gives a state word."""

    def call(organization="HOTEL", moves=None, **facts):
        measured = measure(places(moves or [a_move(1, source[1], target[1])]))
        return held_up.state(control, organization=organization, measured=measured, **facts)

    return call


def a_move(number, source, target):
    texts = {"plan_file": "", "plan_text": "", "property_code": "HOTEL", "target_property": "NEW", "spool": "",
             "organization": "HOTEL"}  # fmt: skip
    facts = {"task": 1, "state": "created", "configured_at": None, "facts": {}}
    return Move(move_id=number, name=f"move{number}", source=source, target=target, **texts, **facts)


def down(control):
    wish = Wish(until_ended=True)
    schedule_downtime(control, wish=wish, organizations=["HOTEL"], **WHO)


def test_without_a_downtime(ask):
    """An organization that is guarded and not closed is open."""
    assert ask().state == "open"
    assert ask(organization=None).state == "open"
    with pytest.raises(UnknownOrganization):
        ask(organization="NONE")


def test_a_downtime_alone_is_not_quiet(ask, control):
    """As long as the guard is open somebody may write, so that nobody writing now is not quiet."""
    down(control)
    assert ask().state == "closing"
    assert ask().holders.transactions == 0


def test_quiet_is_what_the_guard_recorded(ask, source):
    """A durable closing counts without a downtime, and is quiet when the guard says so."""
    closing.begin_closing(source[0], organization="HOTEL")
    assert (ask().state, ask().exit_status) == ("closing", ExitStatus.HELD)
    assert closing.try_quiet(source[0], organization="HOTEL")
    assert ask().state == "quiet"
    closing.begin_verifying(source[0], organization="HOTEL")
    assert ask().state == "verifying"


def test_an_unreachable_database_is_not_quiet(ask, control, source):
    """Where a database did not answer, somebody may write there; it is named without its password."""
    down(control)
    closing.begin_closing(source[0], organization="HOTEL")
    assert closing.try_quiet(source[0], organization="HOTEL")
    gone = "postgresql://x:secret@127.0.0.1:1/gone"
    assert ask(moves=[a_move(1, source[1], gone)]).state == "closing"
    (unseen,) = measure(places([a_move(1, gone, gone)])).unseen
    assert "secret" not in unseen.address + unseen.reason


def test_a_prepared_target_closes_nothing(ask, target):
    """A target that waits for its data leaves the organization open where it lives."""
    closing.prepare_target(target[0], organization="NEW")
    assert ask().state == "open"


def test_after_the_move(ask, source, target):
    """An organization that moved is judged at the target, where it is closed until the target opens."""
    closing.prepare_target(target[0], organization="NEW")
    closing.begin_closing(source[0], organization="HOTEL")
    assert closing.try_quiet(source[0], organization="HOTEL")
    closing.make_reference_only(source[0], organization="HOTEL", lives_at="there")
    assert ask().state == "quiet"
    closing.open_target(target[0], organization="NEW")
    assert (ask().state, ask().exit_status) == ("open", ExitStatus.DONE)


def test_the_latest_move_counts(ask, source, target):
    """Of several moves of one organization the latest says where it is guarded."""
    closing.begin_closing(source[0], organization="HOTEL")
    moves = [a_move(2, target[1], target[1]), a_move(1, source[1], target[1])]
    assert ask(moves=moves).state == "open"


def test_a_database_without_the_guard(ask, server, target):
    """A database that was not prepared guards nothing, and there is nothing to measure."""
    measured = measure(places([a_move(1, server.address(), server.address())]))
    assert (measured.seen, measured.unseen) == ((), ())
    assert ask(moves=[a_move(1, server.address(), target[1])]).state == "open"


def test_holders_are_listed_once(source, target):
    """A transaction that two places see is listed once, oldest first."""
    with connect(source[1], name="clerk", autocommit=False) as clerk:
        clerk.execute("insert into public.stay values ('HOTEL')")
        measured = measure(places([a_move(1, source[1], target[1])]))
    (holder,) = measured.holders("HOTEL")
    assert [one.id for one in measured.holders(None)] == [holder.id]
