"""Cleaning while somebody else wants the move: only one of the two comes to its end, and never are both sides open."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import psycopg
import pytest

from slacktide.control.downtime import Wish, schedule_downtime
from slacktide.cutover import abandon, cleaning, fallback
from slacktide.cutover.bulkhead import Bulkhead
from slacktide.cutover.record import AnotherUnderWay, Record, TakenAway
from slacktide.guard import closing
from slacktide.guard.install import install
from slacktide.guard.state import State
from slacktide.hotel.property_plan import PLAN_FILE
from slacktide.postgres.connection import connect
from slacktide.transfer import prepare
from slacktide.transfer.journal import DOWN_TIME, Journal
from slacktide.transfer.move import create_move, set_fact
from slacktide.worker import presence
from tests.cutover.moving import Moving as Operator
from tests.cutover.moving import until
from tests.cutover.test_task import MOVE
from tests.transfer.moved import moving as a_small_move

ATTEMPT = """
insert into slacktide.procedure (move_id, attempt, downtime_id, business_date, waived, gos, who, reason, first_batch,
    state)
select move_id, 1, %(downtime)s, '2016-08-15', '{}', '{}', 'Ada', 'the night', 0, %(state)s from slacktide.move
"""
ASKED = {"who": "Ada", "reason": "balanced"}
HELD = "select pid from pg_stat_activity where application_name = 'slacktide clean' and wait_event_type = 'Lock'"


@pytest.fixture
def moving(server, tmp_path):
    """Give a move that is prepared, and has never been down."""
    made = a_small_move(server, tmp_path)
    facts = {"plan": made.move.plan, "move": made.name}
    prepare.prepare_source(made.source, **facts)
    prepare.prepare_target(made.target, target_property="RESORT", **facts)
    closing.prepare_target(made.target, organization="RESORT")
    set_fact(made.control, move=made.move, name="prepared", value={})
    yield made
    made.close()


@pytest.fixture
def opened(moving):
    """Give a move that is open, and that no user has written."""
    closing.begin_closing(moving.source, organization="RESORT")
    assert closing.try_quiet(moving.source, organization="RESORT", lock_timeout_ms=10_000)
    closing.make_reference_only(moving.source, organization="RESORT", lives_at="the target")
    closing.open_target(moving.target, organization="RESORT")
    began(moving, "open")
    return moving


def began(moving, state):
    """Have a down time of the move as it is in this state."""
    wish = Wish(duration="PT1H")
    (downtime,) = schedule_downtime(moving.control, wish=wish, organizations=["RESORT"], **ASKED).downtimes
    moving.control.execute(ATTEMPT, {"downtime": downtime["id"], "state": state})


class Cleaner(threading.Thread):
    """One who cleans, as he saw the move, over a connection of its own, and what came of it."""

    def __init__(self, moving, *, is_open):
        super().__init__()
        self.moves, self.is_open, self.error = [moving.move], is_open, None
        self.control = connect(moving.control_address, name="cleaner")

    def run(self):
        try:
            cleaning.clean(self.control, moves=self.moves, is_open=self.is_open, everything=False, **ASKED)
        except Exception as error:  # noqa: BLE001 -- what it was is judged by the test
            self.error = error
        self.control.close()


@contextmanager
def held_at_the_target(moving, *, is_open):
    """Give one who cleans and has come to the target, where somebody still reads the key map."""
    cleaner = Cleaner(moving, is_open=is_open)
    with psycopg.connect(moving.target_address) as reader:
        reader.execute("lock table slacktide.key_map in access share mode")
        cleaner.start()
        until(lambda: cleaner.error or moving.target.execute(HELD).fetchall(), what="the one who cleans")
        yield cleaner
    cleaner.join()


def sides(moving):
    """Give the state of the property at both."""
    return tuple(closing.state(each, organization="RESORT").state if guarded(each) else State.OPEN
                 for each in (moving.source, moving.target))  # fmt: skip


def guarded(connection):
    return connection.execute("select to_regclass('slacktide.guard_closing') is not null").fetchone() == (True,)


def test_abandoned_meanwhile(opened):
    """While it is cleaned an open move cannot be given up: else its target would be released, and both sides open."""
    with held_at_the_target(opened, is_open=True) as cleaner:
        with pytest.raises(TakenAway, match="slacktide move clean resort --apply"):
            abandon.decide(opened.control, move=opened.move, **ASKED)
        abandon.open_sources(opened.control, bulkhead=Bulkhead("abandon"))
    assert cleaner.error is None
    assert sides(opened) == (State.REFERENCE_ONLY, State.OPEN)
    assert opened.move.state == "clean"
    with pytest.raises(TakenAway, match="slacktide move create"):
        abandon.decide(opened.control, move=opened.move, **ASKED)


def test_abandoned_before(opened):
    """Given up since it was looked at it is not cleaned: nothing is taken away."""
    abandon.decide(opened.control, move=opened.move, **ASKED)
    cleaner = Cleaner(opened, is_open=True)
    cleaner.run()
    assert isinstance(cleaner.error, cleaning.Changed)
    assert abandon.open_source(opened.control, move=opened.move)
    assert sides(opened) == (State.OPEN, State.PREPARED)
    assert opened.count("slacktide.mover_move") == 1


def test_taken_back_meanwhile(opened):
    """While it is cleaned an open move is not taken back."""
    with held_at_the_target(opened, is_open=True), pytest.raises(TakenAway):
        fallback.begin(opened.control, move=opened.move, **ASKED)


def test_taken_back_before(opened):
    """Once its way back has begun it is not cleaned."""
    fallback.begin(opened.control, move=opened.move, **ASKED)
    cleaner = Cleaner(opened, is_open=True)
    cleaner.run()
    assert isinstance(cleaner.error, cleaning.HasWayBack)


def test_started_meanwhile(moving, tmp_path):
    """While it is cleaned no process starts, and no down time begins."""
    presence.live(moving.control)  # a worker, but for its work
    sides = {"control": moving.control_address, "source": moving.source_address, "target": moving.target_address}
    operator = Operator(**sides, folder=tmp_path, name=moving.name)
    record = Record(moving.control, move_id=moving.move.move_id, move=moving.name)
    with held_at_the_target(moving, is_open=False):
        said = operator.run("move", "processes", "start", moving.name, accept=(1,)).err
        with pytest.raises(TakenAway):
            record.lock_move()  # as everybody who begins something does, such as a down time
    assert "`slacktide move clean resort --apply` finishes that" in said


def test_started_before(moving):
    """Once a down time has begun it is not cleaned, though it was looked at before."""
    began(moving, "running")
    cleaner = Cleaner(moving, is_open=False)
    cleaner.run()
    assert isinstance(cleaner.error, cleaning.Changed)
    assert moving.move.state == "created"


@pytest.mark.parametrize("process", ["generate", "process"])
def test_while_a_process_is_wanted(moving, process):
    """Nothing is taken away under a process that is wanted to run."""
    Journal(moving.control, move_id=moving.move.move_id).want(process, running=True)
    cleaner = Cleaner(moving, is_open=False)
    cleaner.run()
    assert isinstance(cleaner.error, cleaning.StillRunning)
    assert f"{process} of resort" in str(cleaner.error)
    assert moving.move.state == "created"


@pytest.mark.parametrize("process", ["process", DOWN_TIME])
def test_while_a_process_runs(moving, process, monkeypatch):
    """One that is not wanted any more may have a batch in hand: nothing is taken away until its owner is gone."""
    monkeypatch.setattr(cleaning, "_WAITS_SECONDS", 0.0)
    with connect(moving.control_address, name="child") as child:
        Journal(child, move_id=moving.move.move_id, process=process).own()
        cleaner = Cleaner(moving, is_open=False)
        cleaner.run()
        assert isinstance(cleaner.error, cleaning.StillRunning)
        assert moving.move.state == "created"


def test_killed(opened):
    """A clean that is killed is asked for again and goes on; until then nobody does anything else with the move."""
    with held_at_the_target(opened, is_open=True) as cleaner:
        ((pid,),) = opened.target.execute(HELD).fetchall()
        opened.target.execute("select pg_terminate_backend(%s, 10000)", [pid])
    assert isinstance(cleaner.error, psycopg.OperationalError)
    assert opened.move.state == "cleaning"
    with pytest.raises(TakenAway, match="finishes that"):
        abandon.decide(opened.control, move=opened.move, **ASKED)
    again = Cleaner(opened, is_open=True)
    again.run()
    assert again.error is None
    assert opened.move.state == "clean"
    assert sides(opened) == (State.REFERENCE_ONLY, State.OPEN)


def test_overtaken(opened):
    """One who lost the control database while he cleans releases nothing that has changed since he looked."""
    with held_at_the_target(opened, is_open=True) as cleaner:
        opened.control.execute("select pg_terminate_backend(%s, 10000)", [cleaner.control.info.backend_pid])
        closing.prepare_target(opened.target, organization="RESORT")  # as the next move does, once another one cleaned
    assert isinstance(cleaner.error, closing.Overtaken)
    assert sides(opened) == (State.REFERENCE_ONLY, State.PREPARED)


def test_another_move_has_left_the_source(moving):
    """A leftover move, prepared or not, does not open a source that another move has left: the property lives there."""
    closing.begin_closing(moving.source, organization="RESORT")
    assert closing.try_quiet(moving.source, organization="RESORT", lock_timeout_ms=10_000)
    closing.make_reference_only(moving.source, organization="RESORT", lives_at="another target")
    cleaner = Cleaner(moving, is_open=False)
    cleaner.run()
    assert cleaner.error is None
    assert sides(moving) == (State.REFERENCE_ONLY, State.OPEN)


def test_nothing_of_it_ever_began(server, tmp_path):
    """A move that was never configured releases nothing, and goes whole, with its mappings: its name is free again."""
    made = a_small_move(server, tmp_path)
    made.control.execute("insert into slacktide.conversion values (%s, 'rate', 'A', 'B')", [made.move.move_id])
    closing_of = {"organization": "RESORT", "reason": "another move"}
    for side in (made.source, made.target):
        install(side, tables=prepare.guarded_tables(made.move.plan))
    closing.begin_closing(made.source, **closing_of)
    closing.prepare_target(made.target, **closing_of)
    cleaner = Cleaner(made, is_open=False)
    cleaner.run()
    assert cleaner.error is None
    assert sides(made) == (State.CLOSING, State.PREPARED)
    assert made.control.execute("select 1 from slacktide.move").fetchone() is None
    made.close()


def test_another_move_is_under_way(moving):
    """While another move of the property is under way none is cleaned: what that one needs might be ours too."""
    facts = {"plan_file": "", "plan_text": PLAN_FILE.read_text(), "property": "RESORT", "target_property": "RESORT"}
    create_move(moving.control, name="other", spool="", source="postgresql:///a", target="postgresql:///b", **facts)
    began(moving, "running")
    moving.control.execute("delete from slacktide.procedure where move_id = %s", [moving.move.move_id])
    cleaner = Cleaner(moving, is_open=False)
    cleaner.run()
    assert isinstance(cleaner.error, AnotherUnderWay)
    assert sides(moving) == (State.OPEN, State.PREPARED)


def test_each_line_is_said_once():
    """Of an open move no line is said twice, with all or without; what stays is said where it stays."""
    for everything in (False, True):
        lines = cleaning.describe([MOVE], is_open=True, everything=everything)
        assert len(lines) == len({*lines})
        assert any(line.startswith("STAYS") for line in lines) is not everything
