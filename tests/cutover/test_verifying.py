"""Testers at the target before it opens: what they may, and that nothing of it stays. One story, in order.

An object that the target refuses goes through it all, accepted by name.
"""

from __future__ import annotations

import psycopg
import pytest

from slacktide.control.organization import list_sides
from slacktide.control.schedule import schedule_of
from slacktide.downtime.decision import decide
from slacktide.guard import closing
from slacktide.guard.state import State
from slacktide.postgres.connection import connect
from slacktide.transfer.journal import DOWN_TIME
from tests.cutover import proof
from tests.cutover.house import a_move
from tests.cutover.moving import NAME, PROPERTY, until

TESTER, CLERK, MOVER = "slacktide_tester", "verifying_clerk", "slacktide_mover"
CLOSED, NO_RIGHT = "ST001", "42501"
ENTER = ("move", "verifying", NAME, "--tester", "ada", "--reason", "a look before we open")
ABANDON = ("move", "downtime", "abandon", NAME, "--yes", PROPERTY, "--reason", "we go back")
GO = ("move", "go", NAME, "--name", "Ada Night", "--role")
RESUME = ("move", "downtime", "resume", NAME, "--json")
ROLES = (
    "update slacktide.move set plan_text = replace(plan_text, 'roles: [operations]', 'roles: [operations, finance]')"
)
BOOK = """
insert into hotel.reservation overriding system value select n.* from hotel.reservation r,
    jsonb_populate_record(r, jsonb_build_object(
        'reservation_id', nextval(pg_get_serial_sequence('hotel.reservation', 'reservation_id')),
        'confirmation_no', 990000 + %s, 'note', 'TEST')) n
where r.property_code = 'RESORT' order by r.reservation_id limit 1
returning reservation_id
"""
TEXTS = {
    "a trace for the test": "insert into hotel.trace (property_code, reservation_id, department, due_on, body) "
    "select property_code, reservation_id, 'front', current_date, 'TEST' from hotel.reservation where note = 'TEST'",
    "a change": "update hotel.telephone_entry set name = 'TEST' where property_code = 'RESORT' "
    "and telephone_entry_id = "
    "(select min(telephone_entry_id) from hotel.telephone_entry where property_code = 'RESORT')",
    "a deletion": "delete from hotel.trace where property_code = 'RESORT' and body <> 'TEST' and trace_id = "
    "(select min(trace_id) from hotel.trace where property_code = 'RESORT' and body <> 'TEST')",
    "a part": "insert into hotel.posting (folio_id, window_no, transaction_code, currency_code, amount, business_date, "
    "cashier_no, description) select p.folio_id, p.window_no, p.transaction_code, p.currency_code, 1000000, "
    "p.business_date, p.cashier_no, 'TEST' from hotel.posting p join hotel.folio f using (folio_id) "
    "where f.property_code = 'RESORT' limit 1",
    "a reference to the test": "update hotel.folio set reservation_id = (select max(reservation_id) from "
    "hotel.reservation where note = 'TEST') where folio_id = (select min(folio_id) from hotel.folio "
    "where property_code = 'RESORT' and reservation_id is not null)",
    "inventory": "update hotel.inventory set sold = sold + 1, available = available - 1 where property_code = 'RESORT'",
    "a number": "update hotel.number_range set last_number = last_number + 1 where property_code = 'RESORT'",
}
OUTSIDE = "create table public.outside as select reservation_id from hotel.reservation where note = 'TEST'"
REFERS = "alter table public.outside add foreign key (reservation_id) references hotel.reservation"
REFUSED = (
    "insert into hotel.telephone_entry (property_code, category, name, number) values ('RESORT', 'a', 'REFUSED', '1')"
)
LEFT = """
select 'reservation' from hotel.reservation where note = 'TEST' union all
select 'trace' from hotel.trace where body = 'TEST' union all
select 'posting' from hotel.posting where description = 'TEST' union all
select 'telephone' from hotel.telephone_entry where name = 'TEST'
"""
WAITED = "select detail -> 'waits_for' from slacktide.procedure_step where detail ->> 'waits_for' like '%%990003%%'"
PAID = """
update hotel.posting set amount = amount + 1 where posting_id = (
    select min(p.posting_id) from hotel.posting p join hotel.folio f using (folio_id) where f.property_code = 'RESORT')
"""


@pytest.fixture(scope="module")
def moving(server):
    """Give a move of a hotel with 30 bookings each, by a plan that asks for two gos, that is steady."""
    with a_move(server, name="verifying", bookings=30) as moving:
        moving.create()
        moving.ask("control", ROLES)
        for side in ("source", "target"):
            moving.ask(side, proof.ROLE.format(role=CLERK))
        moving.ask("source", REFUSED)
        moving.ask("target", "alter table hotel.telephone_entry add constraint no check (name <> 'REFUSED') not valid")
        moving.ask("source", proof.ROLE.format(role=MOVER))
        for user in ("ada", "bob"):
            moving.run("user", "add", user, "--organization", PROPERTY)
        moving.worker()
        yield moving


def until_ready(moving):
    """Bring it to the moment at which everything is proven and both gos are missing."""
    moving.run("move", "processes", "start", NAME)
    moving.until_steady()
    moving.run("move", "processes", "stop", NAME)
    moving.schedule()
    refused = moving.run(*moving.start_arguments(go=False), accept=(1,)).err
    assert "no message is failed or waiting: open errors: 1" in refused
    (error,) = moving.run("move", "error", "list", NAME).json["errors"]
    assert [way["way"] for way in error["ways"]] == ["process it again", "accept it by name"]
    moving.run("move", "error", "accept", NAME, error["id"], accept=(2,))
    moving.run("move", "error", "accept", NAME, error["id"], "--name", "Ada Night", "--reason", "by hand")
    assert moving.start(*moving.start_arguments("--json", go=False)).wait(90) == 75


def ready(moving):
    """Be at that moment, also where a test is run by itself."""
    if moving.procedure()[0] != "ready":
        until_ready(moving)


def write(moving, *, number):
    """Do what testers do at the target; give the reservation that they made."""
    with connect(moving.target, name="tester", role=TESTER) as tester:
        ((reservation,),) = tester.execute(BOOK, [number]).fetchall()
        for what, statement in TEXTS.items():
            assert tester.execute(statement).rowcount, what
    return reservation


def guards(moving):
    with connect(moving.source, name="look") as source, connect(moving.target, name="look") as target:
        return tuple(closing.state(each, organization=PROPERTY).state for each in (source, target))


def decision(moving, user, *, side):
    """Give how it is decided whether a user opens a task, at a side's gate."""
    with connect(moving.control, name="gate") as control:
        now = control.execute("select clock_timestamp()").fetchone()[0]
        schedule = schedule_of(control, around=now)
    return decide(action="open_task", schedule=schedule, now=now, user=user, organization=PROPERTY, side=side).decision


def wrote(moving):
    return [line["what"] for line in moving.run("audit").json]


# -- in, and given up --------------------------------------------------------------------------------------------------


def test_only_when_it_is_ready(moving):
    """Before the down time is ready nobody is let in; then a reason and known users are asked for."""
    assert "was not started" in moving.run(*ENTER, accept=(2,)).err
    until_ready(moving)
    moving.run("move", "verifying", NAME, "--tester", "ada", accept=(2,))
    moving.run("move", "verifying", NAME, "--tester", "nobody", "--reason", "a look", accept=(2,))
    assert "--tester USER" in moving.run("move", "verifying", NAME, "--end", accept=(2,)).err
    assert guards(moving) == (State.QUIET, State.PREPARED)


def test_who_may_enter(moving):
    """A tester enters the target's gates and writes its tables, not shared ones; users stay out, the source closed."""
    ready(moving)
    assert moving.run(*ENTER).json["testers"] == ["ada"]
    assert guards(moving) == (State.QUIET, State.VERIFYING)
    assert moving.run("status", "--organization", PROPERTY, accept=(75,)).json["state"] == "verifying"
    assert decision(moving, "ada", side="target") == "allow"
    assert [decision(moving, "ada", side="source"), decision(moving, "bob", side="target")] == ["deny", "deny"]
    assert proof.refusal(moving.target, TEXTS["a change"], role=CLERK) == CLOSED
    assert proof.refusal(moving.target, "truncate hotel.trace", role=TESTER) == NO_RIGHT
    assert proof.refusal(moving.target, "update hotel.profile set note = 'TEST'", role=TESTER) == NO_RIGHT
    assert proof.refusal(moving.source, TEXTS["a change"], role=CLERK) == CLOSED
    write(moving, number=1)
    assert moving.run("move", "verifying", NAME).json["is_in"]


def test_abandoned_with_testers_in(moving):
    """Abandoned while a tester has a transaction open, the source opens, and no row of theirs is left."""
    ready(moving)
    moving.run(*ENTER)
    tester = connect(moving.target, name="tester", role=TESTER, autocommit=False)
    tester.execute(BOOK, [2])
    assert moving.run(*ABANDON).json["result"] == "abandoned"
    with pytest.raises(psycopg.OperationalError, match="terminating connection"):
        tester.execute("select 1")
    assert guards(moving) == (State.OPEN, State.PREPARED)
    assert moving.ask("target", LEFT) == []
    assert moving.ask("target", "select 1 from hotel.reservation where property_code = 'RESORT' limit 1") == []
    assert proof.refusal(moving.target, "select 1 from hotel.trace", role=TESTER) == NO_RIGHT
    assert decision(moving, "ada", side="source") == "allow"


# -- in, and taken away ------------------------------------------------------------------------------------------------


def test_something_refers_to_a_test(moving):
    """Where something else refers to a tester's object nothing opens, and the reference is named; mended it goes on."""
    ready(moving)
    moving.run(*ENTER)
    write(moving, number=1)
    moving.ask("target", OUTSIDE)
    moving.ask("target", REFERS)
    moving.run("move", "verifying", NAME, "--end")
    until(lambda: moving.procedure()[0] == "failed", what="the refusal")
    assert 'table "outside"' in moving.procedure()[1]
    assert guards(moving) == (State.QUIET, State.PREPARED)
    assert moving.run("move", "verifying", NAME).json["is_in"]
    moving.ask("target", "drop table public.outside")
    assert moving.start(*RESUME).wait(90) == 75
    assert moving.ask("target", LEFT) == []
    assert proof.not_equal(proof.compared(moving)) == []
    found = moving.run("move", "verifying", NAME).json
    assert not found["is_in"]
    assert {"tester", "relation", "operation", "rows"} <= found["wrote"][0].keys()
    assert {line["relation"] for line in found["wrote"]} >= {"hotel.reservation", "hotel.posting", "hotel.trace"}
    assert {"move verifying", "move verifying end"} <= {*wrote(moving)}


def test_paused_with_testers_in(moving):
    """Told to leave while it is paused, testers are in until it goes on, and that is said; then they leave first."""
    ready(moving)
    moving.run(*ENTER)
    moving.run("move", "downtime", "pause", NAME)
    assert moving.run("move", "verifying", NAME, "--end").json["testers"]
    assert guards(moving) == (State.QUIET, State.VERIFYING)
    assert moving.start(*RESUME).wait(90) == 75
    assert not moving.run("move", "verifying", NAME).json["is_in"]
    assert guards(moving) == (State.QUIET, State.PREPARED)


# -- the gos -----------------------------------------------------------------------------------------------------------


def test_a_go_signs_its_totals(moving):
    """A go says the totals that it signs, and keeps who gave it; the other role's is still missing."""
    ready(moving)
    said = moving.run(*GO, "operations", "--as", "ada@desk").json
    assert len(said["checksum"]) == 64
    assert said["totals"]["guest_ledger EUR"]["source"]
    until(lambda: moving.procedure()[0] == "ready", what="the other go")
    assert "The go of finance is missing" in moving.procedure()[1]
    kept = moving.ask("control", "select gos -> 'operations' from slacktide.procedure order by attempt desc limit 1")[
        0
    ][0]
    assert (kept["name"], kept["who"], kept["checksum"]) == ("Ada Night", "ada@desk", said["checksum"])


def test_other_totals_void_a_go(moving):
    """When the barrier was void and totals have changed, gos given with the old ones stand no longer, and say so."""
    ready(moving)
    moving.run(*GO, "operations")
    until(lambda: "finance is missing" in (moving.procedure()[1] or ""), what="the other go")
    with connect(moving.source, name="test", role=MOVER) as connection:
        assert connection.execute(PAID).rowcount == 1
    moving.run(*GO, "finance")
    until(lambda: "stand no longer" in (moving.procedure()[1] or ""), what="the void gos")
    assert moving.procedure()[0] == "ready"
    assert "operations, by Ada Night" in moving.procedure()[1]
    assert wrote(moving).count("move go void") == 2


def test_the_last_go_turns_testers_out(moving):
    """An open transaction of a tester is waited for and listed, new ones are refused; killed, it goes on, and opens."""
    ready(moving)
    moving.run(*GO, "finance")
    until(lambda: "operations" in (moving.procedure()[1] or ""), what="the other go")
    moving.run(*ENTER)
    write(moving, number=1)
    with connect(moving.target, name="late tester", role=TESTER, autocommit=False) as late:
        late.execute(BOOK.replace("%s", "3"))
        moving.run(*GO, "operations")
        until(
            lambda: moving.ask("control", WAITED.replace("990003", "990000 + 3")), what="the list of who is waited for"
        )
        assert proof.refusal(moving.target, TEXTS["a change"], role=TESTER) == CLOSED
        assert moving.kill_child(DOWN_TIME)
        late.commit()
    until(lambda: moving.procedure()[0] == "open", seconds=90, what="the opening")
    assert guards(moving) == (State.REFERENCE_ONLY, State.OPEN)
    assert moving.ask("target", LEFT) == []
    assert proof.not_equal(proof.compared(moving)) == []
    assert moving.run("hotel", "inventory", moving.target, "--property", PROPERTY, "--check").status == 0
    ((kept,),) = moving.ask(
        "control", "select verification -> 'accepted' from slacktide.procedure where state = 'open'"
    )
    assert [(one["entity"], one["name"], one["reason"]) for one in kept] == [
        ("telephone_entry", "Ada Night", "by hand")
    ]


def test_nothing_of_testers_stays(moving):
    """Once open, the testers' rights are gone, and the gates know no testers any more."""
    assert proof.refusal(moving.target, "select 1 from hotel.trace", role=TESTER) == NO_RIGHT
    with connect(moving.control, name="look") as control:
        assert [side.testers for side in list_sides(control, organization=PROPERTY)] == [(), ()]
    with pytest.raises(psycopg.Error, match="reference only"), connect(moving.source, name="test", role=CLERK) as clerk:
        clerk.execute(TEXTS["a change"])
