"""One whole night on the sample: a late writer, an error, a kill, a void barrier, a go, and what is open then.

The tests of this module are one story, told in order.
"""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime

import psycopg
import pytest

from slacktide.guard import closing
from slacktide.guard.state import State
from slacktide.hotel.promise_check import check_promises
from slacktide.postgres.connection import connect
from slacktide.transfer.journal import DOWN_TIME
from tests.cutover import holding, proof
from tests.cutover.house import a_steady_move
from tests.cutover.moving import NAME, PROPERTY, Trading, until

STEPS = [
    "closing", "quiet", "final_synchronization", "guest_balances", "open_ar_invoices", "s_and_c",
    "telephone_book_messages_traces", "counters", "verify", "resync_inventory", "ready_to_open", "hand_over",
]  # fmt: skip
MOVER, CLERK = "slacktide_mover", "night_clerk"
CLOSED = "ST001"
NUMBER = "insert into hotel.telephone_entry (property_code, category, name, number) values ('RESORT', 'a', 'b', '1')"
FUNCTION = f"create or replace function public.write_number() returns void language sql as $$ {NUMBER} $$"
WRITES = {
    "copy": "copy hotel.telephone_entry (property_code, category, name, number) from stdin",
    "insert": NUMBER,
    "function": "select public.write_number()",
}
LATE_CODE = "insert into hotel.market_code (property_code, code, name) values ('RESORT', 'ZZ', 'late')"
LATE = """
update hotel.reservation set market_code = 'ZZ'
where reservation_id = (select min(reservation_id) from hotel.reservation where property_code = 'RESORT')
"""
HELD = """
select detail -> 'waits_for' from slacktide.procedure_step
where step = 'quiet' and detail ->> 'waits_for' like '%%update hotel.reservation%%'
"""
OF_CITY = """
update hotel.telephone_entry set name = name
where telephone_entry_id = (select min(telephone_entry_id) from hotel.telephone_entry where property_code = 'CITY')
"""
BEHIND_BARRIER = """
update hotel.trace set body = 'after the barrier'
where trace_id = (select min(trace_id) from hotel.trace where property_code = 'RESORT')
"""


FALSE = """
update hotel.inventory set sold = sold + 1, available = available - 1
where property_code = 'RESORT' and (room_type, stay_date) = (
    select room_type, stay_date from hotel.inventory where property_code = 'RESORT' order by stay_date desc limit 1)
"""


class Watch(threading.Thread):
    """Looks at both guards, and writes for CITY, for as long as the night lasts."""

    def __init__(self, moving):
        super().__init__(daemon=True)
        self.moving, self.enough = moving, threading.Event()
        self.states, self.failure, self.written = [], None, 0

    def run(self):
        try:
            with (
                connect(self.moving.source, name="watch", role=CLERK, options="-c lock_timeout=1s") as city,
                connect(self.moving.source, name="watch") as source,
                connect(self.moving.target, name="watch") as target,
            ):
                while not self.enough.wait(0.02):
                    self._look(source, target)
                    self.written += city.execute(OF_CITY).rowcount
        except psycopg.Error as error:
            self.failure = error

    def _look(self, source, target):
        there = closing.state(target, organization=PROPERTY).state  # first: the source never opens again afterwards
        here = closing.state(source, organization=PROPERTY).state
        if not self.states or self.states[-1] != (here, there):
            self.states.append((here, there))

    def stop(self):
        self.enough.set()
        self.join(10)


@pytest.fixture(scope="module")
def moving(server):
    """Give a move of a hotel with 100 bookings each that is steady and stopped, and whose downtime is in effect."""
    with a_steady_move(server, name="whole", bookings=100) as moving:
        moving.ask("source", proof.ROLE.format(role=CLERK))
        yield moving


@pytest.fixture(scope="module")
def watch(moving):
    """Give a watch over both sides that lasts until it is stopped."""
    watch = Watch(moving)
    watch.start()
    yield watch
    watch.stop()


@pytest.fixture(scope="module")
def old(moving):
    """Give a transaction whose snapshot is older than the closing."""
    with connect(moving.source, name="old snapshot", role=CLERK, autocommit=False) as connection:
        connection.execute("set transaction isolation level repeatable read")
        connection.execute("select 1 from hotel.property")
        yield connection


@pytest.fixture(scope="module")
def command(moving):
    """Give the command that starts the night and watches it, once a property that trades has a downtime."""
    until(moving.stopped_steady, seconds=120, what="processes that are steady and stopped")
    moving.schedule()
    return moving.start(*moving.start_arguments("--json", go=False))


def done_at(moving, step):
    """Give the instant at which a step was noted last."""
    return moving.ask("control", "select changed_at from slacktide.procedure_step where step = %s", step)[0][0]


# -- the night ---------------------------------------------------------------------------------------------------------


def test_a_late_writer_is_waited_for(moving, watch, old, request):
    """After the closing a writer that was there before is waited for and listed; a new one is refused at once."""
    with (
        Trading(moving.source, property_code=PROPERTY, promises=moving.folder / "promises", rate=20) as trader,
        connect(moving.source, name="late writer", autocommit=False) as writer,
    ):
        time.sleep(1)
        writer.execute(LATE_CODE)
        writer.execute(LATE)
        request.getfixturevalue("command")
        held = until(lambda: moving.ask("control", HELD), what="the list of who is waited for")
        assert held[0][0][0]["age_seconds"] >= 0
        assert any(f"slacktide transaction end {held[0][0][0]['id']} --reason" in line
                   for line in moving.status()["down_time"]["waits_for"])  # fmt: skip
        assert proof.refusal(moving.source, proof.ROUTES["delete"], role=CLERK) == CLOSED
        writer.commit()
        assert until(lambda: trader.report, what="the end of trading").ended == "closed"
    until(lambda: watch.states[-1][0] in (State.CLOSING, State.QUIET), what="the look at it")


def test_an_error_stops_the_night_closed(moving, watch, command):
    """A mandatory code without a mapping stops it with the reason and the way on, both sides closed; it says 1."""
    assert command.wait(60) == 1
    state, error = moving.procedure()
    assert state == "failed"
    assert "'market ZZ'" in error
    assert f"resume {NAME}" in error
    assert moving.steps()["final_synchronization"] == "failed"
    assert until(lambda: watch.states[-1] == (State.QUIET, State.PREPARED))


def test_it_resumes_mended_and_killed(moving, watch):
    """Once mended it resumes; killed with -9 in a step it goes on at that step; without a go it says 75."""
    file = moving.folder / "mappings.csv"
    code = moving.ask("target", "select min(code) from hotel.market_code where property_code = 'RESORT'")[0][0]
    file.write_text(f"list,source_code,target_code\nmarket,ZZ,{code}\n")
    moving.run("move", "convert", NAME, "--mappings", str(file))
    quiet = done_at(moving, "quiet")
    with holding.at_step(moving, "final_synchronization"):
        command = moving.start("move", "downtime", "resume", NAME, "--json")
        holding.until_held(moving, step="final_synchronization")
        assert moving.kill_child(DOWN_TIME)
        killed = datetime.now(UTC)
    assert command.wait(60) == 75
    assert moving.procedure()[0] == "ready"
    assert done_at(moving, "quiet") == quiet
    assert done_at(moving, "verify") > killed
    assert watch.states[-1] == (State.QUIET, State.PREPARED)


def test_what_the_command_says(moving):
    """The command says each change of a step on a line, and the result at the end, as the interface writes it."""
    log = max(moving.folder.glob("move-*.log"), key=lambda file: file.stat().st_mtime)
    *lines, result = [json.loads(line) for line in log.read_text().splitlines()]
    assert all(line.keys() >= {"step", "state", "done", "total", "elapsed_seconds"} for line in lines)
    said = list(dict.fromkeys(line["step"] for line in lines))
    assert said == STEPS[: len(said)]
    assert said[-1] in ("resync_inventory", "ready_to_open")
    numbers = ("down_seconds", "work_seconds", "objects_moved", "verified_objects", "differences")
    assert all(isinstance(result[name], int | float) for name in numbers)
    assert (result["result"], result["differences"]) == ("ready", 0)
    assert result["down_seconds"] > result["work_seconds"] > 0
    assert all(both["source"] == both["target"] for both in result["totals"].values())
    assert {"guest_ledger EUR", "deposit_ledger EUR"} <= result["totals"].keys()


@pytest.fixture(scope="module")
def barrier(moving):
    """Give the barrier's batch as it was when the night became ready."""
    return moving.ask("control", "select final_batch from slacktide.procedure")[0][0]


def test_a_change_voids_the_barrier(moving, watch, barrier):
    """What changes after the barrier makes it anew, and the guard is proved anew: a tampered one opens nothing."""
    moving.ask("source", proof.ROLE.format(role=MOVER))
    moving.ask("source", "alter table hotel.trace disable trigger slacktide_guard_update")
    with connect(moving.source, name="test", role=MOVER) as connection:
        assert connection.execute(BEHIND_BARRIER).rowcount == 1
    moving.run("move", "go", NAME, "--role", "operations", "--name", "Ada Night")
    until(lambda: moving.procedure()[0] not in ("running", "ready"), what="the end")
    state, error = moving.procedure()
    assert state == "failed"
    assert "hotel.trace lacks the trigger slacktide_guard_update" in error
    assert moving.ask("control", "select final_batch from slacktide.procedure")[0][0] > barrier
    assert watch.states[-1] == (State.QUIET, State.PREPARED)


def test_mended_it_opens(moving):
    """With the guard mended it goes on at the step where it was, and opens with what changed."""
    moving.ask("source", "alter table hotel.trace enable always trigger slacktide_guard_update")
    assert moving.start("move", "downtime", "resume", NAME, "--json").wait(60) == 0
    assert moving.procedure() == ("open", None)
    assert len(moving.ask("target", "select 1 from hotel.trace where body = 'after the barrier'")) == 1


def test_never_both_open(watch):
    """At no moment were both sides open, and the target opened after the source was reference only."""
    until(lambda: watch.states[-1] == (State.REFERENCE_ONLY, State.OPEN))
    watch.stop()
    assert watch.states[0] == (State.OPEN, State.PREPARED)
    assert all(there is State.PREPARED for here, there in watch.states if here is not State.REFERENCE_ONLY)


def test_the_other_property_never_waited(watch):
    """CITY's clerk on the same source wrote all night, and never waited for a lock as long as a second."""
    assert watch.failure is None  # its session has a lock timeout of 1 s
    assert watch.written > 50


# -- after open --------------------------------------------------------------------------------------------------------


def test_every_step_is_done(moving):
    """Every step was done, in the order of the specification."""
    assert [*moving.steps().items()] == [(step, "done") for step in STEPS]


def test_everything_arrived(moving):
    """Every promise is kept at the target, and every object is equal by content on both sides."""
    report = check_promises(address=moving.target, promises=moving.folder / "promises")
    assert report.promised > 0
    assert report.kept
    assert proof.not_equal(proof.compared(moving)) == []
    assert proof.not_whole(moving) == []


def test_the_source_refuses_every_route(moving, old):
    """An ordinary role is refused, with the pointer, by parts, TRUNCATE, COPY, a function, an old snapshot."""
    assert proof.not_refused(moving, role=CLERK) == []
    moving.ask("source", FUNCTION)
    for route, statement in WRITES.items():
        with (
            connect(moving.source, name="test", role=CLERK) as connection,
            pytest.raises(psycopg.Error, match="whole_target") as refused,
        ):
            write(connection, statement)
        assert refused.value.sqlstate == proof.REFUSED, route
    with pytest.raises(psycopg.errors.SerializationFailure, match="the state of RESORT changed"):
        old.execute(NUMBER)
    old.rollback()
    with pytest.raises(psycopg.Error) as refused:
        old.execute(NUMBER)  # tried again, as after every serialization failure
    assert refused.value.sqlstate == proof.REFUSED


def write(connection, statement):
    """Run a statement; COPY gets one row of RESORT."""
    if not statement.startswith("copy"):
        connection.execute(statement)
        return
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write_row(["RESORT", "a", "b", "1"])


def test_the_source_can_be_read(moving):
    """Reading the property at the source works as before."""
    with connect(moving.source, name="test", role=CLERK) as connection:
        assert connection.execute("select count(*) from hotel.reservation where property_code = 'RESORT'").fetchone()[0]


def test_the_target_is_open(moving):
    """An ordinary role writes the property at the target, the downtime has ended, and nothing starts a second time."""
    moving.ask("target", proof.ROLE.format(role=CLERK))
    assert proof.refusal(moving.target, proof.ROUTES["update"], role=CLERK) is None
    assert moving.run("status", "--organization", PROPERTY).json["state"] == "open"
    assert "is open" in moving.run(*moving.start_arguments(), accept=(1, 2)).err
    moving.run("move", "processes", "start", NAME, accept=(1, 2))
    late = moving.run("move", "go", NAME, "--role", "operations", "--name", "Z", accept=(1, 2)).err
    assert "no go is asked for any more" in late
    assert moving.ask("control", "select gos #>> '{operations,name}' from slacktide.procedure") != [("Z",)]


def test_the_watch_period(moving):
    """After open it shows who wrote first and what was refused; nothing is cleaned before an End of Day balances."""
    found = moving.status()["down_time"]["watch"]
    slots = "select 1 from pg_replication_slots where database = current_database()"
    until(lambda: not moving.ask("source", slots), what="the slot's end")  # nobody streams any more
    assert found["first_write"] is None
    assert found["refused_writes"] >= len(WRITES)
    assert [check["name"] for check in found["checks"] if not check["ok"]] == ["end_of_day"]
    moving.run("move", "miscellaneous", NAME)
    said = moving.run("move", "clean", NAME, "--apply", accept=(1,)).err
    assert "the first end of day at the target is done: The business date is 2016-08-15" in said
    with connect(moving.target, name="test", role=CLERK) as connection:
        connection.execute(NUMBER)
    moving.run("hotel", "end-of-day", moving.target, "--property", PROPERTY)
    found = moving.status()["down_time"]["watch"]
    assert found["over"]
    assert found["first_write"]["relation"] == "hotel.telephone_entry"


def test_a_false_availability(moving):
    """What is sold and not in availability is named, and holds the cleaning up."""
    moving.ask("target", FALSE)
    assert "rooms are sold, and" in moving.run("move", "clean", NAME, "--apply", accept=(1,)).err
    moving.run("hotel", "inventory", moving.target, "--property", PROPERTY, "--resync")


def test_clean(moving):
    """Clean takes away everything of ours but the source's refusal, says that this stays, and proves the rest."""
    shown = moving.run("move", "clean", NAME).json
    assert not shown["applied"]
    assert any("STAYS" in line for line in shown["what"])
    done = moving.run("move", "clean", NAME, "--apply").json
    assert any(line.startswith("proven: no publication, slot, key map") for line in done["what"])
    assert proof.left_behind(moving) == []
    assert proof.not_refused(moving, role=CLERK) == []
    assert "`clean` took away" in moving.run("move", "downtime", "fallback", NAME, "--reason", "back", accept=(1,)).err


def test_clean_all(moving):
    """With --all the source's refusal goes too, and with it the last of the guard."""
    moving.run("move", "clean", NAME, "--apply", "--all")
    assert proof.refusal(moving.source, proof.ROUTES["update"], role=CLERK) is None
    assert proof.nothing_left(moving.source) == []
