"""Dangerous moments of partitions: what is logged of a row is decided by its leaf, not by the table of the plan."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from slacktide.guard import closing
from slacktide.plan.load import load_plan
from slacktide.postgres.connection import connect
from slacktide.transfer import prepare
from slacktide.transfer.identity import UpdateWouldFail
from slacktide.transfer.source import ChangesUnseen, SchemaChanged
from tests.transfer import checker
from tests.transfer.line import Databases, Line

HERE = Path(__file__).parent
PLAN = load_plan(path=HERE / "leaf.yaml")
SCHEMA = (HERE / "leaf.sql").read_text()
# The target's leaves are not the source's.
NATIVE = """
create table leaf.charge_future partition of leaf.charge for values from ('2027-01-01') to (maxvalue);
insert into leaf.property (code) values ('Z');
insert into leaf.person (name) select 'native ' || n from generate_series(1, 9) n;
insert into leaf.booking (property, number, person_id) select 'Z', 'N' || n, n from generate_series(1, 9) n;
insert into leaf.charge select 1000 + n, 'room', '2026-05-01', n, 1 from generate_series(1, 9) n;
insert into leaf.account (property, name) select 'Z', 'native' from generate_series(1, 7);
insert into leaf.invoice (account_id, number) select n, 'native ' || n from generate_series(1, 7) n;
"""
SEED = """
insert into leaf.person (name) select 'person ' || n from generate_series(1, 8) n;
insert into leaf.booking (property, number, person_id)
    select case when n % 4 = 0 then 'Q' else 'P' end, 'N' || n, 1 + n % 8 from generate_series(1, 12) n;
insert into leaf.charge (number, kind, day, booking_id, amount, note)
    select 10 * booking_id + n, (array['room', 'bar', 'room'])[n],
        (array['2025-07-01', '2026-07-01', '2026-08-01'])[n]::date, booking_id, 1.5, 'note ' || n
    from leaf.booking, generate_series(1, 3) n;
insert into leaf.account (property, name)
    select case when n % 4 = 0 then 'Q' else 'P' end, 'a' || n from generate_series(1, 9) n;
insert into leaf.invoice (account_id, number)
    select account_id, 'I' || account_id from leaf.account where account_id < 9;
"""
CHARGES = ("2025", "rest", "room")
NEXT_YEAR = "for values from ('2027-01-01') to ('2028-01-01')"
ATTACH = f"alter table leaf.charge attach partition leaf.charge_2027 {NEXT_YEAR};"
WITHOUT = """
create table leaf.charge_2027 (booking_id bigint not null references leaf.booking, note text, number bigint not null,
    day date not null, kind text not null, amount numeric(12,2) not null);
insert into leaf.charge_2027 (number, kind, day, booking_id, amount) values (901, 'bar', '2027-03-01', 1, 7),
    (902, 'bar', '2027-03-01', 2, 7), (904, 'bar', '2027-03-01', 4, 7);
"""


@pytest.fixture(scope="module")
def leaves(server):
    """Give the templates of these tests' lines."""
    return Databases(server, plan=PLAN, schema=SCHEMA, native=NATIVE)


@pytest.fixture
def own_line(leaves, tmp_path):
    """Give a started line whose objects have arrived; at the end everything must hold."""
    line = Line(**leaves.addresses(), folder=tmp_path, plan=PLAN)
    try:
        line.sql(SEED)
        line.start()
        line.drain()
        yield line
        if line.open:
            settle(line)
    finally:
        line.end()


@pytest.fixture(scope="module")
def kept(leaves, tmp_path_factory):
    """Keep one line for the tests that change nothing but rows."""
    line = Line(**leaves.addresses(), folder=tmp_path_factory.mktemp("leaf"), plan=PLAN)
    line.sql(SEED)
    line.start()
    line.drain()
    yield line
    line.end()


def settle(line):
    """Look at the source though the stream may have said nothing, carry what is found, and hold what must hold."""
    line.drain()
    line.step(even_if_empty=True)
    line.drain()
    line.check()
    assert line.problems() == []


def at_target(line, statement):
    return [value for (value,) in line.checking.execute(statement)]


def charges(line):
    return set(at_target(line, "select number from leaf.charge where number < 1000"))


def identities(address):
    """Give the replica identity of each leaf, by name: d, f, or the index."""
    with psycopg.connect(address) as connection:
        return dict(
            connection.execute(
                "select c.relname, coalesce(x.relname, c.relreplident::text) from pg_class c left join pg_index i on "
                "i.indrelid = c.oid and i.indisreplident left join pg_class x on x.oid = i.indexrelid "
                "where c.relnamespace in ('leaf'::regnamespace, 'other'::regnamespace) and c.relkind in ('r', 'p')"
            )
        )


# -- rows ------------------------------------------------------------------------------------------------------------

ROWS = {
    "a part moves to another root": "update leaf.charge set booking_id = 2 where number in (11, 12, 13)",
    "a part leaves for another property": "update leaf.charge set booking_id = 4 where number in (31, 32, 33)",
    "a part comes from another property": "update leaf.charge set booking_id = 5 where number in (41, 42, 43)",
    "a root of the low leaf changes hands": "update leaf.account set property = 'Q' where account_id = 1",
    "a root below a partition changes hands": "update leaf.account set property = 'Q' where account_id in (5, 6)",
    "a root comes": "update leaf.account set property = 'P' where account_id in (4, 8)",
    "a part moves to another leaf": "update leaf.charge set day = '2026-03-01' where number = 51",
    "a part moves to a leaf below": "update leaf.charge set kind = 'spa' where number = 53",
    "a part moves to another leaf and another root":
        "update leaf.charge set day = '2025-03-01', booking_id = 8 where number in (52, 62)",
    "a root moves to another leaf": "update leaf.account set account_id = 3000 where account_id = 9",
    "parts are deleted": "delete from leaf.charge where number in (61, 63)",
    "a part is deleted from its leaf": "delete from leaf.charge_room where number = 73",
    "a part is deleted from a leaf of another order": "delete from leaf.charge_rest where number = 72",
    "a part moves to another root within its leaf": "update leaf.charge_rest set booking_id = 12 where number = 92",
    "a part comes into a leaf":
        "insert into leaf.charge_rest (number, kind, day, booking_id, amount) values (93, 'bar', '2026-02-01', 9, 1)",
    "a root is deleted from its leaf": "delete from leaf.invoice where account_id = 7; delete from leaf.account_high "
        "where account_id = 7",
    "a shared root changes": "update leaf.person set name = name || '!'",
}  # fmt: skip


@pytest.mark.parametrize("event", ROWS)
def test_rows(kept, event):
    """What happens to a row of a leaf arrives, whichever root, property or leaf it had before."""
    kept.sql(ROWS[event])
    kept.drain()
    kept.check()
    assert kept.problems() == []


def test_leaf_of_target_is_guarded(own_line):
    """The target's closed property cannot be written straight into a leaf, while the mover goes on writing there."""
    with connect(own_line.addresses[1], name="test") as target:
        closing.prepare_target(target, organization="P", reason="test")
        for statement in (
            "update leaf.charge_rest set amount = 2",
            "update other.account_odd set name = 'x'",
            "truncate leaf.charge_room",
        ):
            with pytest.raises(psycopg.Error) as refused:
                target.execute(statement)
            assert refused.value.sqlstate.startswith("ST"), statement
    own_line.sql("update leaf.charge set amount = 99 where number in (11, 12, 13)")
    own_line.drain()
    assert at_target(own_line, "select distinct amount from leaf.charge where number in (11, 12, 13)") == [99]


# -- leaves ----------------------------------------------------------------------------------------------------------


def test_leaf_truncated(own_line):
    """A leaf is emptied, of which the stream says nothing: its parts go, those of the other leaves stay."""
    own_line.sql("truncate leaf.charge_room")
    settle(own_line)
    assert charges(own_line) == {10 * booking + n for booking in range(1, 12) if booking % 4 for n in (1, 2)}


def test_leaf_detached(own_line):
    """A leaf is detached: its parts go although nobody deleted them."""
    own_line.sql("alter table leaf.charge detach partition leaf.charge_2025")
    settle(own_line)
    assert not {number for number in charges(own_line) if number % 10 == 1}


def test_detached_changed_and_attached(own_line):
    """A leaf is detached, written and attached again between two batches: what was written meanwhile arrives."""
    own_line.sql(
        "alter table leaf.charge detach partition leaf.charge_2025; "
        "delete from leaf.charge_2025 where number = 11; update leaf.charge_2025 set booking_id = 4 where number = 21; "
        "alter table leaf.charge attach partition leaf.charge_2025 for values from (minvalue) to ('2026-01-01')"
    )
    settle(own_line)
    assert not {11, 21} & charges(own_line)


def test_shared_detached_changed_and_attached(own_line):
    """A leaf of a shared root is written while it is detached: whoever refers to it brings it again."""
    own_line.sql(
        "alter table leaf.person detach partition leaf.person_high; update leaf.person_high set name = name || '?'; "
        "alter table leaf.person attach partition leaf.person_high for values from (5) to (maxvalue)"
    )
    settle(own_line)
    assert at_target(own_line, "select 1 from leaf.person where name = 'person 7?'") == [1]


def test_attached_as_it_must_be(own_line):
    """A leaf that comes with the identity it needs, its columns in another order, is read, and then followed."""
    own_line.sql(WITHOUT + "alter table leaf.charge_2027 replica identity full;" + ATTACH)
    settle(own_line)
    assert {901, 902} <= charges(own_line)
    own_line.sql("delete from leaf.charge where number = 901; "
                 "update leaf.charge set booking_id = 4 where number = 902; "
                 "update leaf.charge set booking_id = 1, note = 'came' where number = 904")  # fmt: skip
    own_line.drain()
    assert charges(own_line) & {901, 902, 904} == {904}


POOR = {
    "created": f"create table leaf.charge_2027 partition of leaf.charge {NEXT_YEAR}; "
    "insert into leaf.charge (number, kind, day, booking_id, amount) "
    "values (901, 'bar', '2027-03-01', 1, 7), (902, 'bar', '2027-03-01', 2, 7)",
    "attached": WITHOUT + ATTACH,
}


@pytest.mark.parametrize("way", POOR)
def test_poor_leaf_stops(own_line, way):
    """A leaf whose identity does not name the root stops the processes by name; prepared again, nothing is lost."""
    own_line.sql(POOR[way])
    with pytest.raises(ChangesUnseen, match=r"leaf\.charge_2027.*booking_id.*move prepare"):
        own_line.step(even_if_empty=True)
    for change in ("delete from leaf.charge where number = 902",
                   "update leaf.charge set booking_id = 4 where number = 901"):  # fmt: skip
        own_line.sql(change)
        own_line.catch_up()
        with pytest.raises(ChangesUnseen, match=r"leaf\.charge_2027"):
            own_line.step()
    own_line.prepare_again()
    settle(own_line)
    assert not {901, 902} & charges(own_line)
    own_line.sql("update leaf.charge set booking_id = 3 where number = 901")
    own_line.drain()
    assert 901 in charges(own_line)
    own_line.sql("update leaf.charge set booking_id = 4 where number = 901")
    settle(own_line)


def test_poor_leaf_between_prepare_and_first_batch(leaves, tmp_path):
    """A leaf that came after `prepare` and before the first batch stops the very first one."""
    line = Line(**leaves.addresses(), folder=tmp_path, plan=PLAN)
    try:
        line.sql(SEED + POOR["created"])
        line.start()
        with pytest.raises(ChangesUnseen, match=r"leaf\.charge_2027"):
            line.step()
        line.sql("delete from leaf.charge where number = 901")
        line.prepare_again()
        settle(line)
    finally:
        line.end()


@pytest.mark.parametrize(
    "change",
    [
        "alter table leaf.charge_rest replica identity default",
        "alter table leaf.charge_rest add constraint small check (amount < 500)",
    ],
)
def test_definition_of_a_leaf(own_line, change):
    """A leaf that is changed stops the processes, which name it and its table; prepared again, they go on."""
    own_line.sql(change)
    own_line.sql("update leaf.charge set booking_id = 4 where number = 12")
    own_line.catch_up()
    with pytest.raises(SchemaChanged, match=r"leaf\.charge_rest.*a partition of leaf\.charge"):
        own_line.step()
    own_line.prepare_again()
    settle(own_line)
    assert 12 not in charges(own_line)


def test_leaf_of_what_others_refer_to(own_line):
    """A new leaf of a table that foreign keys lead to changes the definition of none of the tables that they are of."""
    own_line.sql("create table leaf.account_below partition of leaf.account for values from (minvalue) to (0); "
                 "alter table leaf.account_below replica identity full; "
                 "insert into leaf.account values (-1, 'P', 'below')")  # fmt: skip
    settle(own_line)
    own_line.sql("insert into leaf.invoice (account_id, number) values (-1, 'I-1')")
    own_line.drain()
    own_line.sql("update leaf.account set property = 'Q' where account_id = -1")
    own_line.drain()
    assert at_target(own_line, "select 1 from leaf.invoice where number = 'I-1'") == []


def test_unlogged_leaf_stops(own_line):
    """A leaf whose changes are not in the log stops the processes, by name."""
    own_line.sql("create unlogged table leaf.charge_2027 (like leaf.charge including all)")
    own_line.sql("alter table leaf.charge_2027 replica identity full;" + ATTACH)
    with pytest.raises(ChangesUnseen, match=r"leaf\.charge_2027.*unlogged"):
        own_line.step(even_if_empty=True)
    own_line.sql("drop table leaf.charge_2027")


# -- prepare and clean -----------------------------------------------------------------------------------------------


def test_described(leaves):
    """What `prepare` will do names every leaf with the identity that it gets or has, before and after the same."""
    leaves.server.create_database("leaf_described")
    with connect(leaves.server.address("leaf_described"), name="test") as connection:
        connection.execute(SCHEMA)
        accounts = ("leaf.account_even", "leaf.account_low", "other.account_odd")
        index = {leaf: f"index {leaf.partition('.')[2]}_account_id_property_key" for leaf in accounts}
        said = prepare.describe_source(connection, plan=PLAN, move="m")
        assert [text for text in said if "identity" in text] == [
            *(f"replica identity of leaf.person_{leaf}, a partition of leaf.person: index person_{leaf}_pkey"
              for leaf in ("high", "low")),
            "replica identity of leaf.booking: index booking_booking_id_property_key",
            *(f"replica identity of leaf.charge_{leaf}, a partition of leaf.charge: full" for leaf in CHARGES),
            *(f"replica identity of {leaf}, a partition of leaf.account: {how}" for leaf, how in index.items()),
            "replica identity of leaf.invoice: index invoice_pkey",
        ]  # fmt: skip
        prepare.prepare_source(connection, plan=PLAN, move="m")
        assert prepare.describe_source(connection, plan=PLAN, move="m") == said
    assert identities(leaves.server.address("leaf_described"))["person_low"] == "d"


def test_clean_puts_every_leaf_back(own_line):
    """Every leaf gets the identity back that it had, one that is detached too; one that is gone is passed over."""
    own_line.sql("alter table leaf.charge detach partition leaf.charge_2025; drop table leaf.charge_room")
    own_line.sql(POOR["created"])
    own_line.prepare_again()
    settle(own_line)
    own_line.sql("alter table leaf.charge_2027 rename to charge_later")
    held = identities(own_line.addresses[0])
    assert (held["charge_2025"], held["charge_later"], held["account_odd"]) == (
        "f", "f", "account_odd_account_id_property_key",
    )  # fmt: skip
    own_line.clean()
    assert set(identities(own_line.addresses[0]).values()) == {"d"}


def test_clean_gives_back_what_was_set_by_others(server):
    """A leaf that had another index or none at all as its identity has it again after `clean`."""
    server.create_database("leaf_others")
    with connect(server.address("leaf_others"), name="test") as connection:
        connection.execute(SCHEMA)
        connection.execute("alter table leaf.charge_room replica identity using index charge_room_pkey")
        connection.execute("alter table leaf.charge_rest replica identity nothing")
        connection.execute("alter table leaf.charge_2025 replica identity full")
        before = identities(server.address("leaf_others"))
        prepare.prepare_source(connection, plan=PLAN, move="m")
        assert identities(server.address("leaf_others"))["charge_room"] == "f"
        prepare.prepare_source(connection, plan=PLAN, move="n")
        prepare.clean_source(connection, move="m")
        assert identities(server.address("leaf_others"))["charge_room"] == "f", "another move needs it still"
        prepare.clean_source(connection, move="n")
        assert identities(server.address("leaf_others")) == before
        left = [text for text in checker.left_behind(connection) if not text.startswith("identity leaf.charge_")]
        assert left == []


def test_update_of_a_leaf_would_fail(server):
    """A table of which a leaf's updates would fail is not published, so that those who trade can go on writing it."""
    server.create_database("leaf_fails")
    with connect(server.address("leaf_fails"), name="test") as connection:
        connection.execute(SCHEMA + SEED)
        connection.execute("alter table leaf.charge add column twice numeric generated always as (amount * 2) stored")
        with pytest.raises(UpdateWouldFail, match=r"leaf\.charge_2025"):
            prepare.prepare_source(connection, plan=PLAN, move="m")
        connection.execute("update leaf.charge set amount = amount + 1")
        prepare.clean_source(connection, move="m")
        assert set(identities(server.address("leaf_fails")).values()) == {"d"}
