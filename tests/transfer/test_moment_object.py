"""Dangerous moments of objects: what crosses the property's border, what is gone, what takes another one's place."""

from __future__ import annotations

import pytest

from slacktide.transfer.source import SchemaChanged
from tests.transfer.conftest import SEED

BOOK = "insert into bare.booking (booking_id, property, number, person_id, amount{}) values ({})"
DELETE = (
    "delete from bare.night where booking_id = {0}; delete from bare.line where posting_id in "
    "(select posting_id from bare.posting where booking_id = {0}); delete from bare.posting where booking_id = {0}; "
    "delete from bare.booking where booking_id = {0};"
)


def at_target(line, statement):
    return line.checking.execute(statement).fetchall()


def numbers(line):
    return {number for (number,) in at_target(line, "select number from bare.booking where property <> 'Z'")}


def test_part_moves_outside(line):
    """A posting that our invoice names moves to another property's booking: that one comes, and goes with the name."""
    line.sql("update bare.posting set booking_id = 4 where posting_id = 1")
    line.drain()
    assert "N4" in numbers(line)
    line.sql("update bare.line set posting_id = null where posting_id = 1")
    line.drain()
    assert "N4" not in numbers(line)


def test_part_without_key_moves(line):
    """A night moves to another booking: it is there once, although only the old identity names where it was."""
    line.sql("update bare.night set booking_id = 18 where booking_id = 17 and day = '2026-01-01' and not exists "
             "(select from bare.night where booking_id = 18 and day = '2026-01-01')")  # fmt: skip
    line.sql("update bare.night set booking_id = 18, day = '2027-01-01' where booking_id = 17 and day = '2026-01-01'")
    line.drain()


def test_object_leaves(line):
    """An object that leaves the property stays while others refer to it, is kept up to date, and goes with the last."""
    line.sql("update bare.booking set sharer_id = 6 where booking_id = 1")
    line.sql("update bare.booking set property = 'Q' where booking_id = 6")
    line.drain()
    line.sql("update bare.booking set amount = 4321 where booking_id = 6")
    line.drain()
    assert at_target(line, "select property from bare.booking where amount = 4321") == [("Q",)]
    line.sql("update bare.booking set sharer_id = null where booking_id = 1")
    line.drain()
    assert "N6" not in numbers(line)


def test_ring_outside(line):
    """Objects outside that refer to each other hold nobody: they go when the property does not reach them."""
    line.sql(
        "update bare.booking set sharer_id = 8 where booking_id = 4; "
        "update bare.booking set sharer_id = 4 where booking_id = 8"
    )
    line.sql("update bare.booking set sharer_id = 4 where booking_id = 1")
    line.drain()
    assert {"N4", "N8"} <= numbers(line)
    line.sql("update bare.booking set sharer_id = null where booking_id = 1")
    line.drain()
    assert not {"N4", "N8"} & numbers(line)


def test_line_and_its_posting_go(line):
    """An invoice goes together with a posting that it named, of a booking that stays."""
    line.sql("begin; delete from bare.line where posting_id = 2; delete from bare.invoice where invoice_id = 2; "
             "delete from bare.posting where posting_id = 2; commit")  # fmt: skip
    line.drain()
    assert line.problems() == []


def test_derived_property(line):
    """An account changes hands: its invoices come or go with it although none of them changed."""
    line.sql("begin; update bare.account set property = 'P' where name = 'c'; "
             "update bare.account set property = 'Q' where name = 'a'; commit")  # fmt: skip
    line.drain()
    there = {number for (number,) in at_target(line, "select number from bare.invoice where number <> 'native'")}
    assert "I3" in there
    assert "I1" not in there


def test_account_made_again(line):
    """An account is deleted and made again under its key for another property, in one transaction: its invoices go."""
    line.sql("begin; delete from bare.line where invoice_id = 1; delete from bare.invoice where invoice_id = 1; "
             "delete from bare.account where account_id = 1; insert into bare.account values (1, 'Q', 'a'); "
             "insert into bare.invoice values (1, 1, 'I1', '2026-01-01'); commit")  # fmt: skip
    line.drain()
    assert ("I1",) not in at_target(line, "select number from bare.invoice")


def test_account_made_again_under_its_invoices(bare_line):
    """An account is deleted and made again for another property while its invoices stay: they go, though untouched."""
    line = bare_line
    line.sql(SEED + "alter table bare.invoice alter constraint invoice_account_id_fkey deferrable")
    line.start()
    line.drain()
    line.sql("begin; set constraints all deferred; delete from bare.account where account_id = 1; "
             "insert into bare.account values (1, 'Q', 'a'); commit")  # fmt: skip
    line.drain()
    assert ("I1",) not in at_target(line, "select number from bare.invoice")
    line.check()


def test_both_ends_of_a_cycle_deleted(line):
    """Both ends of a cycle are deleted in one transaction."""
    line.sql("begin; insert into bare.party (property, name) values ('P', 'wedding'); "
             "update bare.booking set party_id = 1 where booking_id in (13, 14); "
             "update bare.party set master_booking_id = 13; commit")  # fmt: skip
    line.drain()
    line.sql("begin; update bare.party set master_booking_id = null; update bare.booking set party_id = null; "
             f"{DELETE.format(13)} delete from bare.party; commit")  # fmt: skip
    line.drain()
    assert line.problems() == []
    assert "N13" not in numbers(line)
    assert at_target(line, "select 1 from bare.party") == []


def test_unique_values_swap(line):
    """Two objects swap a unique value in one transaction, and parts of different objects do."""
    line.sql("begin; update bare.booking set number = 'x' where booking_id = 1; "
             "update bare.booking set number = 'N1' where booking_id = 2; "
             "update bare.booking set number = 'N2' where booking_id = 1; "
             "update bare.posting set reference = null where posting_id = 3; "
             "update bare.posting set reference = 'R3' where posting_id = 5; "
             "update bare.posting set reference = 'R5' where posting_id = 3; commit")  # fmt: skip
    line.drain()
    assert line.problems() == []


def test_unique_value_handed_over(line):
    """A deleted object hands its unique value over to a new one in the same transaction."""
    line.sql(f"begin; {DELETE.format(9)} {BOOK.format('', '900, $$P$$, $$N9$$, 3, 1')}; commit")
    line.drain()
    assert line.problems() == []
    assert "N9" in numbers(line)


def test_unique_value_of_a_part_handed_over(line):
    """A deleted part of an object that stays hands its unique value over to a part of another one."""
    line.sql("begin; update bare.line set posting_id = null where posting_id = 7; "
             "delete from bare.posting where posting_id = 7; "
             "update bare.posting set reference = 'R7' where posting_id = 6; commit")  # fmt: skip
    line.drain()
    assert line.problems() == []


def test_profiles_merge(line):
    """A person is merged into another one that takes its unique value over."""
    line.sql("begin; update bare.booking set person_id = 2 where person_id = 3; "
             "delete from bare.person where person_id = 3; "
             "update bare.person set email = 'p3@x' where person_id = 2; commit")  # fmt: skip
    line.drain()
    assert line.problems() == []
    assert len(at_target(line, "select 1 from bare.person where email = 'p3@x'")) == 1


def test_texts(line):
    """Every text arrives as it is: control characters, COPY's own escapes, NULL and the empty text."""
    texts = [
        "",
        "\\N",
        "\\",
        "\t\n\r\b\f\v",
        "\x01\x7f",
        "<&>\"'",
        "\ufffe\uffff",
        "\U0001f600",
        " lead and trail ",
        "x" * 20000,
    ]
    for key, text in enumerate(texts, start=1):
        line.sql("update bare.booking set note = %s where booking_id = %s", text, key if key % 4 else key + 40)
        line.sql("update bare.person set name = %s where person_id = %s", text, key)
    line.sql("update bare.booking set note = null where booking_id = 11")
    line.drain()
    assert line.problems() == []


def test_truncate(line):
    """A part table is emptied: the parts go, although the stream names no object."""
    line.sql("truncate bare.night")
    line.drain()
    assert at_target(line, "select count(*) from bare.night where room is null or room not like 'native%'") == [(0,)]


@pytest.mark.parametrize(
    "statement",
    [
        "alter table bare.booking alter column amount type numeric(14,2)",
        "alter table bare.posting add column added text",
        "alter table bare.booking enable row level security",
        "alter table bare.person replica identity nothing",
    ],
)
def test_table_changed(started, statement):
    """A changed table stops the processes and is named; nothing is deleted."""
    started.drain()
    before = numbers(started)
    started.sql(statement)
    started.sql("update bare.account set name = 'other' where account_id = 1")
    started.catch_up()
    with pytest.raises(SchemaChanged, match=statement.split()[2]):
        started.step()
    assert numbers(started) == before


def test_row_level_security(started):
    """Where a policy hides rows from the reader, nothing is read: absence would mean deletion."""
    started.drain()
    started.sql("alter table bare.booking enable row level security, force row level security")
    with pytest.raises(SchemaChanged, match=r"bare\.booking"):
        started.generate(even_if_empty=True)
