"""Shared objects that the target has already: they are recognised, referred to, and stay as they are there."""

from __future__ import annotations

import threading

import pytest

from slacktide.plan.load import load_plan_text
from slacktide.postgres.connection import connect
from tests.clock import until_waits
from tests.transfer.line import HERE, Databases, Line

TEXT = (HERE / "bare.yaml").read_text().replace("shared: true", "shared: true\n    known_by: email")
BOOK = "insert into bare.booking (property, number, person_id, amount) values ('P', %s, %s, 1)"
PERSON = "insert into bare.person (person_id, name, email) overriding system value values (%s, %s, %s)"


@pytest.fixture(scope="module")
def member_databases(server):
    """Give the templates of lines whose persons are known by their address."""
    return Databases(server, plan=load_plan_text(text=TEXT, file="bare.yaml"))


@pytest.fixture
def line(member_databases, tmp_path):
    """Give a started line with an empty source: at the target there are persons `native 1` to `native 30`."""
    line = Line(**member_databases.addresses(), folder=tmp_path, plan=member_databases.plan, watch=False)
    line.start()
    line.drain()
    try:
        yield line
    finally:
        line.drop()


def book(line, key, email, number="A"):
    """Let a person book at the source."""
    line.sql(PERSON, key, f"here {key}", email)
    line.sql(BOOK, number, key)


def booked(line):
    """Give who booked at the target, by number: key, name, address."""
    rows = line.checking.execute(
        "select number, person_id, name, email from bare.booking join bare.person using (person_id) "
        "where property = 'P' order by number"
    )
    return {number: tuple(rest) for number, *rest in rows}


def native(line, email):
    return line.checking.execute("select person_id from bare.person where email = %s", [email]).fetchone()[0]


def states(line):
    return [(name, key, state) for name, key, state, _ in line.problems()]


def test_it_stays_as_it_is_there(line):
    """A member of the chain is referred to, not written, whatever the source says of him; a warning names him."""
    book(line, 501, "native 3")
    line.drain()
    assert booked(line)["A"] == (native(line, "native 3"), "native 3", "native 3")
    line.sql("update bare.person set name = 'changed' where person_id = 501")
    line.drain()
    assert booked(line)["A"][1] == "native 3"
    (found,) = line.problems()
    assert found[:3] == ("person", "501", "warning")
    assert f"as '{native(line, 'native 3')}' by its email 'native 3': it stays as it is there" in found[3]


def test_nobody_else_is_recognised(line):
    """Who is not there comes as ever, also who has no value."""
    book(line, 501, "new@x")
    book(line, 502, None, "B")
    line.drain()
    assert [who[1] for who in booked(line).values()] == ["here 501", "here 502"]
    assert line.problems() == []


def test_value_handed_over_at_the_source(line):
    """A value that one of this move's own hands over tells nobody: the new one is another person."""
    book(line, 501, "own@x")
    line.drain()
    with line.trading.transaction():
        line.sql("update bare.person set email = null where person_id = 501")
        book(line, 502, "own@x", "B")
    line.drain()
    found = booked(line)
    assert (found["A"][1:], found["B"][1:]) == (("here 501", None), ("here 502", "own@x"))


def test_gone_at_the_source(line):
    """It is forgotten and stays; who takes its value over at the source is the same one."""
    book(line, 501, "native 3")
    line.drain()
    with line.trading.transaction():
        line.sql("delete from bare.booking")
        line.sql("delete from bare.person where person_id = 501")
        book(line, 502, "native 3", "B")
    line.drain()
    assert booked(line) == {"B": (native(line, "native 3"), "native 3", "native 3")}
    line.sql("delete from bare.booking")
    line.sql("delete from bare.person")
    line.drain()
    assert native(line, "native 3")
    assert line.problems() == []


def test_brought_by_another_at_the_same_moment(line):
    """Who comes second waits for the first one's commit, and recognises what it brought."""
    book(line, 501, "both@x")
    line.catch_up()
    line.generate()
    line.transfer()
    with connect(line.addresses[1], name="another move") as other:
        with other.transaction():
            other.execute("select pg_advisory_xact_lock(hashtextextended('slacktide known by bare.person', 0))")
            other.execute("insert into bare.person (name, email) values ('theirs', 'both@x')")
            applying = threading.Thread(target=line.process)
            applying.start()
            until_waits(line.checking, name="slacktide process")
        applying.join()
    assert booked(line)["A"][1:] == ("theirs", "both@x")
    assert states(line) == [("person", "501", "warning")]
