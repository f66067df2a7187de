"""Every kind of difference is found by its object, and what is the same in another form is not one."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from slacktide.transfer import verify_sql
from slacktide.transfer.total import totals
from slacktide.transfer.verify import digests
from slacktide.transfer.verify_sql import Side
from tests.transfer.conftest import SEED
from tests.transfer.line import Databases
from tests.transfer.verified import FULL_SCHEMA, PLAN, TODAY, VerifiedLine

THINGS = """
insert into bare.thing (property, kind, mate_id, n, f, r, every, c, j, jb, seen, at, day, yes, raw, words)
    select 'P', 'A', null, 1.50, '-0', 1.25, '1 mon 2 days 3.5 sec', 'ab', '{"b": 1.0, "a": [2.50, "3.00"]}',
    '{"b": 1.0, "a": [2.50, "3.00"]}', '2026-03-01 12:00:00.000001+02', '2026-03-01 12:00', 'infinity', true, '\\x00ff',
    array['a,"b', null, ''] from generate_series(1, 3);
insert into bare.thing (property, kind, mate_id) values ('Q', 'B', null), ('P', 'B', 1), ('P', 'B', 4);
insert into bare.thing (property, kind, every, jb, seen, raw, words)
    select property, kind, every, jb, seen, raw, words from bare.thing, generate_series(1, 7) where thing_id = 1;
"""


@pytest.fixture(scope="module")
def templates(server):
    """Give the templates of this module's lines."""
    return Databases(server, plan=PLAN, schema=FULL_SCHEMA)


@pytest.fixture
def line(templates, tmp_path):
    """Give a line whose pass has arrived."""
    line = VerifiedLine(**templates.addresses(), folder=tmp_path)
    try:
        line.sql(SEED + THINGS)
        line.sql("update bare.booking set rate = 'R'")
        line.start()
        line.drain()
        yield line
    finally:
        line.drop()


ORDER = [entity.name for entity in PLAN.moving]


def found(line):
    """Compare, and give the differences as entity, source key and sentence."""
    verification = line.compare()
    assert verification.different == len(verification.differences)
    assert verification.equal == (verification.different == 0)
    return [(d.entity, d.key, d.what) for d in verification.differences]


def keyed(table, column, source_key):
    """Write a condition that finds a target row by its source key."""
    name = next(t.name for t in PLAN.table.values() if t.qualified == table)
    key = f"select target_key::bigint from slacktide.key_map where name = '{name}' and source_key = '{source_key}'"
    return f"{column} = ({key})"


def test_nothing_differs(line):
    """After the pass both sides are equal: objects, rows and totals, with codes and keys converted."""
    verification = line.compare()
    assert verification.differences == []
    assert verification.equal
    assert verification.rows["source"]["booking"] == 30
    assert verification.rows["target"]["booking.night"] == 90
    assert verification.totals["target"]["ledger"] == {"EUR": 37.5}
    assert verification.totals["source"]["nights"] == {"2026-01-02": 30, "2026-01-03": 30}


CHANGES = [
    ("update bare.posting set amount = amount + 0.01 where {}", "booking", "1", "posting 1 amount differs"),
    ("delete from bare.night where {} and day = '2026-01-02'", "booking", "2", "it has 3 rows of night at the"),
    ("update bare.booking set note = '' where {}", "booking", "3", "note differs"),
    ("update bare.booking set rate = 'R' where {}", "booking", "5", "rate is to be 'S' and is 'R'"),
    ("update bare.booking set share = 1e-300 where {}", "booking", "6", "share differs"),
    ("update bare.person set employer_id = person_id where {}", "person", "2", "employer_id is null at the source"),
    ("update bare.thing set every = '32 days 3.5 sec' where {}", "thing", "7", "every differs"),
    ("update bare.thing set words = array['a,\"b', '', ''] where {}", "thing", "8", "words differs"),
    ("update bare.thing set jb = '{{\"b\": 1, \"a\": [2.5, \"3.0\"]}}' where {}", "thing", "9", "jb differs"),
    ("update bare.thing set seen = seen + '1 microsecond' where {}", "thing", "10", "seen differs"),
    ("update bare.thing set raw = '\\x00' where {}", "thing", "11", "raw differs"),
    ("update bare.thing set property = 'Q' where {}", "thing", "12", "property differs"),
    (
        "update slacktide.key_map set outside = true where name = 'thing' and source_key = '13'", "thing", "13",
        "it is the property's own at the source, and taken for another property's at the target",
    ),
]  # fmt: skip


def test_one_value(line):
    """One value that is another one is found, whatever its type, with its object and column."""
    for change, entity, key, _ in CHANGES:
        name = "booking.posting" if "bare.posting" in change else entity
        line.tamper(change.format(keyed(PLAN.table[name].qualified, PLAN.table[name].key[0], key)))
    listed = [d for d in found(line) if not d[2].startswith(("Ledger", "Nights"))]
    assert [d[:2] for d in listed] == sorted(
        ((e, k) for _, e, k, _ in CHANGES), key=lambda n: (ORDER.index(n[0]), n[1])
    )
    said = {d[:2]: d[2] for d in listed}
    assert [c for c in CHANGES if not said[c[1], c[2]].startswith(c[3])] == []


def test_null_and_empty(line):
    """NULL and the empty text differ."""
    line.sql("update bare.booking set note = null where booking_id = 1")
    line.drain()
    assert found(line) == []
    line.tamper(f"update bare.booking set note = '' where {keyed('bare.booking', 'booking_id', 1)}")
    assert found(line) == [("booking", "1", "note is null at the source only")]


def test_shifted_text(line):
    """Text that moves over the border between two fields differs."""
    line.tamper(
        f"update bare.posting set currency = 'EURR1', reference = '' where {keyed('bare.posting', 'posting_id', 1)}"
    )
    assert ("booking", "1") in {d[:2] for d in found(line)}


def test_swapped_references(line):
    """Two bookings that took each other's person are both found."""
    line.tamper(
        "update bare.booking b set person_id = o.person_id from bare.booking o where "
        f"b.{keyed('bare.booking', 'booking_id', 1)} and o.{keyed('bare.booking', 'booking_id', 2)} or "
        f"b.{keyed('bare.booking', 'booking_id', 2)} and o.{keyed('bare.booking', 'booking_id', 1)}"
    )
    assert found(line) == [("booking", "1", "person_id differs"), ("booking", "2", "person_id differs")]


def test_rows_that_the_mover_did_not_write(line):
    """A row of the property, and a part of one of its objects, that are not in the key map are found."""
    line.tamper("insert into bare.account (property, name) values ('P', 'foreign')")
    line.tamper(
        "insert into bare.posting (booking_id, amount) select target_key::bigint, 0 from slacktide.key_map "
        "where name = 'booking' and source_key = '1'"
    )
    listed = found(line)
    assert ("booking", "1", "it has 1 rows of posting at the source, 2 at the target") in listed
    assert [d for d in listed if d[0] == "account" and d[2].endswith("is not in the key map")]


def test_missing_objects(line):
    """An object that is missing at one side, with or without its row in the key map, is found."""
    line.tamper(f"delete from bare.thing where {keyed('bare.thing', 'thing_id', 2)}")
    line.tamper(f"delete from bare.thing where {keyed('bare.thing', 'thing_id', 3)}")
    line.tamper("delete from slacktide.key_map where name = 'thing' and source_key = '3'")
    line.sql("delete from bare.thing where thing_id = 6")
    assert found(line) == [
        ("thing", "2", "it is in the key map, but not at the target"),
        ("thing", "3", "it is not at the target"),
        ("thing", "6", "the property does not have it at the source"),
    ]


def test_key_map_without_a_part(line):
    """A part's row of the key map that has no part is found."""
    line.tamper(
        "insert into slacktide.key_map select move_no, name, '999', '99999', null, false, 1 from slacktide.key_map "
        "where name = 'booking.posting' limit 1"
    )
    assert found(line) == [("booking", "?999", "the key map has booking.posting 999, which is not at the target")]


def test_left_null(line):
    """A reference that is left null is null at the target, and nothing else there."""
    assert found(line) == []
    line.tamper(f"update bare.thing set mate_id = thing_id where {keyed('bare.thing', 'thing_id', 6)}")
    assert found(line) == [("thing", "6", "mate_id is null at the source only")]


def test_left_out_code(line):
    """An optional code without a mapping counts as equal and is listed."""
    line.sql("update bare.booking set rate = 'unknown' where booking_id in (1, 2, 4)")
    line.drain()
    verification = line.compare()
    assert verification.equal
    assert verification.left_out == {("rate", "unknown"): 2}


def test_mandatory_code(line):
    """A mandatory code without a mapping is never equal, whatever stands at the target."""
    line.sql("update bare.thing set kind = 'C' where thing_id = 1")
    line.tamper(f"update bare.thing set kind = 'C' where {keyed('bare.thing', 'thing_id', 1)}")
    assert found(line) == [("thing", "1", "kind has the code 'C', which has no mapping")]


FORMS = [
    "f = 0::float8", "n = 1.5000", "r = 1.25", "every = '1 mon 2 days 00:00:03.500'", "c = 'ab    '",
    "j = '{\"a\":[2.5,\"3.00\"],  \"b\":1.00}'", "jb = '{\"a\": [2.500, \"3.00\"], \"b\": 1}'",
    "seen = '2026-03-01 05:00:00.000001-05'", "words = '{\"a,\\\"b\", NULL, \"\"}'",
]  # fmt: skip


def test_other_forms(line):
    """The same value in another form is equal: -0, trailing zeros, another zone, blanks of char, json's order."""
    for change in FORMS:
        line.tamper(f"update bare.thing set {change} where {keyed('bare.thing', 'thing_id', 1)}")
    assert found(line) == []


def test_totals(line):
    """A total that differs is found with its object, and its sums are given for both sides."""
    line.tamper(f"update bare.posting set amount = 2 where {keyed('bare.posting', 'posting_id', 1)}")
    verification = line.compare()
    assert ("booking", "1", "Ledger, EUR: 1.25 at the source, 2 at the target") in [
        (d.entity, d.key, d.what) for d in verification.differences
    ]
    with line.both() as both:
        source = totals(connection=both["source"], side=Side.SOURCE, subject=line.subject, business_date=TODAY)
    assert source == verification.totals[Side.SOURCE]
    target = totals(connection=line.reading, side=Side.TARGET, subject=line.subject, business_date=TODAY)
    assert target == verification.totals[Side.TARGET]
    assert target["ledger"]["EUR"] != verification.totals[Side.SOURCE]["ledger"]["EUR"]


def test_others_are_not_counted(line):
    """An object of another property that came along by reference is verified, and counts in no total."""
    line.sql("update bare.booking set sharer_id = 4 where booking_id = 1")
    line.drain()
    verification = line.compare()
    assert verification.equal
    assert verification.rows["target"]["booking"] == 31
    assert verification.totals["target"]["ledger"] == {"EUR": 37.5}
    line.tamper(f"update bare.booking set amount = 0 where {keyed('bare.booking', 'booking_id', 4)}")
    assert found(line) == [("booking", "4", "amount differs")]


def test_digests(line):
    """Both sides give the same digests under the source's keys, in the order of keys."""
    with line.both() as both:
        known = {"person": [str(n) for n in range(1, 21)]}
        here = list(digests(connection=both["source"], side=Side.SOURCE, subject=line.subject, known=known))
    there = list(digests(connection=line.reading, side=Side.TARGET, subject=line.subject))
    assert [d for d in here if d in set(there)] == there
    bookings = [key for entity, key, _ in there if entity == "booking"]
    assert bookings == sorted(bookings)


def nodes(plan):
    """Go through the nodes of an explained plan."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def test_a_key_map_that_filled_since_it_was_analyzed(line):
    """Objects that the target's statistics know nothing of have their parts gathered once, not once for each."""
    for statement in ("update {} set name = 'was ' || name", "analyze {}", "update {} set name = substr(name, 5)"):
        line.checking.execute(statement.format("slacktide.key_map"))
    known = line.checking.execute("select target_key from slacktide.key_map where name = 'booking'").fetchall()
    facts = {"keys": [key for (key,) in known], "move_no": 1, "returning": False, "seeding": False, "property": "P"}
    facts |= {f"kept_{codes.name}": None for codes in PLAN.lists}
    statement = verify_sql.digests(PLAN, PLAN.entity["booking"], Side.TARGET, whole=False)
    cursor = psycopg.ClientCursor(line.checking)
    explained = cursor.execute(sql.SQL("explain (analyze, format json) {}").format(statement), facts).fetchone()[0]
    gathered = [node["Actual Loops"] for node in nodes(explained[0]["Plan"]) if node["Node Type"] == "Aggregate"]
    assert len(gathered) == len(PLAN.entity["booking"].parts)
    assert set(gathered) == {1}
