"""Draining, while another property of the same source trades without a pause."""

from __future__ import annotations

import contextlib
import threading

import psycopg
import pytest

from slacktide.core import clock
from slacktide.cutover.engine import Engine
from slacktide.postgres.connection import connect
from slacktide.transfer.entry import Touched
from slacktide.transfer.journal import Journal
from slacktide.transfer.move import create_move, load_move
from slacktide.transfer.prepare import drop_slots
from tests.cutover.moving import until
from tests.transfer.conftest import SEED
from tests.transfer.line import HERE, Databases
from tests.transfer.moved import control_database
from tests.transfer.test_moment_stream import Held, settings

TRADE = "update bare.booking set amount = case when amount < 1000 then amount + 1 else 1 end where property = 'Q'"
CHAIN = """
insert into bare.booking (booking_id, property, number, person_id, amount, note, sharer_id) values
    (700, 'P', 'bad', 1, 1, 'bad', null), (701, 'P', 'waits', 1, 1, null, 700), (702, 'P', 'waits too', 1, 1, null, 701)
"""
ENOUGH_SECONDS = 120.0


class Neighbour(threading.Thread):
    """Trades for another property, a transaction each, until told, and at the most so long."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.address, self.enough, self.traded = address, threading.Event(), 0
        self.gave_up = False

    def run(self):
        limit = threading.Timer(ENOUGH_SECONDS, self.give_up)
        limit.start()
        with psycopg.connect(self.address, autocommit=True) as connection:
            while not self.enough.is_set():
                connection.execute(TRADE)
                self.traded += 1
        limit.cancel()

    def give_up(self):
        self.gave_up = True
        self.enough.set()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.enough.set()
        self.join()


@pytest.fixture(scope="module")
def databases(server):
    """Give the databases of a line, prepared."""
    return Databases(server)


@pytest.fixture
def engine(server, databases, tmp_path):
    """Give an engine whose property has come over, on databases of its own."""
    addresses = databases.addresses()
    with connect(control_database(server), name="test") as control, connect(addresses["source"], name="test") as source:
        source.execute(SEED)
        file = HERE / "bare.yaml"
        create_move(control, name="m", plan_file=str(file), plan_text=file.read_text(), property="P",
                    target_property="P", spool=str(tmp_path),
                    **{side: addresses[side] for side in ("source", "target")})  # fmt: skip
        move = load_move(control, name="m")
        with Engine(move, Journal(control, move_id=move.move_id, process="down time")) as engine:
            engine.drain()
            while engine.journal.is_left():
                engine.drain()
            engine.addresses = addresses
            yield engine
        drop_slots(source, move="m")


@contextlib.contextmanager
def no_standby(server, engine):
    """Have commits wait for a standby that is not there, but none of ours at the target or in the control database."""
    engine.journal.connection.execute("set synchronous_commit = local")
    engine.process.connection.execute("set synchronous_commit = local")
    with settings(server, synchronous_standby_names="nobody"):
        yield


def problems(engine):
    rows = engine.journal.connection.execute("select key, state from slacktide.message order by 1")
    return dict(rows.fetchall())


def batches(engine):
    return engine.journal.last_batch()


def change(engine):
    """Change the property once; give what the change is known by."""
    with psycopg.connect(engine.addresses["source"]) as connection:
        connection.execute("update bare.booking set note = 'the last one' where property = 'P'")


def arrived(engine):
    """Tell how many objects the last change has changed on each side."""
    counted = "select count(*) from bare.booking where note = 'the last one' and property = 'P'"
    sides = []
    for side in ("source", "target"):
        with psycopg.connect(engine.addresses[side]) as connection:
            sides.append(connection.execute(counted).fetchone()[0])
    return sides


def test_it_ends_while_a_neighbour_trades(engine):
    """Draining ends while others trade on without a pause, by a batch or two, with the property's last change."""
    with contextlib.ExitStack() as trading:
        neighbours = [trading.enter_context(Neighbour(engine.addresses["source"])) for _ in range(2)]
        until(lambda: min(one.traded for one in neighbours) > 20, what="the neighbours' trade")
        change(engine)
        before = batches(engine)
        engine.drain()
        assert not any(one.gave_up for one in neighbours)
        assert batches(engine) - before <= 2
    here, there = arrived(engine)
    assert here == there > 0


def test_the_commit_of_a_neighbour_hangs(server, engine):
    """Another's commit that is streamed and stays invisible holds nothing up, and the last change is over."""
    change(engine)
    with connect(engine.addresses["source"], name="test") as watching, no_standby(server, engine):
        held = Held(engine.addresses["source"], TRADE).hold(watching)
        engine.drain()
        assert len(engine.journal.pending()) == 1
    held.end()
    here, there = arrived(engine)
    assert here == there > 0


def test_objects_that_wait_for_one_another(engine):
    """What a batch asks for again comes over before draining ends, however many waited for one another."""
    with psycopg.connect(engine.addresses["target"], autocommit=True) as target:
        target.execute("alter table bare.booking add constraint refuse check (note is distinct from 'bad') not valid")
        with psycopg.connect(engine.addresses["source"]) as source:
            source.execute(CHAIN)
        engine.drain()
        assert problems(engine) == {"700": "failed", "701": "waiting", "702": "waiting"}
        target.execute("alter table bare.booking drop constraint refuse")
    engine.journal.enqueue([Touched("booking", "700")], now=clock.now())
    engine.drain()
    assert problems(engine) == {}


def test_told_to_stop(engine):
    """Draining stops where it is told to, with nothing half done, and goes on from there."""
    change(engine)

    class Told(Exception):
        pass

    def progress(_):
        raise Told

    with pytest.raises(Told):
        engine.drain(progress=progress)
    engine.drain()
    here, there = arrived(engine)
    assert here == there > 0
