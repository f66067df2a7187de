"""Whoever was held up, and does not know that another one has gone on, neither opens nor closes nor clears a target."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from slacktide.control.organization import list_sides
from slacktide.cutover import abandon, procedure, step, verifying
from slacktide.cutover.night import Ended
from slacktide.cutover.record import Record
from slacktide.guard import closing
from slacktide.guard.state import IllegalEvent, State
from slacktide.transfer import preparation
from slacktide.transfer.prepare import drop_slots
from tests.transfer.moved import moving as a_small_move

ATTEMPT = """
insert into slacktide.procedure (move_id, attempt, downtime_id, business_date, waived, gos, who, reason, first_batch,
    state, abandoned_by, abandoned_reason)
select move_id, 1, '1', '2016-08-15', '{}', '{}', 'Ada', 'the night', 0, 'running', 'Ada', 'we go back'
from slacktide.move
"""
NAME = {"organization": "RESORT"}


@pytest.fixture
def moving(server, tmp_path):
    """Give a move that is prepared, and whose down time has begun."""
    made = a_small_move(server, tmp_path)
    preparation.ensure_prepared(made.control, move=made.move, who="test")
    made.control.execute(ATTEMPT)
    yield made
    drop_slots(made.source, move="resort")
    made.close()


def a_night(moving, *, meanwhile=lambda: None):
    """Give what a step works with; when it asks whether it may go on, others have done something."""
    record = Record(moving.control, move_id=moving.move.move_id, move="resort")
    return SimpleNamespace(move=moving.move, control=moving.control, source=moving.source, target=moving.target,
                           record=record, attempt=record.current(), require_stepping=meanwhile)  # fmt: skip


def others_open(moving):
    return lambda: closing.open_target(moving.target, **NAME)


def state(moving, side="target"):
    return closing.state(getattr(moving, side), **NAME).state


def test_testers_leave(moving):
    """Held up before the testers are turned out: what others have opened meanwhile is not closed."""
    with pytest.raises(closing.Overtaken):
        verifying.turn_out(a_night(moving, meanwhile=others_open(moving)))
    assert state(moving) is State.OPEN


def test_the_target_opens(moving, monkeypatch):
    """Held up after it was decided that the target opens: others opened it, gave it up and closed it; it stays so."""

    def held_up(_):
        others_open(moving)()
        closing.prepare_target(moving.target, **NAME)

    monkeypatch.setattr(step, "_decide", held_up)
    closing.begin_closing(moving.source, **NAME)
    assert closing.try_quiet(moving.source, **NAME)
    closing.make_reference_only(moving.source, **NAME, lives_at="there")
    with pytest.raises(closing.Overtaken):
        step.hand_over(a_night(moving))
    assert state(moving) is State.PREPARED


def test_prepared_again(moving, monkeypatch):
    """`prepare --apply` that takes its time does not close a target that was opened meanwhile."""
    done = preparation.describe

    def held_up(*given, **named):
        others_open(moving)()
        return done(*given, **named)

    monkeypatch.setattr(preparation, "describe", held_up)
    with pytest.raises(closing.Overtaken):
        preparation.apply(moving.control, move=moving.move, who="test")
    assert state(moving) is State.OPEN


def test_cleared(moving, monkeypatch):
    """Held up before the target of an abandoned move is cleared: what a second try has brought and opened stays."""
    opened = abandon.open_source

    def held_up(*given, **named):
        found = opened(*given, **named)
        moving.control.execute("update slacktide.procedure set state = 'open'")
        others_open(moving)()
        return found

    moving.control.execute("update slacktide.procedure set state = 'abandoning', abandoned_at = clock_timestamp()")
    moving.control.execute("update slacktide.procedure set source_opened_at = clock_timestamp()")
    monkeypatch.setattr(abandon, "open_source", held_up)
    before = moving.count("hotel.property")
    with pytest.raises(closing.Overtaken):
        abandon.carry_on(moving.control, move=moving.move)
    assert (state(moving), moving.count("hotel.property")) == (State.OPEN, before)


def test_cleared_after_the_look(moving):
    """The same, held up between the look at the attempt and the clearing: the epoch tells."""
    seen = closing.state(moving.target, **NAME)
    others_open(moving)()
    with pytest.raises(closing.Overtaken):
        abandon.clearing.clear(moving.target, move=moving.move, derived=lambda _: 0, epoch=seen.epoch)


def test_killed_before_the_closing_was_noted(moving):
    """Killed between the closing and its note, the next one notes that the source is closed."""
    closing.begin_closing(moving.source, **NAME)
    night = a_night(moving)
    assert step.close_source(night) == {"state": "closing"}
    (side,) = [one for one in list_sides(moving.control, **NAME) if one.side == "source"]
    assert side.state == "closed"
    noted = "select count(*) from slacktide.audit where what = 'side change' and after ->> 'side' = 'source'"
    before = moving.control.execute(noted).fetchone()
    step.close_source(night)
    assert moving.control.execute(noted).fetchone() == before


def test_a_source_that_was_left(moving):
    """A source from which the property has moved elsewhere is not closed for another move: that would open it twice."""
    closing.begin_closing(moving.source, **NAME)
    assert closing.try_quiet(moving.source, **NAME)
    closing.make_reference_only(moving.source, **NAME, lives_at="another target")
    with pytest.raises(IllegalEvent, match="reference only"):
        step.close_source(a_night(moving))


def test_waiting_is_no_work(moving, monkeypatch):
    """What quiet waits for a writer is left out of the seconds of work."""
    night, left_out = a_night(moving), []
    night.leave_out, night.wait_for_people = left_out.append, lambda _: None
    closing.begin_closing(moving.source, **NAME)
    answers = iter([False, False, True])
    monkeypatch.setattr(closing, "try_quiet", lambda *_, **__: next(answers))
    step.wait_until_quiet(night)
    assert len(left_out) == 2


def test_the_database_says_what_nobody_knows(moving):
    """An error of a database that does not pass by itself stops it with the reason, and not its worker."""
    night = a_night(moving)
    night.waited = lambda: 0.0
    night.record._run("add_step", attempt=1, ordinal=1, step="closing", title="Close")  # noqa: SLF001 -- as `begin` does

    def refused(_):
        moving.target.execute("do $$ begin raise 'the stock is closed'; end $$")

    assert not procedure._did(night, step.Step("closing", "Close", refused))  # noqa: SLF001 -- one step of it
    found = night.record.current()
    assert (found.state, found.error.partition(" CONTEXT")[0]) == ("failed", "the stock is closed")
    assert night.record.steps()[0].state == "failed"


def test_abandoned_before_it_closes(moving):
    """Told to stop before it closes the source, it does not."""

    def ended():
        raise Ended

    with pytest.raises(Ended):
        step.close_source(a_night(moving, meanwhile=ended))
    assert state(moving, "source") is State.OPEN
