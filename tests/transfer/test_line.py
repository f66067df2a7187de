"""One line between two bare databases: the pass, changes, and what is dangerous about references."""

from __future__ import annotations

import itertools
import os

import psycopg
import pytest

from tests.transfer.line import Line, fresh

_number = itertools.count(1)


@pytest.fixture
def line(server, tmp_path):
    """Give a prepared and started line with a few objects."""
    stem = f"line_{os.getpid()}_{next(_number)}"
    line = Line(
        control=fresh(server, f"{stem}_c", schema=None),
        source=fresh(server, f"{stem}_s"),
        target=fresh(server, f"{stem}_t"),
        folder=tmp_path,
    )
    with psycopg.connect(line.addresses[0], autocommit=True) as source:
        source.execute(
            "insert into bare.person (name, email, employer_id) select 'person '||n, 'p'||n||'@x', null from generate_series(1, 20) n;"
            "insert into bare.booking (property, number, person_id, amount, note, raw, share, flags, seen) select case when n %% 4 = 0 then 'Q' else 'P' end, 'N'||n, 1 + n %% 20, n, "
            "  E'line\\nbreak\\ttab \\\\N \"quoted\" <tag> & \\x01 \\u00e9 \\U0001F600', decode('00ff5c', 'hex'), -0.0::float8, '{\"a\": \"<&\\\\n\"}', now() from generate_series(1, 40) n;"
            "insert into bare.night select booking_id, date '2026-01-01' + d, null, 10.50 from bare.booking, generate_series(0, 2) d;"
            "insert into bare.posting (booking_id, amount, reference) select booking_id, 1.25, 'R'||booking_id from bare.booking;"
            "insert into bare.account (property, name) values ('P', 'a'), ('P', 'b'), ('Q', 'c');"
            "insert into bare.invoice (account_id, number, issued) select account_id, 'I'||account_id, '2026-01-01' from bare.account;"
            "insert into bare.line (invoice_id, posting_id, amount) select invoice_id, invoice_id, 3 from bare.invoice;".replace(
                "%%", "%"
            )
        )
        line.sql = source.execute
        try:
            line.prepare()
            line.start()
            yield line
        finally:
            line.stop()


def test_pass(line):
    """After the pass the target holds the property's objects and what they refer to, and nothing else."""
    assert line.drain() > 0
    assert line.problems() == []


def test_changes(line):
    """A change of every kind arrives."""
    line.drain()
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
    line.drain()
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
    line.drain()
    line.sql("update bare.posting set booking_id = 4 where posting_id = 1")
    line.drain()
    line.sql("update bare.booking set amount = 77 where booking_id = 4")
    line.drain()
    line.sql("update bare.line set posting_id = null where posting_id = 1")
    line.drain()
    assert line.problems() == []


def test_object_leaves(line):
    """An object leaves the property: it stays while others refer to it, is kept up to date, and goes when nothing does."""
    line.drain()
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
    line.drain()
    line.sql(
        "update bare.account set property = 'P' where name = 'c'; update bare.account set property = 'Q' where name = 'a'"
    )
    line.drain()
    assert line.problems() == []


def test_cycle(line):
    """Both ends of a cycle are made in one transaction, and deleted in another."""
    line.drain()
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
    line.drain()
    line.sql(
        "begin; update bare.booking set person_id = 2 where person_id = 3; delete from bare.person where person_id = 3;"
        "update bare.person set email = 'p3@x' where person_id = 2; commit"
    )
    line.drain()
    assert line.problems() == []
