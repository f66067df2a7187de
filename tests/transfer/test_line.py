"""One line between two bare databases: the pass, and changes of every kind."""

from __future__ import annotations

from slacktide.transfer import apply, generate, writing


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
        "delete from bare.night where booking_id = 5; update bare.line set posting_id = null; "
        "delete from bare.posting where booking_id = 5; delete from bare.booking where booking_id = 5"
    )
    assert line.drain() > 0


def test_a_large_batch_goes_in_pieces(started, monkeypatch):
    """A batch whose objects are read, asked for and copied some at a time is the same batch."""
    for module, size in ((generate, "RANGE_OBJECTS"), (apply, "_ASKED_TOGETHER"), (writing, "_COPIED_TOGETHER")):
        monkeypatch.setattr(module, size, 3)
    started.drain()
    started.sql("begin; update bare.booking set amount = amount + 1, number = 'x' || (booking_id + 1); "
                "delete from bare.line; delete from bare.posting where booking_id < 12; "
                "delete from bare.night where booking_id < 12; delete from bare.booking where booking_id < 12; "
                "insert into bare.booking (property, number, person_id, amount) "
                "select 'P', 'new ' || n, n, n from generate_series(1, 10) n; commit")  # fmt: skip
    assert started.drain() == 1
    assert started.problems() == []
    started.check()
