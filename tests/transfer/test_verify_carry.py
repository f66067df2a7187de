"""What was verified ahead is carried forward, and the outcome is that of reading everything."""

from __future__ import annotations

import os
from datetime import date

import msgspec
import psycopg
import pytest

from slacktide.transfer.verify import digests
from slacktide.transfer.verify_carry import NothingVerified, changed_since
from slacktide.transfer.verify_read import TargetReader, at_one_snapshot
from slacktide.transfer.verify_sql import Side
from slacktide.transfer.verify_store import Store
from tests.transfer.conftest import SEED
from tests.transfer.line import Databases
from tests.transfer.test_verify import THINGS, keyed
from tests.transfer.verified import FULL_SCHEMA, PLAN, VerifiedLine
from tests.transfer.writers import Writer

RANDOM_SEED = int(os.environ.get("SLACKTIDE_TEST_SEED", "1"))
ROUNDS, TRANSACTIONS = 12, 12
TOMORROW = date(2026, 1, 3)
STALE = "(select target_key::bigint from slacktide.key_map where name = 'thing' and source_key = '1')"

FOREIGN = "from bare.booking where number = 'foreign'"


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
        line.start()
        line.drain()
        yield line
    finally:
        line.drop()


def same(one, other):
    """Hold two verifications against each other: all but how much was read."""
    assert one.rows == other.rows
    assert one.totals == other.totals
    assert one.left_out == other.left_out
    assert one.equal == other.equal
    assert {(d.entity, d.key) for d in one.differences} == {(d.entity, d.key) for d in other.differences}


def stored(line):
    """Give all that is written down."""
    tables = ("verified_object", "verified_measure", "verified_difference", "verified_rows", "verified_total")
    return {
        table: sorted(row for row in line.control.execute(f"select * from slacktide.{table}") if row[-1] != 0)
        for table in tables
    }


def proven(line):
    """Give what is written down as equal on both sides, with the digests."""
    store = Store(line.control, move_id=line.move_id)
    return [(entity.name, *one) for entity in PLAN.moving for one in store.proven(entity)]


def equal_objects(line):
    """Give the objects that are equal on both sides now, with their digests, by reading everything."""
    with line.both() as both, at_one_snapshot(line.reading):
        reader = TargetReader(line.reading, line.subject)
        known = {entity.name: reader.by_reference(entity.name) for entity in PLAN.moving}
        here, there = (
            {(entity, key): digest.hex() for entity, key, digest in digests(subject=line.subject, **side)}
            for side in (
                {"connection": both["source"], "side": Side.SOURCE, "known": known},
                {"connection": line.reading, "side": Side.TARGET},
            )
        )
    found = [(*name, digest) for name, digest in here.items() if there.get(name) == digest]
    order = [entity.name for entity in PLAN.moving]
    return sorted(found, key=lambda one: (order.index(one[0]), one[1].encode()))


def test_nothing_ahead(line):
    """Without anything verified ahead nothing is carried, and the error says so."""
    with pytest.raises(NothingVerified, match="nothing was verified ahead"):
        line.again()


def test_nothing_changed(line):
    """Where nothing changed, nothing is read, and the outcome is the whole one."""
    whole = line.ahead()
    assert (whole.read, whole.carried) == (sum(whole.rows["source"][e.name] for e in PLAN.moving), 0)
    again = line.again()
    assert (again.read, again.carried) == (0, whole.read)
    same(again, line.compare())


def test_changes(line):
    """Changed, new and deleted objects, and those that came or went with them, are read; the rest is carried."""
    line.ahead()
    line.sql("update bare.posting set amount = 5 where booking_id = 1")
    line.sql("insert into bare.booking (property, number, person_id, amount) values ('P', 'new', 1, 1)")
    line.sql("delete from bare.night where booking_id = 5; update bare.line set posting_id = null where posting_id = 5")
    line.sql("delete from bare.posting where booking_id = 5; delete from bare.booking where booking_id = 5")
    line.sql("update bare.account set property = 'P' where name = 'c'")
    line.sql("update bare.account set property = 'Q' where name = 'a'")
    line.drain()
    again = line.again()
    assert again.equal
    assert again.read < 12
    same(again, line.compare())


def test_gone_unnamed(line):
    """An invoice that went with its account, which alone was changed, is taken out of rows and totals."""
    whole = line.ahead()
    line.sql("update bare.account set property = 'Q' where name = 'a'")
    line.drain()
    again = line.again()
    assert again.rows["target"]["invoice"] == whole.rows["target"]["invoice"] - 1
    assert "a" not in again.totals["source"]["invoices"]
    same(again, line.compare())


def test_swept(line):
    """A person that nobody refers to any more goes by the sweep, and out of the rows."""
    whole = line.ahead()
    line.sql("update bare.booking set person_id = 3 where person_id = 2")
    line.drain()
    again = line.again()
    assert again.rows["target"]["person"] == whole.rows["target"]["person"] - 1
    same(again, line.compare())


def test_left_null_because_another_changed(line):
    """A thing whose mate changes hands is read although it did not change, so that a stale reference is found."""
    line.sql("update bare.thing set mate_id = 2 where thing_id = 3")
    line.drain()
    assert line.ahead().equal
    line.sql("update bare.thing set property = 'Q' where thing_id = 2")
    line.drain()
    assert line.compare().equal
    line.tamper("update slacktide.key_map set batch = 1 where name = 'thing' and source_key = '3'")  # as if not written
    line.tamper(f"update bare.thing set mate_id = {STALE} where {keyed('bare.thing', 'thing_id', 3)}")
    same(line.again(), line.compare())
    assert ("thing", "3", "mate_id is null at the source only") in [
        (d.entity, d.key, d.what) for d in line.again().differences
    ]


def test_changed_since(line):
    """What changed since a batch is named by entity: touched objects, written ones, and those that failed."""
    line.ahead()
    (batch,) = line.control.execute("select batch from slacktide.verification").fetchone()
    line.sql("update bare.booking set amount = 9 where booking_id in (1, 4)")
    line.sql("update bare.thing set kind = 'unknown' where thing_id = 1")
    line.drain()
    named = changed_since(batch, control=line.control, target=line.reading, subject=line.subject, move_id=line.move_id)
    assert {entity: keys for entity, keys in named.items() if keys} == {"booking": {"1", "4"}, "thing": {"1"}}


def test_difference_ahead(line):
    """An object that differed ahead is read again each time: while it differs it is named, then it counts again."""
    line.tamper(f"update bare.posting set amount = 99 where {keyed('bare.posting', 'posting_id', 1)}")
    ahead = line.ahead()
    assert not ahead.equal
    same(line.again(), line.compare())
    assert [(d.entity, d.key) for d in line.again().differences] == [("booking", "1")] * 2
    line.tamper(f"update bare.posting set amount = 1.25 where {keyed('bare.posting', 'posting_id', 1)}")
    assert line.again().equal
    assert line.ahead().equal
    same(line.again(), line.compare())
    assert line.again().read == 0


def test_difference_ahead_and_one_swept(line):
    """An object that differed ahead is read again though as many objects of its kind went as were not written down."""
    line.tamper(f"update bare.person set name = 'other' where {keyed('bare.person', 'person_id', 7)}")
    assert not line.ahead().equal
    line.sql("update bare.booking set person_id = 3 where person_id = 2")
    line.drain()
    assert [(d.entity, d.key) for d in line.again().differences] == [("person", "7")]
    same(line.again(), line.compare())


def test_written_again_untouched(line):
    """An object that went by the sweep and came again is read, though nothing at the source touched it."""
    line.sql("update bare.booking set sharer_id = 4 where booking_id = 1")
    line.drain()
    assert line.ahead().equal
    for sharer in ("null", "4"):
        line.sql(f"update bare.booking set sharer_id = {sharer} where booking_id = 1")
        line.drain()
    line.tamper(f"update bare.booking set amount = 99 where {keyed('bare.booking', 'booking_id', 4)}")
    assert [(d.entity, d.key, d.what) for d in line.again().differences] == [("booking", "4", "amount differs")]
    same(line.again(), line.compare())


def test_difference_behind(line):
    """An object that differs behind the verification ahead is found if it was written since, or is asked for."""
    line.ahead()
    line.sql("update bare.booking set amount = 7 where booking_id = 2")
    line.drain()
    line.tamper(f"update bare.booking set amount = 8 where {keyed('bare.booking', 'booking_id', 2)}")
    line.tamper(f"update bare.booking set amount = 8 where {keyed('bare.booking', 'booking_id', 3)}")
    assert [(d.entity, d.key, d.what) for d in line.again().differences] == [("booking", "2", "amount differs")]
    assert line.again(also={"booking": ["3"]}).different == 2


def test_other_business_date(line):
    """On another business date the totals that depend on it are measured whole, and the rest is carried."""
    line.ahead()
    line.sql("update bare.posting set amount = 5 where booking_id = 1")
    line.drain()
    again = line.again(TOMORROW)
    assert set(again.totals["source"]["nights"]) == {"2026-01-03"}
    same(again, line.compare(TOMORROW))
    line.ahead(TOMORROW)
    assert line.again(TOMORROW).read == 0


def test_out_of_the_publication_for_a_while(line):
    """What changed while a table was out of the publication is read again and written, so that it is compared."""
    line.ahead()
    line.sql("alter publication slacktide_m drop table bare.night")
    line.sql("update bare.night set price = 99 where booking_id = 5")
    line.sql("alter publication slacktide_m add table bare.night")
    line.sql("update bare.booking set amount = 3 where booking_id = 2")
    line.drain()
    assert line.compare().equal
    same(line.again(), line.compare())
    same(line.ahead(), line.compare())


def test_other_incarnation(line):
    """Nothing is carried into another incarnation."""
    line.ahead()
    line.tamper("update slacktide.mover_move set incarnation = incarnation + 1")
    with pytest.raises(NothingVerified, match="incarnation"):
        line.again()


def test_other_plan(line):
    """Nothing is carried to another plan: it sees other columns."""
    line.ahead()
    line.plan = msgspec.structs.replace(PLAN, checksum="another")
    with pytest.raises(NothingVerified, match="another plan"):
        line.again()


def test_random_changes(line):
    """After random transactions, again and again, carrying forward equals reading everything, stored sums included."""
    writer = Writer(line.addresses[0], seed=RANDOM_SEED, number=1, long_seconds=0)
    line.ahead()
    with psycopg.connect(line.addresses[0], autocommit=True) as connection:
        for n in range(ROUNDS):
            for _ in range(TRANSACTIONS):
                writer.transaction(connection)
            line.drain()
            again, whole = line.again(), line.compare()
            same(again, whole)
            assert proven(line) == equal_objects(line)
            assert whole.equal or line.problems()
            if n % 3 == 2:
                moved = line.ahead()
                same(moved, whole)
                kept = stored(line)
                line.control.execute("delete from slacktide.verification")
                same(line.ahead(), whole)
                assert stored(line) == kept
    assert writer.committed > ROUNDS * TRANSACTIONS / 3


def test_rows_that_the_mover_did_not_write(line):
    """Rows written past the guard are found by each verification ahead until they are gone, as no key names them."""
    line.ahead()
    line.tamper("insert into bare.booking (property, number, person_id, amount) "
                "select 'P', 'foreign', min(person_id), 1 from bare.person")  # fmt: skip
    line.tamper(f"insert into bare.posting (booking_id, amount, currency) select booking_id, 7, 'EUR' {FOREIGN}")
    line.control.execute("delete from slacktide.verification")
    for _ in range(2):
        ahead = line.ahead()
        same(ahead, line.compare())
        assert not ahead.equal
    with pytest.raises(NothingVerified):
        line.again()
    line.tamper(f"delete from bare.posting where booking_id in (select booking_id {FOREIGN})")
    line.tamper(f"delete {FOREIGN}")
    assert line.ahead().equal
    assert line.again().equal
