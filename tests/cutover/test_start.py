"""Start, while others do something else: start its processes, or the down time of another move of the property."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace

import pytest

from slacktide.cutover import precondition, start
from slacktide.cutover.record import AnotherUnderWay
from slacktide.hotel.property_plan import PLAN_FILE
from slacktide.transfer.journal import Journal
from slacktide.transfer.move import create_move, load_move
from tests.transfer.moved import moving as a_small_move

OTHER = """
insert into slacktide.procedure (move_id, attempt, downtime_id, business_date, who, reason, state)
select move_id, 1, '1', '2016-08-15', 'Ada', 'the night', %s from slacktide.move where name = 'other'
"""


@pytest.fixture
def moving(server, tmp_path, monkeypatch):
    """Give a move whose preconditions hold, as `meanwhile` was done while they were looked at."""
    made = a_small_move(server, tmp_path)
    made.meanwhile = lambda: None

    def found(*_, **__):
        made.meanwhile()
        return precondition.Finding([], SimpleNamespace(id="1"), date(2016, 8, 15))

    monkeypatch.setattr(start, "find", found)
    yield made
    made.close()


def begin(moving):
    start.start_down_time(moving.control, move=moving.move, wish=precondition.Wish(), gos={}, who="Ada", reason="night")


def attempts(moving):
    return moving.control.execute("select count(*) from slacktide.procedure p join slacktide.move m using (move_id) "
                                  "where m.name = 'resort'").fetchone()[0]  # fmt: skip


def test_its_processes_are_started(moving):
    """Processes that are started while the preconditions are looked at would own what it waits for: it is refused."""
    moving.meanwhile = lambda: Journal(moving.control, move_id=moving.move.move_id).want("transfer", running=True)
    with pytest.raises(precondition.PreconditionsFail, match="started meanwhile"):
        begin(moving)
    assert attempts(moving) == 0


@pytest.mark.parametrize(("state", "refused"), [("running", True), ("withdrawing", True), ("failed", True),
                                                ("open", False), ("abandoned", False)])  # fmt: skip
def test_another_move_of_the_property(moving, state, refused):
    """While another move of the property is under way none begins; when it rests, the source says who lives there."""
    facts = {"plan_file": "", "plan_text": PLAN_FILE.read_text(), "property": "RESORT", "target_property": "RESORT"}
    sides = {"source": moving.source_address, "target": "postgresql:///other"}
    create_move(moving.control, name="other", spool="", **sides, **facts)
    assert load_move(moving.control, name="other").organization == "RESORT"
    moving.meanwhile = lambda: moving.control.execute(OTHER, [state])
    if refused:
        with pytest.raises(AnotherUnderWay, match="other"):
            begin(moving)
    else:
        begin(moving)
    assert attempts(moving) == (0 if refused else 1)
