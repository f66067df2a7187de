"""Dangerous moments of keys that are kept: another's row has the key, two become one, a part changes its object."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from slacktide.plan.load import load_plan
from slacktide.transfer import verify_sql
from slacktide.transfer.verify_sql import Side
from tests.transfer.line import Databases, Line
from tests.transfer.test_moment_refused import reask, states

HERE = Path(__file__).parent
PLAN = load_plan(path=HERE / "kept.yaml")
SCHEMA = (HERE / "kept.sql").read_text()
# What stands at the target: another property's rows under keys that the source has too.
NATIVE = """
insert into kept.property (code) values ('Z');
insert into kept.space values ('Z', 'A');
insert into kept.folio (property, name) select 'Z', 'native ' || n from generate_series(1, 9) n;
insert into kept.ticket (ticket_no, folio_id, amount) values (500, 3, 77);
insert into kept.slot values ('A', '2026-05-01', 4);
"""
SEED = """
insert into kept.folio (property, name)
    select case when n % 4 = 0 then 'Q' else 'P' end, 'folio ' || n from generate_series(1, 8) n;
insert into kept.ticket (ticket_no, folio_id, amount, seat)
    select 10 + folio_id, folio_id, 1, 's' || folio_id from kept.folio;
insert into kept.seat select folio_id, s, 'round ' || s from kept.folio, unnest(array['A', 'B']) s;
insert into kept.posting (folio_id, amount) select folio_id, 1 from kept.folio;
insert into kept.remark (property, posting_id, text) values ('P', 1, 'one'), ('P', 4, 'four'), ('P', 2, 'two');
insert into kept.voucher (property, name) values ('P', 'v1'), ('Q', 'v2'), ('P', 'v3');
"""
SAME = {"A": "A", "B": "B", "C": "C"}


@pytest.fixture(scope="module")
def keeping(server):
    """Give the templates of these tests' lines."""
    return Databases(server, plan=PLAN, schema=SCHEMA, native=NATIVE)


@pytest.fixture
def line(keeping, tmp_path):
    """Give a started line whose objects have arrived."""
    line = Line(**keeping.addresses(), folder=tmp_path, plan=PLAN)
    try:
        line.sql(SEED)
        convert(line, SAME)
        line.start()
        line.drain()
        assert line.problems() == []
        yield line
    finally:
        line.end()


def convert(line, codes):
    """Map the codes of spaces."""
    for source, target in codes.items():
        line.control.execute(
            "insert into slacktide.conversion values (%s, 'space', %s, %s) on conflict (move_id, list, source_code) "
            "do update set target_code = excluded.target_code",
            [line.move_id, source, target],
        )


def at_target(line, statement):
    return line.checking.execute(statement).fetchall()


def reason(line, key, entity="folio"):
    (found,) = [text for name, of, _, text in line.problems() if (name, of) == (entity, key)]
    return found


# -- a key that another one has ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("root", ["1", "new"])
def test_row_of_another_property_is_not_taken(line, root):
    """A part whose kept key another property's row has at the target fails its object, which names the row's owner."""
    root = root if root == "1" else str(line.sql("insert into kept.folio (property, name) values ('P', 'new') "
                                                 "returning folio_id").fetchone()[0])  # fmt: skip
    line.sql(f"begin; insert into kept.ticket values (500, {root}, 5, 'mine'); "
             f"update kept.folio set name = name || '!' where folio_id in ({root}, 2); commit")  # fmt: skip
    line.drain()
    assert at_target(line, "select folio_id, amount, seat from kept.ticket where ticket_no = 500") == [(3, 77, None)]
    assert states(line) == {("folio", root): "failed"}
    for said in ("kept.ticket", "ticket_no '500'", "folio '3'", "'Z'"):
        assert said in reason(line, root)
    assert at_target(line, "select name from kept.folio where name like '%!'") == [("folio 2!",)]
    line.sql("update kept.ticket set ticket_no = 501 where ticket_no = 500")
    line.drain()
    assert line.problems() == []
    line.check()


def test_row_of_another_object_is_not_taken(line):
    """A part whose key another object of the move has at the target waits for it, and arrives when that one lets go."""
    line.checking.execute("alter table kept.folio add constraint refuse check (name <> 'bad') not valid")
    line.sql("begin; update kept.ticket set folio_id = 2 where folio_id = 1; "
             "update kept.folio set name = 'bad' where folio_id = 1; "
             "update kept.folio set name = 'good' where folio_id = 3; commit")  # fmt: skip
    line.drain()
    assert states(line) == {("folio", "1"): "failed", ("folio", "2"): "failed"}
    for said in ("kept.ticket", "ticket_no '11'", "folio '1'"):
        assert said in reason(line, "2")
    line.checking.execute("alter table kept.folio drop constraint refuse")
    reask(line, ("folio", "1"))
    line.drain()
    assert line.problems() == []
    line.check()


def test_part_with_kept_key_moves(line):
    """Parts with kept keys are swapped between objects, go over from one that is deleted, and with a bad one beside."""
    line.sql("begin; update kept.ticket set folio_id = 3 - folio_id where folio_id in (1, 2); "
             "update kept.ticket set seat = seat || 'x' where ticket_no = 11; commit")  # fmt: skip
    line.drain()
    assert line.problems() == []
    line.checking.execute("alter table kept.folio add constraint refuse check (name <> 'bad') not valid")
    line.sql("begin; update kept.ticket set folio_id = 3 - folio_id where folio_id in (1, 2); "
             "update kept.folio set name = 'bad' where folio_id = 3; commit")  # fmt: skip
    line.drain()
    assert states(line) == {("folio", "3"): "failed"}
    line.checking.execute("alter table kept.folio drop constraint refuse")
    reask(line, ("folio", "3"))
    line.sql("begin; delete from kept.seat where folio_id = 5; delete from kept.posting where folio_id = 5; "
             "update kept.ticket set folio_id = 6 where folio_id = 5; "
             "delete from kept.folio where folio_id = 5; commit")  # fmt: skip
    line.drain()
    assert line.problems() == []
    line.check()


# -- two keys that become one ------------------------------------------------------------------------------------------


def read_again(line, *keys):
    """Have folios read again, as a changed mapping does."""
    reask(line, *[("folio", key) for key in keys])
    line.drain(compare=False)


@pytest.mark.parametrize("known", [True, False])
def test_codes_that_become_one(line, known):
    """An object of which two parts get one key by a mapping fails alone and says why; mended, it arrives."""
    convert(line, {"B": "A"})
    line.sql("insert into kept.seat values (1, 'C', 'rows'); delete from kept.seat where space = 'B' and folio_id <> 1")
    if not known:
        line.sql("begin; insert into kept.folio values (20, 'P', 'new'); "
                 "insert into kept.seat values (20, 'A', 'x'), (20, 'B', 'y'); commit")  # fmt: skip
    line.drain(compare=False)
    bad = {"1"} if known else {"1", "20"}
    assert states(line) == {("folio", key): "failed" for key in bad}
    for said in ("kept.seat", "'A'", "'B'", "space", "move convert m"):
        assert said in reason(line, max(bad, key=int))
    assert at_target(line, "select count(*) from kept.seat where space = 'C'") == [(0,)]
    assert at_target(line, "select count(*) from kept.seat where space = 'B'") == [(1,)]
    convert(line, {"B": "B"})
    read_again(line, *bad)
    assert line.problems() == []
    line.check()


def test_changed_mapping_gives_a_part_another_key(line):
    """A changed mapping takes the row with the old key away and writes one with the new key; so does one that swaps."""
    convert(line, {"A": "C"})
    read_again(line, "1", "2", "3", "5", "6", "7")
    assert line.problems() == []
    rows = at_target(line, "select space, setup, count(*) from kept.seat group by 1, 2 order by 1")
    assert rows == [("B", "round B", 6), ("C", "round A", 6)]
    convert(line, {"A": "B", "B": "C"})
    read_again(line, "1", "2", "3", "5", "6", "7")
    rows = at_target(line, "select space, setup, count(*) from kept.seat group by 1, 2 order by 1")
    assert rows == [("B", "round A", 6), ("C", "round B", 6)]
    convert(line, SAME)
    read_again(line, "1", "2", "3", "5", "6", "7")
    line.check()


@pytest.mark.parametrize("holder", [None, "2"])
def test_codes_that_become_one_in_two_objects(line, holder):
    """Of two objects whose parts get one key by a mapping one keeps it and the other fails; mended, it arrives."""
    line.sql("delete from kept.seat where space = 'B'")
    convert(line, {"B": "A"})
    if holder:
        line.sql("insert into kept.slot values ('B', '2026-06-01', 2)")
        line.drain(compare=False)
    line.sql("begin; insert into kept.slot values ('A', '2026-06-01', 1); update kept.folio set name = 'x'; "
             "insert into kept.slot values ('B', '2026-06-01', 2) on conflict do nothing; commit")  # fmt: skip
    line.drain(compare=False)
    first, other = ("2", "1") if holder else ("1", "2")
    assert states(line) == {("folio", other): "failed"}
    for said in ("space 'A', day '2026-06-01' of kept.slot", f"folio {first!r}"):
        assert said in reason(line, other)
    assert at_target(line, "select count(*) from kept.folio where name = 'x'") == [(5,)]
    convert(line, {"B": "B"})
    read_again(line, "1", "2")
    assert line.problems() == []
    line.check()


def test_code_that_becomes_another_propertys(line):
    """A part that gets the key of another property's row by a mapping fails its object, and that row stays."""
    line.sql("insert into kept.slot values ('A', '2026-05-01', 1)")
    line.drain()
    for said in ("day '2026-05-01' of kept.slot", "folio '4' of the property 'Z'"):
        assert said in reason(line, "1")
    assert at_target(line, "select folio_id from kept.slot") == [(4,)]


# -- a part that changes its object, and who may refer to it by null ---------------------------------------------------


def remarks(line):
    """Give the remarks at the target that refer to a posting."""
    return {text for (text,) in at_target(line, "select text from kept.remark where posting_id is not null")}


def test_left_null_follows_the_part(line):
    """A reference that is null while it leads to another property's part follows that part from object to object."""
    assert remarks(line) == {"one", "two"}
    line.sql("update kept.posting set folio_id = 8 where posting_id = 1")
    line.drain()
    assert remarks(line) == {"two"}
    line.sql("begin; update kept.posting set folio_id = 2 where posting_id = 1; "
             "update kept.posting set folio_id = 3 where posting_id = 4; commit")  # fmt: skip
    line.drain()
    assert remarks(line) == {"one", "two", "four"}
    line.sql("update kept.posting set folio_id = 5 where posting_id = 1")
    line.drain()
    line.sql("begin; update kept.posting set folio_id = 4 where posting_id in (1, 2); "
             "update kept.posting set folio_id = 5 where posting_id = 4; commit")  # fmt: skip
    line.drain()
    assert remarks(line) == {"four"}
    line.check()


def test_left_null_arrives(line):
    """A part that comes into being under an object of the property gives the reference that waited for it its value."""
    line.halt()
    line.sql("alter table kept.remark drop constraint remark_posting_id_fkey")
    line.prepare_again()
    line.start()
    line.sql("insert into kept.remark (property, posting_id, text) values ('P', 99, 'early')")
    line.drain(compare=False)
    assert "early" not in remarks(line)
    line.sql("insert into kept.posting values (99, 2, 1)")
    line.drain(compare=False)
    assert "early" in remarks(line)
    assert line.problems() == []


def test_left_null_on_a_part_is_verified_row_by_row(line):
    """The verification of everything looks a part's root up for each reference to it, and goes through none of them."""
    facts = {"known": [], "property": "P", "target_property": "P", "codes_space": "{}"}
    statement = verify_sql.digests(PLAN, PLAN.entity["remark"], Side.SOURCE, whole=True)
    with line.trading.transaction(force_rollback=True):
        line.sql("set local enable_nestloop = off")  # as what reads everything does
        cursor = psycopg.ClientCursor(line.trading)
        explained = cursor.execute(sql.SQL("explain {}").format(statement), facts).fetchall()
    assert not [node for (node,) in explained if "Join" in node or "Hash" in node]


def test_left_null_on_a_part_that_has_not_arrived(line):
    """A reference to a part whose object fails waits for it, and both arrive when that one is mended."""
    line.checking.execute("alter table kept.folio add constraint refuse check (name <> 'bad') not valid")
    line.sql("begin; insert into kept.folio values (30, 'P', 'bad'); insert into kept.posting values (300, 30, 1); "
             "update kept.remark set posting_id = 300 where text = 'one'; commit")  # fmt: skip
    line.drain()
    assert states(line) == {("folio", "30"): "failed", ("remark", "1"): "waiting"}
    line.checking.execute("alter table kept.folio drop constraint refuse")
    reask(line, ("folio", "30"))
    line.drain()
    assert line.problems() == []
    line.check()


def test_root_of_another_property_is_not_taken(line):
    """An object whose kept key another property's row has at the target fails alone, by key, and that row stays."""
    line.checking.execute("insert into kept.voucher values (50, 'Z', 'theirs')")
    line.sql("insert into kept.voucher values (50, 'P', 'ours'), (51, 'P', 'beside')")
    line.drain(compare=False)
    assert states(line) == {("voucher", "50"): "failed"}
    assert "(voucher_no)=(50)" in reason(line, "50", entity="voucher")
    assert at_target(line, "select name from kept.voucher where voucher_no >= 50") == [("theirs",), ("beside",)]
