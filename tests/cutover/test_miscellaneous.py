"""Task 7 on the sample: old stays, statistics, attachments and work orders come while the target is open and trades.

The tests of this module are one story, told in order.
"""

from __future__ import annotations

import threading

import psycopg
import pytest

from slacktide.guard import closing
from slacktide.postgres.connection import connect
from slacktide.transfer.journal import MISCELLANEOUS
from tests.cutover.house import a_move
from tests.cutover.moving import NAME, PROPERTY, until

TABLES = {
    "statistic_day": "business_date, market_code, rooms, guests, revenue",
    "stay_history": "arrival, departure, room_type, market_code, currency_code, revenue, note",
    "attachment": "name, media_type, md5(content)",
    "work_order": "room_no, task, reported_on, done_on",
}
FROM = "2014-01-01"
SHARED = """
select r.profile_id from hotel.stay_history s join hotel.reservation r using (property_code, profile_id)
where s.property_code = 'RESORT' and s.departure >= %s order by 1 limit 1
"""
ATTACHED = """
insert into hotel.attachment (property_code, reservation_id, name, media_type, content)
select 'RESORT', max(reservation_id), 'lost.txt', 'text/plain', 'lost' from hotel.reservation r
where property_code = 'RESORT' and status = 'cancelled' and block_id is null
    and not exists (select from hotel.deposit d where d.reservation_id = r.reservation_id)
    and not exists (select from hotel.folio f where f.reservation_id = r.reservation_id)
    and not exists (select from hotel.attachment a where a.reservation_id = r.reservation_id)
returning attachment_id, reservation_id
"""
PAIR = """
select source_key::bigint, target_key::bigint from slacktide.key_map where name = %s
"""
LATE_ROW = """
insert into hotel.statistic_day (property_code, business_date, market_code, rooms, guests, revenue)
select property_code, '2001-01-01', market_code, 1, 2, 3 from hotel.statistic_day where property_code = 'RESORT' limit 1
"""
PAST_THE_GUARD = """
grant usage on schema hotel to slacktide_mover;
grant select, insert on all tables in schema hotel to slacktide_mover;
grant usage on all sequences in schema hotel to slacktide_mover;
set role slacktide_mover;
"""
WORK = """
with worked as (update hotel.reservation r set note = 'worked on', version = r.version + 1
    from hotel.attachment a right join hotel.stay_history s using (property_code)
    where r.property_code = 'RESORT' and (r.profile_id = s.profile_id or r.reservation_id = a.reservation_id)
    returning r.reservation_id)
insert into hotel.telephone_entry (property_code, category, name, number) values ('RESORT', 'clerk', %s, '1')
"""
ALTERED = """
create function public.altered() returns trigger language plpgsql as
    $$ begin new.rooms := new.rooms + 1; return new; end $$;
create trigger altered before insert on hotel.statistic_day for each row execute function public.altered()
"""
UNALTERED = "drop trigger altered on hotel.statistic_day; drop function public.altered()"


def rows(moving, side, table, columns):
    """Read a table's rows of the property, each with the key that it has at the source."""
    where = ""
    if side == "source":  # what a filter leaves behind, and what cannot come
        where = {"stay_history": f" and departure >= '{FROM}'", "attachment": " and name <> 'lost.txt'"}.get(table, "")
    found = moving.ask(side, f"select {table}_id, {columns} from hotel.{table} where property_code = 'RESORT'{where}")
    keys = {there: here for here, there in moving.ask("target", PAIR, table)}
    return sorted((row if side == "source" else (keys.get(row[0]), *row[1:]) for row in found), key=repr)


def counts(moving, side):
    """Count the rows of the property."""
    statement = "select count(*) from hotel.{} where property_code = 'RESORT'"
    return {name: moving.ask(side, statement.format(name))[0][0] for name in TABLES}


def failed(moving):
    """List what did not come."""
    return moving.run("move", "messages", NAME).json["messages"]


def waiting(moving):
    """Count the sessions that would write a batch and wait for somebody."""
    sessions = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' "
    return moving.ask("target", sessions + "and application_name like 'slacktide night process'")[0][0]


def panel(moving):
    """Give the panel of task 7."""
    return moving.status()["miscellaneous"]


@pytest.fixture(scope="module")
def moving(server):
    """Give a move that is open at its target, with an attachment of a booking that nothing else refers to."""
    with a_move(server, name="misc", bookings=80) as moving:
        moving.create()
        moving.run("move", "property", NAME, "--filter", f"stay_history_from={FROM}")
        moving.lost = moving.ask("source", ATTACHED)[0]
        moving.worker()
        moving.run("move", "processes", "start", NAME)
        moving.until_steady()
        moving.run("move", "processes", "stop", NAME)
        moving.schedule()
        refused = moving.run("move", "miscellaneous", NAME, accept=(1,))
        assert f"slacktide move downtime start {NAME}" in refused.err
        moving.run(*moving.start_arguments())
        _trade_on(moving)
        yield moving


def _trade_on(moving):
    """Change at both sides what old stays refer to, and delete at the target what the attachment belongs to."""
    (guest,) = moving.ask("source", SHARED, FROM)[0]
    moving.ask("source", "update hotel.profile set note = 'changed by another house' where profile_id = %s", guest)
    keys = {name: dict(moving.ask("target", PAIR, name)) for name in ("profile", "reservation")}
    moving.guest, booking = keys["profile"][guest], keys["reservation"][moving.lost[1]]
    moving.ask("target", "update hotel.profile set note = 'changed by us' where profile_id = %s", moving.guest)
    for table in ("reservation_night", "routing_instruction", "guest_message", "trace", "reservation"):
        moving.ask("target", f"delete from hotel.{table} where reservation_id = %s", booking)


class Clerk(threading.Thread):
    """Somebody who works at the open target all the time, on objects that late ones refer to too."""

    def __init__(self, moving):
        super().__init__(daemon=True)
        self.moving, self.enough = moving, threading.Event()
        self.written, self.failure = 0, None

    def run(self):
        try:
            with connect(self.moving.target, name="clerk") as target:
                while not self.enough.wait(0.05):
                    target.execute(WORK, [f"work {self.written}"])
                    self.written += 1
        except psycopg.Error as error:
            self.failure = error

    def stop(self):
        self.enough.set()
        self.join(30)


@pytest.fixture(scope="module")
def clerk(moving):
    """Give a clerk who works at the target until it is enough."""
    clerk = Clerk(moving)
    clerk.start()
    yield clerk
    clerk.stop()


def test_nothing_of_it_came_before_the_opening(moving):
    """Pass, down time and verification leave it alone; its tables at the source are closed like all others."""
    assert counts(moving, "target") == dict.fromkeys(TABLES, 0)
    assert min(counts(moving, "source").values()) > 3
    verified = moving.ask("control", "select verification -> 'rows' -> 'target' from slacktide.procedure")[0][0]
    assert not TABLES.keys() & verified.keys()
    with pytest.raises(psycopg.DatabaseError, match="reference only"):
        moving.ask("source", LATE_ROW)


def test_clean_would_leave_it_behind(moving):
    """Clean is refused as long as it has neither moved nor been left by name, and says both commands."""
    refused = moving.run("move", "clean", NAME, "--apply", accept=(1,)).err
    assert f"slacktide move miscellaneous {NAME}" in refused
    assert "--leave" in refused
    assert "--reason" in moving.run("move", "miscellaneous", NAME, "--leave", accept=(2,)).err


def test_it_waits_while_the_target_is_closed(moving):
    """While the property is closed at the target it writes nothing and says what it waits for; then it goes on."""
    with connect(moving.target, name="test") as target:
        closing.begin_closing(target, organization=PROPERTY, reason="inventory")
        command = moving.start("move", "miscellaneous", NAME, "--json")
        until(lambda: "closed to writes" in (panel(moving)["waits_for"] or ""), what="the refusal")
        assert counts(moving, "target") == dict.fromkeys(TABLES, 0)
        target.execute(ALTERED.encode())
        closing.reopen(target, organization=PROPERTY, reason="counted")
    assert command.wait(90) == 1


def test_what_is_not_the_same_is_not_written(moving):
    """A batch that the target would hold otherwise is named, with its columns, and nobody sees anything of it."""
    assert panel(moving)["state"] == "failed"
    (said,) = [error for error in moving.status()["errors"] if "statistic_day" in error]
    assert "rooms" in said
    assert counts(moving, "target")["statistic_day"] == 0
    moving.ask("target", UNALTERED)


def test_killed_before_and_after_the_commit(moving, clerk):
    """Killed in a batch, and killed between the target's commit and its note, it goes on and ends by itself."""
    with psycopg.connect(moving.target) as holder:
        holder.execute("lock table hotel.attachment in share row exclusive mode")
        command = moving.start("move", "miscellaneous", NAME, "--json")
        until(lambda: waiting(moving) == 1, what="the batch of attachments")
        assert moving.kill_child(MISCELLANEOUS)
        moving.ask("source", PAST_THE_GUARD + LATE_ROW)
        until(lambda: waiting(moving) == 2, what="the next child, behind what the server still does for the first")
        with psycopg.connect(moving.control) as note:
            note.execute("lock table slacktide.batch in share mode")
            holder.rollback()
            until(lambda: counts(moving, "target")["attachment"], what="the attachments")
            assert moving.kill_child(MISCELLANEOUS)
    assert command.wait(90) == 1


def test_all_has_come_but_what_was_deleted(moving, clerk):
    """Each row is there once, one that was written past the source's guard too; one fails, by name."""
    done = moving.move().facts[MISCELLANEOUS]
    assert done["failed"] == 1
    (lost,) = failed(moving)
    assert (lost["entity"], lost["key"]) == ("attachment", str(moving.lost[0]))
    for table, columns in TABLES.items():
        assert rows(moving, "source", table, columns) == rows(moving, "target", table, columns), table
    assert done["left_behind"]["stay_history"] > 0
    gaps = "select count(*), min(number), max(number) from slacktide.batch where state = 'processed'"
    count, first, last = moving.ask("control", gaps)[0]
    assert count == last - first + 1


def test_accepted_by_name_it_is_done(moving, clerk):
    """What failed and is accepted by name is left out: the task ends with 0, and names it with who accepted it."""
    error = f"attachment:{moving.lost[0]}"
    moving.run("move", "error", "accept", NAME, error, "--reason", "its booking is gone", "--name", "Ada Night")
    done = moving.run("move", "miscellaneous", NAME).json
    assert (done["result"], done["failed"]) == ("done", 0)
    (left_out,) = done["accepted"]
    assert (left_out["entity"], left_out["key"]) == ("attachment", str(moving.lost[0]))
    assert (left_out["name"], left_out["reason"]) == ("Ada Night", "its booking is gone")


def test_what_the_target_has_is_its_own(moving, clerk):
    """A profile that a user changed after the opening stays as it is, though the source has another one by now."""
    assert moving.ask("target", "select note from hotel.profile where profile_id = %s", moving.guest) == [
        ("changed by us",)
    ]


def test_who_works_there_is_not_disturbed(moving, clerk):
    """A clerk of the target has worked all the time, on what late objects refer to, and everything is there."""
    clerk.stop()
    assert clerk.failure is None
    worked = "select count(*) from hotel.telephone_entry where category = 'clerk'"
    assert moving.ask("target", worked) == [(clerk.written,)] != [(0,)]


def test_references_lead_to_the_right_objects(moving):
    """An old stay and an attachment belong at the target to whom they belong at the source."""
    for table, column, entity in (
        ("stay_history", "profile_id", "profile"),
        ("attachment", "reservation_id", "reservation"),
        ("attachment", "profile_id", "profile"),
    ):
        keys = {there: here for here, there in moving.ask("target", PAIR, entity)} | {None: None}
        there = [(key, keys[other]) for key, other in rows(moving, "target", table, column)]
        assert rows(moving, "source", table, column) == sorted(there, key=repr), (table, column)


def test_left_by_name_it_is_done(moving):
    """What cannot come is left by name and reason, in the audit trail; then the task is done and clean goes on."""
    left = moving.run("move", "miscellaneous", NAME, "--leave", "--reason", "its booking is gone", "--as", "Ada").json
    assert (left["result"], left["left"], left["who"]) == ("left", "its booking is gone", "Ada")
    assert moving.status()["task"] == 7
    (noted,) = [one for one in moving.run("audit").json if one["what"] == "move miscellaneous leave"]
    assert (noted["who"], noted["reason"]) == ("Ada", "its booking is gone")
    moving.run("hotel", "end-of-day", moving.target, "--property", PROPERTY)
    moving.run("move", "clean", NAME, "--apply")
