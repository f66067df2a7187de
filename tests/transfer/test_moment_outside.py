"""Dangerous moments of references that the plan says `refuse` of: what they lead to may not be somebody else's."""

from __future__ import annotations

import msgspec
import pytest

from slacktide.plan.model import Unknown
from tests.transfer.conftest import SEED
from tests.transfer.line import PLAN
from tests.transfer.test_moment_refused import reask, states

PARTIES = """
insert into bare.party (party_id, property, name) values (1, 'P', 'P1'), (2, 'Q', 'Q1');
select setval(pg_get_serial_sequence('bare.party', 'party_id'), 2);
"""


def refusing(plan):
    """Have a booking's party, its line's posting and everybody's employer refused where they are not the property's."""
    wanted = {("booking", "party_id"), ("invoice.line", "posting_id"), ("person", "employer_id")}

    def mended(table):
        references = tuple(
            msgspec.structs.replace(r, unknown=Unknown.REFUSE) if (table.name, r.column) in wanted else r
            for r in table.references
        )
        return msgspec.structs.replace(table, references=references)

    entities = tuple(
        msgspec.structs.replace(e, root=mended(e.root), parts=tuple(map(mended, e.parts))) for e in plan.entities
    )
    return msgspec.structs.replace(plan, entities=entities)


@pytest.fixture
def refusing_line(bare_line):
    """Give a line by such a plan, with a party of the property and one of another, not started."""
    bare_line.plan = refusing(PLAN)
    bare_line.sql(SEED + PARTIES)
    yield bare_line
    bare_line.drain()
    bare_line.check()
    assert bare_line.problems() == []


def parties(line):
    """Give the names of the parties that came."""
    found = line.checking.execute("select name from bare.party where property <> 'Z' order by 1")
    return [name for (name,) in found]


def party_of(line, number):
    """Give the name of a booking's party at the target."""
    row = line.checking.execute(
        "select p.name from bare.booking b left join bare.party p using (party_id) "
        "where b.property = 'P' and b.number = %s",
        [number],
    ).fetchone()
    return row and row[0]


def failed(line):
    ((entity, key, state, reason),) = line.problems()
    assert state == "failed"
    return entity, key, reason


def test_of_the_pass(refusing_line):
    """In the pass an object that refers to another property's fails, names field and object, and does not bring it."""
    line = refusing_line
    line.sql("update bare.booking set party_id = case booking_id when 1 then 1 else 2 end where booking_id in (1, 6)")
    line.start()
    line.drain()
    entity, key, reason = failed(line)
    assert (entity, key) == ("booking", "6")
    assert "party_id refers to party '2'" in reason
    assert "does not belong to the property 'P'" in reason
    assert (parties(line), party_of(line, "N1"), party_of(line, "N6")) == (["P1"], "P1", None)
    assert line.journal().outside() == {}, "it was sent"
    line.sql("update bare.booking set party_id = 1 where booking_id = 6")
    line.drain()
    assert (parties(line), party_of(line, "N6")) == (["P1"], "P1")


def test_of_a_change(refusing_line):
    """A change to such a reference fails the object; it keeps what it had, and goes on when the reference is mended."""
    line = refusing_line
    line.sql("update bare.booking set party_id = 1 where booking_id = 1")
    line.start()
    line.drain()
    line.sql("update bare.booking set party_id = 2, amount = 77 where booking_id = 1")
    line.drain()
    assert failed(line)[:2] == ("booking", "1")
    assert (parties(line), party_of(line, "N1")) == (["P1"], "P1")
    reask(line, ("booking", "1"))
    line.drain()
    assert states(line) == {("booking", "1"): "failed"}
    line.sql("update bare.booking set party_id = null where booking_id = 1")


def test_of_a_part(refusing_line):
    """A part's reference to a part of another property's object fails the whole object, and names the part."""
    line = refusing_line
    line.start()
    line.drain()
    line.sql("update bare.line set posting_id = 4 where invoice_id = 1")
    line.drain()
    entity, key, reason = failed(line)
    assert (entity, key) == ("invoice", "1")
    assert "line.posting_id refers to booking.posting '4'" in reason
    line.sql("update bare.line set posting_id = 1 where invoice_id = 1")


def test_it_changes_hands(refusing_line):
    """What is referred to leaves the property: the object fails though it did not change; coming back lets it go on."""
    line = refusing_line
    line.sql("update bare.booking set party_id = 1 where booking_id = 1")
    line.start()
    line.drain()
    line.sql("update bare.party set property = 'Q' where party_id = 1")
    line.drain()
    assert states(line)[("booking", "1")] == "failed"
    line.sql("update bare.party set property = 'P' where party_id = 1")
    line.drain()
    assert (states(line), parties(line), party_of(line, "N1")) == ({}, ["P1"], "P1")


def test_it_leaves_for_good(refusing_line):
    """What is referred to leaves the property, and the object is mended: what left is taken away at the target."""
    line = refusing_line
    line.sql("update bare.booking set party_id = 1 where booking_id = 1")
    line.start()
    line.drain()
    line.sql("update bare.party set property = 'Q' where party_id = 1")
    line.drain()
    assert line.journal().outside() == {}, "it was sent"
    line.sql("update bare.booking set party_id = null where booking_id = 1")
    line.drain()
    assert (states(line), parties(line), party_of(line, "N1")) == ({}, [], None)


def test_a_part_goes_to_another_root(refusing_line):
    """A part that is referred to goes to another property's object: who names it fails, and is mended by its return."""
    line = refusing_line
    line.start()
    line.drain()
    line.sql("update bare.posting set booking_id = 4 where posting_id = 1")
    line.drain()
    assert states(line)[("invoice", "1")] == "failed"
    line.sql("update bare.posting set booking_id = 2 where posting_id = 1")
    line.drain()
    assert states(line) == {}


def test_a_part_goes_to_another_root_for_good(refusing_line):
    """A part that is referred to goes to another property's object, and who names it is mended: all goes on."""
    line = refusing_line
    line.start()
    line.drain()
    line.sql("update bare.posting set booking_id = 4 where posting_id = 1")
    line.drain()
    line.sql("update bare.line set posting_id = 2 where invoice_id = 1")
    line.drain()
    assert states(line) == {}


def test_shared_is_never_outside(refusing_line):
    """What several properties share belongs to whoever refers to it, so that nothing is refused."""
    line = refusing_line
    line.sql("update bare.person set employer_id = 20 where person_id = 2")
    line.start()
    line.drain()
    assert states(line) == {}
