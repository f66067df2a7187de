"""The sequences behind kept keys are raised, so that what the source gave out is not given out again."""

from __future__ import annotations

import threading
from pathlib import Path

import psycopg
import pytest

from slacktide.plan.load import load_plan_text
from slacktide.transfer.counter import raise_counters

HERE = Path(__file__).parent
SCHEMA = (
    (HERE / "kept.sql").read_text()
    + """
create sequence kept.number;
create table kept.door (property text not null references kept.property,
    door_no int not null default nextval('kept.number'), primary key (door_no, property));
"""
)
TEXT = (HERE / "kept.yaml").read_text().replace("left_out:", """\
  door:
    title: Doors
    phase: configuration
    table: kept.door
    key: [door_no, property]
    property: property
    columns: {property: text, door_no: integer}
left_out:""")  # fmt: skip
PLAN = load_plan_text(text=TEXT, file="kept.yaml")
NAMES = ["kept.ticket_ticket_no_seq", "kept.voucher_voucher_no_seq", "kept.number"]
ROWS = """
insert into kept.folio values (1, 'P', 'f');
insert into kept.ticket values (7, 1, 1);
insert into kept.voucher values (500000, 'P', 'v');
insert into kept.door values ('P', 12);
"""
NEXT = (
    "insert into kept.ticket (folio_id, amount) values (1, 1) returning ticket_no",
    "insert into kept.voucher (property, name) values ('P', 'w') returning voucher_no",
    "insert into kept.door (property) values ('P') returning door_no",
)


@pytest.fixture
def both(two_databases):
    """Give a source and a target that hold the same rows, under keys of which neither's sequences know."""
    two_databases["source"].execute(SCHEMA + ROWS)
    two_databases["target"].execute(SCHEMA + ROWS)
    return two_databases


def raised(both):
    """Raise the number ranges; give the source's, the target's before and after, by sequence."""
    done = raise_counters(**both, plan=PLAN, source_property="P", target_property="P")
    return {one.counter: (one.source, one.before, one.after) for one in done}


def following(both):
    return [both["target"].execute(statement).fetchone()[0] for statement in NEXT]


def test_the_next_key_is_free(both):
    """What a user adds at the target gets a key that the source never gave out, also one whose row is gone there."""
    both["target"].execute("select setval('kept.ticket_ticket_no_seq', 6)")
    with pytest.raises(psycopg.errors.UniqueViolation):
        following(both)
    both["source"].execute("select setval('kept.ticket_ticket_no_seq', 9)")
    assert raised(both) == dict(zip(NAMES, [(9, 7, 9), (500000, 0, 500000), (12, 0, 12)], strict=True))
    assert following(both) == [10, 500001, 13]
    assert {before == after for _, before, after in raised(both).values()} == {True}


def test_never_lowered(both):
    """A sequence that is ahead stays, also one that was put ahead and has given nothing yet."""
    both["target"].execute("select setval('kept.ticket_ticket_no_seq', 100), setval('kept.number', 50)")
    both["target"].execute("alter sequence kept.voucher_voucher_no_seq restart with 900000")
    assert raised(both) == dict(zip(NAMES, [(7, 100, 100), (500000, 899999, 899999), (12, 50, 50)], strict=True))
    assert following(both) == [101, 900000, 51]


def test_steps(both):
    """A sequence that goes by steps comes behind the source's, and one without rows stays where it is."""
    both["target"].execute("alter sequence kept.number increment by 5")
    both["source"].execute("delete from kept.ticket")
    assert raised(both)[NAMES[0]] == (0, 0, 0)
    assert following(both)[2] > 12


def test_downwards(both):
    """A sequence that goes downwards is lowered to the least number that the source gave out, and never raised."""
    for each in both.values():
        each.execute("alter sequence kept.number increment by -5 minvalue -1000000000 maxvalue -1 start -1 restart")
    assert raised(both)["kept.number"] == (4, 4, 4), "its rows are above all that it gives"
    both["source"].execute("delete from kept.door; select nextval('kept.number') from generate_series(1, 3)")
    assert raised(both)["kept.number"] == (-11, 4, -11)
    assert following(both)[2] == -16
    both["target"].execute("select setval('kept.number', -500)")
    assert raised(both)["kept.number"] == (-11, -500, -500)
    both["source"].execute("insert into kept.door values ('P', -900000)")
    assert raised(both)["kept.number"] == (-900000, -500, -900000)
    assert following(both)[2] == -900005


def test_who_goes_the_other_way(both):
    """Where the source's sequence goes the other way than the target's its rows tell."""
    both["source"].execute("alter sequence kept.number increment by -1 minvalue -100 maxvalue 100 restart with 90")
    both["source"].execute("select nextval('kept.number')")
    assert raised(both)["kept.number"] == (12, 0, 12)
    both["target"].execute("alter sequence kept.number increment by -1 minvalue -100 maxvalue 100 restart with 50")
    both["source"].execute("alter sequence kept.number increment by 1 restart with 1")
    assert raised(both)["kept.number"] == (12, 51, 12)


def test_who_draws_meanwhile(both):
    """While a sequence is raised to what is just ahead, those who draw from it get no number twice."""
    drawn, over = [], threading.Event()
    many = "select array_agg(nextval('kept.number')) from generate_series(1, 200)"

    def draw():
        with psycopg.connect(both["target"].info.dsn, autocommit=True) as connection:
            while not over.is_set():
                drawn.extend(connection.execute(many).fetchone()[0])

    drawing = [threading.Thread(target=draw) for _ in range(2)]
    for thread in drawing:
        thread.start()
    try:
        for ahead in range(1, 8000, 40):
            (now,) = both["target"].execute("select last_value from kept.number").fetchone()
            both["source"].execute("select setval('kept.number', %s)", [now + ahead])
            assert raised(both)["kept.number"][2] >= now + ahead
    finally:
        over.set()
        for thread in drawing:
            thread.join()
    assert len(drawn) == len(set(drawn))
