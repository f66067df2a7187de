"""Judging whether an open target can be closed again: by several at once, and by one whose judgement is out of date."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import psycopg
import pytest

from slacktide.cutover import withdraw
from slacktide.guard import closing
from slacktide.guard.install import install
from slacktide.guard.state import State
from slacktide.guard.table import GuardedTable
from slacktide.postgres.connection import connect
from tests.cutover.moving import until
from tests.transfer.moved import moving as a_small_move

WITHDRAWING = """
insert into slacktide.procedure (move_id, attempt, downtime_id, business_date, waived, gos, who, reason, first_batch,
    state, opened_at, abandoned_at, abandoned_by, abandoned_reason)
select move_id, 1, '1', '2016-08-15', '{}', '{}', 'Ada', 'the night', 0,
    'withdrawing', '2026-01-01T01:00Z', clock_timestamp(), 'Ada', 'we go back' from slacktide.move
"""
TRYING = "select pid from pg_stat_activity where application_name like '%% withdraw' and wait_event_type = 'Lock'"


@pytest.fixture
def moving(server, tmp_path):
    """Give a move whose target is open and written by nobody, and whose attempt is to be withdrawn."""
    made = a_small_move(server, tmp_path)
    made.target.execute("create table hotel.note (code text)")
    install(made.target, tables=[GuardedTable(schema="hotel", table="note", organization="r.code")])
    closing.prepare_target(made.target, organization="RESORT")
    closing.open_target(made.target, organization="RESORT")
    made.control.execute(WITHDRAWING)
    yield made
    made.close()


@contextmanager
def a_writer(moving):
    """Give a clerk who has written the property and has not committed."""
    with psycopg.connect(moving.target_address) as clerk:
        clerk.execute("insert into hotel.note values ('RESORT')")
        yield clerk


class Judge(threading.Thread):
    """One who judges, over a connection of its own, and what came of it."""

    def __init__(self, moving):
        super().__init__()
        self.moving, self.error = moving, None
        self.control = connect(moving.control_address, name="judge")

    def run(self):
        try:
            withdraw.withdraw(self.control, move=self.moving.move)
        except Exception as error:  # noqa: BLE001 -- what it was is judged by the test
            self.error = error
        self.control.close()


def found(moving):
    """Give the attempt's state, and the target's."""
    (attempt,) = moving.control.execute("select state from slacktide.procedure").fetchone()
    return attempt, closing.state(moving.target, organization="RESORT").state


def test_closed(moving):
    """Where nobody has written the target is closed, and it is abandoned; who judges after that does nothing."""
    for _ in range(2):
        withdraw.withdraw(moving.control, move=moving.move)
        assert found(moving) == ("abandoning", State.PREPARED)


def test_two_judge_at_once(moving):
    """Two judge while a clerk writes, and he goes as soon as the first one has said that it stays open: it does."""
    with a_writer(moving) as clerk:
        first, second = Judge(moving), Judge(moving)
        first.start()
        until(lambda: moving.target.execute(TRYING).fetchall(), what="the first one's try")
        second.start()
        first.join()
        clerk.rollback()
    second.join()
    assert isinstance(first.error, withdraw.TooLate)
    assert "somebody writes" in str(first.error)
    assert found(moving) == ("open", State.OPEN)
    with pytest.raises(withdraw.TooLate, match="somebody writes"):
        withdraw.require_withdrawn(moving.control, move=moving.move)  # for who asked, and found it judged
    opened = "select opened_at = '2026-01-01T01:00Z' from slacktide.procedure"
    assert moving.control.execute(opened).fetchone() == (True,)  # when it opened is what it was


def test_judged_by_one_who_is_cut_off(moving, monkeypatch):
    """One who lost the control database while he tries goes on trying: another one's judgement has overtaken him."""
    monkeypatch.setattr(withdraw, "_TRIES", 100)
    late = Judge(moving)
    with a_writer(moving) as clerk:
        late.start()
        until(lambda: moving.target.execute(TRYING).fetchall(), what="his try")
        moving.control.execute("select pg_terminate_backend(%s)", [late.control.info.backend_pid])
        monkeypatch.setattr(withdraw, "_TRIES", 2)
        with pytest.raises(withdraw.TooLate):
            withdraw.withdraw(moving.control, move=moving.move)
        clerk.rollback()
    late.join()
    assert isinstance(late.error, closing.Overtaken)
    assert found(moving) == ("open", State.OPEN)


def test_written_and_closed_by_somebody_else(moving):
    """A target that a user has written, and that somebody closed all the same, is opened again: his rows are there."""
    with a_writer(moving) as clerk:
        clerk.commit()
    closing.prepare_target(moving.target, organization="RESORT")
    for _ in range(2):
        with pytest.raises(withdraw.TooLate, match=r"wrote hotel\.note at the target"):
            withdraw.withdraw(moving.control, move=moving.move)
        assert found(moving) == ("open", State.OPEN)
        moving.control.execute("update slacktide.procedure set state = 'withdrawing'")


def test_gone_on_from_there(moving):
    """A target from which the property has moved on is left as it is, and where it lives now is said."""
    closing.begin_closing(moving.target, organization="RESORT")
    assert closing.try_quiet(moving.target, organization="RESORT")
    closing.make_reference_only(moving.target, organization="RESORT", lives_at="a third place")
    with pytest.raises(withdraw.TooLate, match="lives at a third place"):
        withdraw.withdraw(moving.control, move=moving.move)
    assert found(moving) == ("open", State.REFERENCE_ONLY)


def test_judged_while_it_is_noted(moving, monkeypatch):
    """Between its verdict and the note of it nobody begins to judge anew: the writer may be gone before the note."""
    note, second = withdraw._note, Judge(moving)  # noqa: SLF001 -- the moment before it is noted
    waits = "select 1 from pg_stat_activity where pid = %s and wait_event_type = 'Lock'"

    def late(*given, **named):
        monkeypatch.setattr(withdraw, "_note", note)
        second.start()
        pid = second.control.info.backend_pid
        until(
            lambda: moving.source.execute(waits, [pid]).fetchall() or moving.target.execute(TRYING).fetchall(),
            what="it",
        )
        note(*given, **named)

    monkeypatch.setattr(withdraw, "_note", late)
    with a_writer(moving) as clerk:
        with pytest.raises(withdraw.TooLate):
            withdraw.withdraw(moving.control, move=moving.move)
        clerk.rollback()
    second.join()
    assert found(moving) == ("open", State.OPEN)
