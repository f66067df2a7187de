from __future__ import annotations

import threading

import pytest

from slacktide.guard import closing
from slacktide.guard.install import install
from slacktide.guard.state import State
from slacktide.postgres.connection import connect
from slacktide.transfer import preparation
from slacktide.transfer.emptiness import TargetNotEmpty, TargetTaken
from slacktide.transfer.journal import Journal
from slacktide.transfer.prepare import clean_target, guarded_tables, prepare_target
from slacktide.transfer.source import fingerprint_of
from tests.transfer.moved import moving


@pytest.fixture
def resort(server, tmp_path):
    """Give a move of RESORT."""
    move = moving(server, tmp_path)
    yield move
    move.close()


def ensure(resort):
    return preparation.ensure_prepared(resort.control, move=resort.move, who="test")


def test_everything_that_was_not_done_is_done(resort):
    """`ensure_prepared` copies the configuration, maps the codes, prepares both databases, and does it once."""
    move = ensure(resort)
    assert (move.task, move.state) == (5, "prepared")
    assert move.configured_at
    assert resort.control.execute("select count(*) > 0 from slacktide.conversion").fetchone() == (True,)
    assert closing.state(resort.target, organization="RESORT").state is State.PREPARED
    sides = resort.control.execute("select side, state from slacktide.side order by 1").fetchall()
    assert sides == [("source", "open"), ("target", "closed")]
    acts = [what for (what,) in resort.control.execute("select what from slacktide.audit order by 1")]
    assert {"move configure", "move convert", "move prepare"} <= set(acts)
    assert ensure(resort) == move
    assert len(acts) == resort.count("slacktide.audit", side="control")


def test_only_the_mover_writes_afterwards(resort):
    """From `prepare` on an ordinary write of the property at the target is refused; the source goes on."""
    ensure(resort)
    entry = "insert into hotel.telephone_entry (property_code, category, name, number) values ('RESORT', 'x', 'y', '1')"
    with pytest.raises(Exception, match="RESORT"):
        resort.target.execute(entry)
    resort.source.execute(entry)


def test_writer_between_look_and_closing(resort):
    """A row that was written after the look and before the closing is found, and the target is given back."""
    closing_began = threading.Event()
    install(resort.target, tables=guarded_tables(resort.move.plan))
    with connect(resort.target_address, name="clerk", autocommit=False) as clerk:
        preparation.configure(resort.control, move=resort.move, who="test")
        clerk.execute(
            "insert into hotel.telephone_entry (property_code, category, name, number) values ('RESORT', 'x', 'y', '1')"
        )
        timer = threading.Timer(1.0, lambda: (clerk.commit(), closing_began.set()))
        timer.start()
        with pytest.raises(TargetNotEmpty, match=r"1 of hotel\.telephone_entry"):
            preparation.apply(resort.control, move=resort.move, who="test")
        timer.join()
    assert closing_began.is_set()
    assert closing.state(resort.target, organization="RESORT").state is State.OPEN
    assert "prepared" not in resort.move.facts


@pytest.mark.parametrize(("name", "code"), [("another", "RESORT"), ("resort", "CITY")])
def test_target_of_another_move(resort, name, code):
    """A second move into the same property, or of the same name into another one, is refused before it wrote a row."""
    plan = resort.move.plan
    prepare_target(resort.target, plan=plan, move=name, target_property=code)
    with pytest.raises(TargetTaken, match=f"the property '{code}' by the move '{name}'.*move clean {name} --apply"):
        ensure(resort)
    assert resort.move.configured_at is None
    clean_target(resort.target, plan=plan, move=name)
    ensure(resort)


def test_property_that_has_moved_away(resort):
    """A property that is reference only at the source is not prepared once more."""
    preparation.configure(resort.control, move=resort.move, who="test")
    install(resort.source, tables=guarded_tables(resort.move.plan))
    closing.begin_closing(resort.source, organization="RESORT")
    assert closing.try_quiet(resort.source, organization="RESORT")
    closing.make_reference_only(resort.source, organization="RESORT", lives_at="elsewhere")
    with pytest.raises(preparation.PropertyElsewhere, match="reference only in the source"):
        preparation.apply(resort.control, move=resort.move, who="test")
    assert not resort.source.execute("select 1 from pg_publication").fetchone()


@pytest.mark.parametrize("state", [State.CLOSING, State.REFERENCE_ONLY])
def test_a_neighbour_is_closed_or_has_moved_away(resort, state):
    """A property can be prepared while another one of its source is closed, or has moved away before it."""
    install(resort.source, tables=guarded_tables(resort.move.plan))
    closing.begin_closing(resort.source, organization="CITY")
    if state is State.REFERENCE_ONLY:
        assert closing.try_quiet(resort.source, organization="CITY")
        closing.make_reference_only(resort.source, organization="CITY", lives_at="elsewhere")
    assert ensure(resort).state == "prepared"
    assert closing.state(resort.source, organization="CITY").state is state


def test_open_target_is_not_closed_again(resort):
    """After the target has opened, `prepare --apply` refuses instead of closing it."""
    ensure(resort)
    closing.open_target(resort.target, organization="RESORT")
    with pytest.raises(preparation.PropertyElsewhere, match="open in the target"):
        preparation.apply(resort.control, move=resort.move, who="test")
    assert closing.state(resort.target, organization="RESORT").state is State.OPEN


def test_prepare_again(resort):
    """`apply` can be run again: what it puts there is the same, and its checksum too."""
    ensure(resort)
    first = resort.move.facts["prepared"]["checksum"]
    assert preparation.apply(resort.control, move=resort.move, who="test").checksum == first


def test_prepare_again_after_a_change(resort):
    """Prepared again after a table of the source was changed, that one is taken as it is and read again, no other."""
    move = ensure(resort)
    journal = Journal(resort.control, move_id=move.move_id, process="")
    incarnation = journal.begin_incarnation(slot="none").incarnation
    looks = fingerprint_of(resort.source, tables=[table.qualified for table in move.plan.table.values()])
    journal.set_fingerprint(looks, before=None, incarnation=incarnation)
    preparation.apply(resort.control, move=move, who="test")
    assert journal.incarnation().fingerprint == looks
    resort.source.execute("alter table hotel.trace replica identity default")
    preparation.apply(resort.control, move=move, who="test")
    assert looks.keys() - journal.incarnation().fingerprint.keys() == {"hotel.trace"}
    assert fingerprint_of(resort.source, tables=["hotel.trace"])["hotel.trace"] == looks["hotel.trace"]
