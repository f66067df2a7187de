"""A worker's rounds over several moves of which one cannot be seen to, without a worker."""

from __future__ import annotations

import psycopg
import pytest

from slacktide.cutover import abandon, rehearsal
from slacktide.cutover.bulkhead import Bulkhead
from slacktide.guard import closing
from slacktide.guard.install import make_schema
from slacktide.guard.state import State
from slacktide.postgres.connection import connect
from tests.transfer.moved import moving as a_small_move

NOWHERE = "postgresql://nobody@127.0.0.1:1/none"
ANOTHER = """
insert into slacktide.move (name, plan, plan_text, property, target_property, source, target, spool)
select 'another', plan, plan_text, property, target_property, target, target, spool from slacktide.move
"""
ABANDONING = """
insert into slacktide.procedure (move_id, attempt, downtime_id, business_date, waived, gos, who, reason, first_batch,
    state, abandoned_at, abandoned_by, abandoned_reason, source_opened_at)
select move_id, 1, '1', '2016-08-15', '{}', '{}', 'Ada', 'the night', 0,
    'abandoning', clock_timestamp(), 'Ada', 'we go back', null from slacktide.move
"""
HIDDEN = """
insert into slacktide.move (name, plan, plan_text, property, target_property, source, target, spool, rehearses, facts)
select '~' || name, plan, plan_text, property, target_property, case name when 'another' then %s else source end,
    target, spool || '/' || name, move_id, '{"shadow": {"made": null, "guarded": true}}' from slacktide.move
"""


@pytest.fixture
def moving(server, tmp_path):
    """Give a small move, and another one before it whose source has no guard."""
    made = a_small_move(server, tmp_path)
    made.control.execute(ANOTHER)
    yield made
    made.close()


def test_a_source_without_a_guard(moving, capsys):
    """A source that cannot be opened keeps no other one closed, and is said once, however often it is tried."""
    make_schema(moving.source)
    closing.begin_closing(moving.source, organization="RESORT", reason="the night")
    moving.control.execute(ABANDONING)
    bulkhead = Bulkhead("abandon")
    for _ in range(2):
        abandon.open_sources(moving.control, bulkhead=bulkhead)
    assert closing.state(moving.source, organization="RESORT").state is State.OPEN
    (said,) = [line for line in capsys.readouterr().err.splitlines() if "another" in line]
    assert said.startswith("slacktide: another abandon: ")
    assert "guard" in said


def test_a_rehearsal_whose_source_is_gone(moving, capsys):
    """A rehearsal that cannot be cleared away keeps no other one from it."""
    moving.control.execute(HIDDEN, [NOWHERE])
    assert rehearsal.sweep(moving.control, bulkhead=Bulkhead("rehearsal")) == ["resort"]
    assert [name for name, _, _ in rehearsal.left(moving.control)] == ["~another"]
    assert "another rehearsal: The database" in capsys.readouterr().err


def test_another_reason(moving, capsys):
    """A move that fails for another reason is said again."""
    bulkhead = Bulkhead("abandon")
    for reason in ("one", "one", "two"):
        with bulkhead.around("resort", control=moving.control):
            raise psycopg.OperationalError(reason)
    assert [line[-3:] for line in capsys.readouterr().err.splitlines()] == ["one", "two"]


def test_the_control_database_is_lost(moving):
    """Where the control database is lost the round ends, so that its loop connects again."""
    control = connect(moving.control_address, name="worker")
    moving.control.execute("select pg_terminate_backend(%s, 5000)", [control.info.backend_pid])
    with pytest.raises(psycopg.OperationalError), Bulkhead("abandon").around("resort", control=control):
        control.execute("select 1")
