from __future__ import annotations

from types import SimpleNamespace

import pytest

from slacktide.transfer.clearing import TargetNotCleared, clear
from tests.transfer import checker

BROUGHT = """
select target_key from slacktide.key_map where name = 'person' order by target_key::bigint limit 1
"""
REFER = "update bare.booking set person_id = %s where property = 'Z' and number = 'N1'"
FOREIGN = "insert into bare.booking (property, number, person_id, amount) values ('P', 'foreign', 1, 1)"


@pytest.fixture
def line(started):
    """Give a line whose objects have arrived and that is stopped."""
    started.drain()
    started.halt()
    return started


def rows_of(line):
    """Give every row of the target, in order."""
    return {name: sorted(map(str, rows)) for name, rows in checker.rows_of(line.checking, line.plan).items()}


def native(line):
    """Give the rows that the target had before, in order."""
    return {name: sorted(map(str, rows)) for name, rows in line.native.items()}


def cleared(line):
    move = SimpleNamespace(name=line.move, plan=line.plan, property_code="P", target_property="P", facts={})
    return clear(line.checking, move=move, derived=lambda _: 7, epoch=None)


def begin_anew(line, done):
    """Begin the second try, as abandoning does."""
    journal = line.journal()
    journal.begin_incarnation(slot="slacktide_m_00000002", behind=done.incarnation, floor=done.number)
    line.start()
    line.drain()


def test_everything_goes(line):
    """Every row that the move wrote is gone, with its keys, and no other one; a new pass brings it again."""
    assert rows_of(line) != native(line)
    done = cleared(line)
    assert rows_of(line) == native(line)
    assert line.checking.execute("select count(*) from slacktide.key_map").fetchone() == (0,)
    assert (done.kept, done.derived) == ({}, 7)
    begin_anew(line, done)
    line.check()


def test_what_others_refer_to_stays(line):
    """A shared object to which a row of the target's own refers stays, is named, and is there once after a new pass."""
    (key,) = line.checking.execute(BROUGHT).fetchone()
    line.checking.execute(REFER, [int(key)])
    done = cleared(line)
    assert done.kept["person"] >= 1
    assert line.checking.execute("select count(*) from bare.person where person_id = %s", [int(key)]).fetchone() == (1,)
    known = "select hash from slacktide.key_map where name = 'person' and target_key = %s"
    assert line.checking.execute(known, [key]).fetchall() == [(None,)]
    line.checking.execute(REFER, [1])
    begin_anew(line, done)
    line.check()


def test_rows_of_somebody_else_stop_it(line):
    """A row of the property that the move did not write is named, and then nothing is done."""
    line.checking.execute(FOREIGN)
    before = rows_of(line)
    with pytest.raises(TargetNotCleared, match=r"1 of bare\.booking"):
        cleared(line)
    assert rows_of(line) == before


def test_it_can_be_done_again(line):
    """Done a second time it finds nothing, and the target's incarnation goes on, so that no earlier owner passes."""
    first = cleared(line)
    again = cleared(line)
    assert sum(first.rows.values()) > 0
    assert sum(again.rows.values()) == 0
    assert again.incarnation == first.incarnation + 1
