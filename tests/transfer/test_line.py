"""One line between two bare databases: the pass, changes, and what is dangerous about references."""

from __future__ import annotations


def test_pass(started):
    """After the pass the target holds the property's objects and what they refer to, and nothing else."""
    assert started.drain() > 0
    assert started.problems() == []
    started.check()
    started.clean()


def test_changes(line):
    """A change of every kind arrives."""
    line.sql("update bare.booking set amount = amount + 1 where property = 'P'")
    line.sql("delete from bare.night where booking_id = 1; insert into bare.night values (1, '2027-01-01', 'r', 5)")
    line.sql("update bare.person set name = 'other'")
    line.sql("update bare.booking set booking_id = 1000 where false")
    assert line.drain() > 0
    line.sql(
        "delete from bare.night where booking_id = 5; update bare.line set posting_id = null; delete from bare.posting where booking_id = 5; delete from bare.booking where booking_id = 5"
    )
    assert line.drain() > 0


def test_unique_values_swap(line):
    """Two objects swap a unique value, and a deleted one hands its own over."""
    line.sql(
        "begin; update bare.booking set number = 'x' where booking_id = 1; update bare.booking set number = 'N1' where booking_id = 2; update bare.booking set number = 'N2' where booking_id = 1; commit"
    )
    line.sql(
        "begin; update bare.posting set reference = null where posting_id = 3; update bare.posting set reference = 'R3' where posting_id = 6; commit"
    )
    line.sql(
        "update bare.person set email = 'z' where person_id = 7; update bare.person set email = 'p7@x' where person_id = 8"
    )
    assert line.drain() > 0
    line.sql(
        "begin; delete from bare.night where booking_id = 9; delete from bare.posting where booking_id = 9; delete from bare.booking where booking_id = 9;"
        "insert into bare.booking (property, number, person_id, amount) values ('P', 'N9', 3, 1); commit"
    )
    assert line.drain() > 0
    assert line.problems() == []


def test_part_moves_outside(line):
    """A posting that an invoice of ours names moves to another property's booking: that booking comes along, and goes when it is no longer named."""
    line.sql("update bare.posting set booking_id = 4 where posting_id = 1")
    line.drain()
    line.sql("update bare.booking set amount = 77 where booking_id = 4")
    line.drain()
    line.sql("update bare.line set posting_id = null where posting_id = 1")
    line.drain()
    assert line.problems() == []


def test_object_leaves(line):
    """An object leaves the property: it stays while others refer to it, is kept up to date, and goes when nothing does."""
    line.sql("update bare.booking set sharer_id = 2 where booking_id = 1")
    line.sql("update bare.booking set property = 'Q' where booking_id = 2")
    line.drain()
    line.sql("update bare.booking set note = 'still here' where booking_id = 2")
    line.drain()
    line.sql("update bare.booking set sharer_id = null where booking_id = 1")
    line.drain()
    line.sql("update bare.booking set property = 'P' where booking_id = 2")
    line.drain()
    assert line.problems() == []


def test_derived_property(line):
    """An account changes hands: its invoices come or go with it although none of them changed."""
    line.sql(
        "update bare.account set property = 'P' where name = 'c'; update bare.account set property = 'Q' where name = 'a'"
    )
    line.drain()
    assert line.problems() == []


def test_cycle(line):
    """Both ends of a cycle are made in one transaction, and deleted in another."""
    line.sql(
        "begin; insert into bare.party (property, name) values ('P', 'wedding');"
        "update bare.booking set party_id = 1 where booking_id in (1, 2); update bare.party set master_booking_id = 1; commit"
    )
    line.drain()
    line.sql("begin; update bare.party set master_booking_id = 2; commit")
    line.drain()
    line.sql(
        "insert into bare.booking (booking_id, property, number, person_id, amount, party_id) values (500, 'P', 'C', 1, 1, 1);"
        "update bare.party set master_booking_id = 500; update bare.booking set party_id = null where booking_id < 100"
    )
    line.drain()
    line.sql(
        "begin; update bare.party set master_booking_id = null; delete from bare.booking where booking_id = 500; delete from bare.party; commit"
    )
    line.drain()
    assert line.problems() == []


def test_profiles_merge(line):
    """A person is merged into another one that takes over its unique value."""
    line.sql(
        "begin; update bare.booking set person_id = 2 where person_id = 3; delete from bare.person where person_id = 3;"
        "update bare.person set email = 'p3@x' where person_id = 2; commit"
    )
    line.drain()
    assert line.problems() == []
