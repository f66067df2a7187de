"""What moves with similar names have in their databases: each has its own, and takes nothing of another one's away."""

from __future__ import annotations

import pytest

from slacktide.plan.load import load_plan
from slacktide.postgres.connection import connect
from slacktide.transfer import clearing, prepare
from slacktide.transfer.journal import Journal
from tests.memory import drop_from_memory
from tests.transfer.line import HERE
from tests.transfer.moved import database
from tests.transfer.moved import moving as a_small_move

LONG = "the-grand-hotel-of-the-lake-of-geneva-and-its-spa-2026-11-27"
ALIKE = [
    ("grand-hotel-of-the-lake-geneva-north", "grand-hotel-of-the-lake-geneva-south"),
    ("wave-2026-11-27-property-hotel-001", "wave-2026-11-27-property-hotel-002"),
    ("A-1", "a_1"),
    (f"{LONG}-a", f"{LONG}-b"),
]
SLOTS = "select slot_name from pg_replication_slots where database = current_database()"
PUBLICATIONS = "select pubname from pg_publication"


@pytest.fixture
def source(server):
    """Give a connection to a database in which slots may be made."""
    address = database(server)
    with connect(address, name="test") as connection:
        yield connection
        connection.execute(f"select pg_drop_replication_slot(slot_name) from ({SLOTS}) s")
    drop_from_memory(address)


def a_slot(connection, name):
    connection.execute("select pg_create_logical_replication_slot(%s, 'pgoutput')", [name])


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_slots(source, one, other):
    """The slot of a move stays when that of one with a similar name is dropped."""
    names = {move: f"slacktide_{prepare.slot_stem(move)}_{n:08x}" for n, move in enumerate((one, other))}
    for name in names.values():
        a_slot(source, name)
    prepare.drop_slots(source, move=one)
    assert source.execute(SLOTS).fetchall() == [(names[other],)]
    prepare.drop_slots(source, move=other)
    assert source.execute(SLOTS).fetchall() == []


def test_a_slot_from_before(server, tmp_path):
    """A slot whose name has no hash yet is dropped by its name, as the journal has it, and no other such one."""
    moving = a_small_move(server, tmp_path)
    try:
        for name in ("slacktide_resort_0123abcd", "slacktide_resort_4567abcd"):
            a_slot(moving.source, name)
        Journal(moving.control, move_id=moving.move.move_id).begin_incarnation(slot="slacktide_resort_0123abcd")
        prepare.drop_slots(moving.source, move="resort", known=moving.move.slots)
        assert moving.source.execute(SLOTS).fetchall() == [("slacktide_resort_4567abcd",)]
        moving.source.execute("select pg_drop_replication_slot('slacktide_resort_4567abcd')")
    finally:
        moving.close()


def test_publications(source):
    """The publication of a move with a long name stays when that of one with a similar name is taken away."""
    source.execute((HERE / "bare.sql").read_text())
    plan, (one, other) = load_plan(path=HERE / "bare.yaml"), ALIKE[-1]
    for move in (one, other):
        prepare.prepare_source(source, plan=plan, move=move)
    assert sorted(source.execute(PUBLICATIONS).fetchall()) == sorted([(prepare.publication(m),) for m in (one, other)])
    prepare.clean_source(source, move=one)
    assert source.execute(PUBLICATIONS).fetchall() == [(prepare.publication(other),)]


def test_connections(source, server):
    """The connections of a move with a long name go on when those of one with a similar name are ended."""
    one, other = ALIKE[-1]
    address = server.address(source.info.dbname)
    names = (f"{one} down time", f"{other} down time", f"{one} generate")
    ended, *left = (connect(address, name=name) for name in names)
    assert clearing.end_connections(source, move=one, doing=("down time",)) == 1
    assert [connection.execute("select 1").fetchone() for connection in left] == [(1,), (1,)]
    for connection in (ended, *left):
        connection.close()
