"""A property that is resorted out, trades, comes back, trades, and goes out again. One story, in order."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from dataclasses import replace

import psycopg
import pytest

from slacktide.cutover.fallback import begin, name_of
from slacktide.guard import closing
from slacktide.guard.state import State
from slacktide.hotel.promise_check import check_promises
from slacktide.postgres.connection import connect
from slacktide.transfer.journal import DOWN_TIME
from tests.cutover import holding, planted, proof
from tests.cutover.house import a_move
from tests.cutover.moving import NAME, PROPERTY, Trading, until

pytestmark = pytest.mark.long

BACK, AGAIN = name_of(NAME), name_of(name_of(NAME))
CLERK = "fallback_clerk"
WRITE = proof.ROUTES["update"]
LEFT_OUT = """
select reservation_id, country_code, market_code, sharer_of_id from hotel.reservation where property_code = 'RESORT'
"""
VERSIONS = "select r::text, xmin::text from hotel.reservation r where property_code = 'RESORT'"
COMPANIES = "select profile_id from hotel.profile where last_name like 'planted %%' order by last_name"
NEW_CODE = "insert into hotel.rate_code (property_code, code, name) values ('RESORT', 'LATE', 'made at the target')"
THERE = """
select source_key::bigint, target_key::bigint from slacktide.key_map where name = 'profile' and source_key = any (%s)
"""
TAKEN = """
select g.reason from slacktide.message g join slacktide.move m using (move_id)
where m.name = %s and g.entity = 'reservation' and g.reason like 'it went%%'
"""
TAKEN_OVER = """
update hotel.profile set membership_no = 990001
where profile_id = (select profile_id from hotel.reservation where reservation_id = %s)
"""
FAILED = """
select g.entity, g.key, g.reason from slacktide.message g join slacktide.move m using (move_id)
where m.name = %s and g.state = 'failed'
"""
OLD_STAY = """
select min(k.target_key::bigint) from slacktide.key_map k join slacktide.mover_move m using (move_no)
join hotel.reservation r on r.reservation_id = k.target_key::bigint
where m.name = 'night' and k.name = 'reservation' and k.source_key = any (%s)
    and r.status in ('checked out', 'cancelled')
"""


class Watch(threading.Thread):
    """Looks at both guards for as long as the story lasts."""

    def __init__(self, moving):
        super().__init__(daemon=True)
        self.moving, self.enough, self.states, self.failure = moving, threading.Event(), [], None

    def run(self):
        try:
            with (
                connect(self.moving.source, name="watch") as source,
                connect(self.moving.target, name="watch") as target,
            ):
                while not self.enough.wait(0.01):
                    here, there, again = (
                        closing.state(each, organization=PROPERTY) for each in (source, target, source)
                    )
                    seen = (here.state, there.state)
                    if here == again and (not self.states or self.states[-1] != seen):
                        self.states.append(seen)
        except psycopg.Error as error:
            self.failure = error


@pytest.fixture(scope="module")
def moving(server):
    """Give a move of a hotel with 20 bookings each, in which a way back could lose something, open at the target."""
    with a_move(server, name="fallback", bookings=20) as moving:
        moving.ask("source", planted.FOREIGN_SHARER)
        moving.ask("source", planted.FOREIGN_POSTING)
        moving.ask("source", planted.COMPANIES)
        moving.ask("source", planted.ATTACHED)
        ((country,),) = moving.ask("source", planted.CODES)
        (one,), (other,) = moving.ask("source", planted.MARKETS)
        mappings = moving.folder / "mappings.csv"
        mappings.write_text(f"list,source_code,target_code\ncountry,{country},\nmarket,{other},{one}\n")
        moving.before = {key: rest for key, *rest in moving.ask("source", LEFT_OUT)}
        moving.lost, moving.merged, moving.instead = country, other, one
        moving.create()
        moving.run("move", "configure", NAME)
        moving.run("move", "convert", NAME, "--mappings", str(mappings))
        moving.worker()
        moving.run("move", "processes", "start", NAME)
        moving.until_steady()
        moving.run("move", "processes", "stop", NAME)
        assert "not down yet" in moving.run(*fallback(NAME), accept=(1,)).err
        moving.schedule()
        moving.run(*moving.start_arguments())
        for side in ("source", "target"):
            moving.ask(side, proof.ROLE.format(role=CLERK))
        yield moving


@pytest.fixture(scope="module")
def watch(moving):
    """Give a watch over both guards."""
    watch = Watch(moving)
    watch.start()
    yield watch
    watch.enough.set()
    watch.join(10)


@pytest.fixture(scope="module")
def back(moving):
    """Give the way back, the other way round."""
    return replace(moving, source=moving.target, target=moving.source, running=moving.running, name=BACK)


@pytest.fixture(scope="module")
def again(moving):
    """Give the way out again."""
    return replace(moving, running=moving.running, name=AGAIN)


def states(moving):
    with connect(moving.source, name="look") as source, connect(moving.target, name="look") as target:
        return tuple(closing.state(each, organization=PROPERTY).state for each in (source, target))


def fallback(name, *more, go=True):
    gos = ["--go", "operations=Ada Night"] if go else []
    waived = [f"--waive={check}=Ada Night" for check in ("contingency", "prediction", "partners")]
    return [
        "move",
        "downtime",
        "fallback",
        name,
        "--business-date",
        "2016-08-15",
        *gos,
        *waived,
        *more,
        "--reason",
        "back",
    ]


def until_held(moving, command):
    """Wait until a step is held; a command that ended instead says why."""

    def held():
        if command.poll() is not None:
            pytest.fail(
                max(moving.folder.glob("move-*.log"), key=lambda file: file.stat().st_mtime).read_text()[-3000:]
            )
        return holding.waiting(moving, "update slacktide.procedure_step")

    until(held, seconds=180, what="the step")


def trade(address, promises, *, seed=1):
    with Trading(address, property_code=PROPERTY, promises=promises, rate=40, seed=seed) as trader:
        trader.until_promised(40)
        trader.stop()


def close_day(moving, address):
    moving.run("hotel", "cashiers", "close", address, "--property", PROPERTY)
    moving.schedule()


@pytest.fixture(scope="module")
def changed(moving):
    """Give what was changed on both sides since the property was opened at the target, and what was before."""
    companies = [key for (key,) in moving.ask("source", COMPANIES)]
    here, both, later = companies
    moving.ask("source", "update hotel.profile set note = 'of CITY' where profile_id = any (%s)", [here, both])
    trade(moving.target, moving.folder / "promises at the target")
    keys = [str(key) for key in companies]
    there = dict(moving.ask("target", THERE, keys))
    moving.ask("target", "update hotel.profile set note = 'of RESORT' where profile_id = %s", there[both])
    keys = [str(key) for key, rest in moving.before.items() if rest[0] == moving.lost or rest[1] == moving.merged]
    ((stay,),) = moving.ask("target", OLD_STAY, keys)
    moving.ask("target", "update hotel.reservation set note = 'changed at the target' where reservation_id = %s", stay)
    moving.ask("target", NEW_CODE)
    moving.ask("target", "delete from hotel.reservation where note = 'planted'")
    moving.ask("target", "delete from hotel.profile where last_name in ('goes', 'needed')")
    moving.ask("target", TAKEN_OVER, stay)
    return {"others": planted.others(moving.source), "here": here, "both": both, "later": later, "there": there}


def test_killed_again_and_again(moving, back, changed, watch):
    """Killed wherever it is while it prepares, it can be asked for again, and goes on while the property trades."""
    versions = dict(moving.ask("source", VERSIONS))
    promises = moving.folder / "promises at the target"
    trader = Trading(moving.target, property_code=PROPERTY, promises=promises, rate=10, seed=7)
    trader.start()
    for what, done in (("the row", ROW), ("the keys", KEYS), ("the content", CONTENT)):
        command = moving.start(*fallback(NAME))
        until(lambda done=done: there(moving, *done), what=what)
        with contextlib.suppress(ProcessLookupError):
            os.kill(command.pid, signal.SIGKILL)
        command.wait()
    said = moving.run(*fallback(NAME), accept=(1,))
    assert "a downtime of the property, users out, is in effect: none is" in said.err
    assert "objects differ" not in said.err
    back.until_steady()
    assert proof.refusal(moving.target, WRITE, role=CLERK) is None
    trader.stop()
    after = dict(moving.ask("source", VERSIONS))
    equal = versions.keys() & after.keys()
    assert [row for row in equal if versions[row] != after[row]] == []  # what is equal was not written again
    assert equal


ROW = ("control", "select 1 from slacktide.move where name = 'night-back'")
KEYS = ("source", "select 1 from pg_class where oid = to_regclass('slacktide.key_map')")
CONTENT = ("control", "select 1 from slacktide.move where name = 'night-back' and facts ? 'known_before'")


def there(moving, side, statement):
    return moving.ask(side, statement)


def test_where_it_lives_meanwhile(moving):
    """While the way back is carried the organization is open where it lives, and its old source says where that is."""
    assert moving.run("status", "--organization", PROPERTY).json["state"] == "open"
    with (
        connect(moving.source, name="test", role=CLERK) as connection,
        pytest.raises(psycopg.Error, match="fallback_target"),
    ):
        connection.execute(WRITE)


@pytest.mark.usefixtures("changed")
def test_what_was_deleted_takes_along_what_had_not_moved(moving, back):
    """A booking deleted at the target goes with its attachment, which only the old source had; that is named.

    Of two profiles deleted there that goes to which nothing refers any more, and its membership number is free for who
    took it over; the other one stays.
    """
    assert moving.ask("control", FAILED, back.name) == []
    left = "select last_name from hotel.profile where last_name in ('goes', 'needed')"
    assert moving.ask("source", left) == [("needed",)]
    assert len(moving.ask("source", "select 1 from hotel.profile where membership_no = 990001")) == 1
    assert moving.ask("source", "select 1 from hotel.reservation where note = 'planted'") == []
    assert moving.ask("source", "select 1 from hotel.attachment where name = 'planted'") == []
    reasons = [reason for (reason,) in moving.ask("control", TAKEN, back.name)]
    assert all("with it what was not moved: attachment" in reason for reason in reasons)
    assert reasons


def test_abandoned_on_its_way(moving, back):
    """Given up on its way back, it is open where it was, and its old source is reference only again, with its rows."""
    close_day(moving, moving.target)
    with holding.at_step(moving, "verify") as held:
        command = moving.start(*fallback(NAME))
        until_held(moving, command)
        moving.run("move", "downtime", "abandon", BACK, "--yes", PROPERTY, "--reason", "not yet")
        held.close()
        command.wait()
    assert back.procedure()[0] == "abandoned"
    assert proof.refusal(moving.target, WRITE, role=CLERK) is None
    assert proof.refusal(moving.source, WRITE, role=CLERK) == proof.REFUSED
    assert moving.ask("source", "select count(*) from hotel.reservation where property_code = 'RESORT'")[0][0] > 10


def test_it_comes_back(moving, back, changed):
    """The second try ends open at the old source, through the kill of a step, with every promise of the target kept."""
    trade(moving.target, moving.folder / "promises at the target", seed=3)
    moving.ask("source", "update hotel.profile set note = 'of CITY, later' where profile_id = %s", changed["later"])
    close_day(moving, moving.target)
    with holding.at_step(moving, "hand_over"):
        command = moving.start(*fallback(NAME), "--json")
        until_held(moving, command)
        assert back.kill_child(DOWN_TIME)
    assert command.wait() == 0
    assert back.procedure() == ("open", None)
    report = check_promises(address=moving.source, promises=moving.folder / "promises at the target")
    assert report.promised > 0
    assert report.kept


def test_the_result(moving):
    """The command says of the way back what it says of the way out."""
    log = max(moving.folder.glob("move-*.log"), key=lambda file: file.stat().st_mtime)
    result = [line for line in log.read_text().splitlines() if line.startswith("{")][-1]
    assert '"result": "open"' in result
    assert all(f'"{name}"' in result for name in ("down_seconds", "work_seconds", "objects_moved", "verified_objects"))


def test_everything_came_back(moving, back, changed):
    """By the rules alone every object is as it was at the target, but for what another property had changed."""
    stays = frozenset(("profile", str(changed["there"][changed[name]])) for name in ("here", "both", "later"))
    assert planted.differing(back, stays=stays) == []
    assert moving.ask("source", "select 1 from hotel.rate_code where property_code = 'RESORT' and code = 'LATE'") == [
        (1,)
    ]


def test_nothing_of_the_old_source_was_lost(moving, changed):
    """Left-out codes, two that had become one, a reference left null: all as before; others' rows byte by byte."""
    now = {key: rest for key, *rest in moving.ask("source", LEFT_OUT)}
    kept = [key for key in moving.before if key in now]
    assert len(kept) > 10
    lost = [key for key in kept if moving.before[key][0] == moving.lost and now[key][0] is None]
    merged = [key for key in kept if moving.before[key][1] == moving.merged and now[key][1] == moving.instead]
    assert (lost, merged) == ([], [])
    assert [now[key][2] for key in kept if moving.before[key][2] is not None] == [
        moving.before[key][2] for key in kept if moving.before[key][2] is not None
    ]
    notes = dict(moving.ask("source", "select profile_id, note from hotel.profile"))
    assert [notes[changed[name]] for name in ("here", "both", "later")] == ["of CITY", "of CITY", "of CITY, later"]
    assert planted.others(moving.source) == changed["others"]


def test_never_both_open(watch):
    """At no moment were both sides open, and it was open now here, now there."""
    until(lambda: watch.states[-1] == (State.OPEN, State.REFERENCE_ONLY), seconds=10, what="the last look")
    assert watch.failure is None
    assert (State.OPEN, State.OPEN) not in watch.states
    assert watch.states[0] == (State.REFERENCE_ONLY, State.OPEN)


def test_a_second_time(moving):
    """What has come back is not taken back again; the refusal says by which command it goes out again."""
    assert f"slacktide move downtime fallback {BACK}" in moving.run(*fallback(NAME), accept=(1,)).err


def test_out_again(moving, again, watch):
    """It trades at its old source, and goes out again by the same command; every promise is kept, nothing differs."""
    trade(moving.source, moving.folder / "promises at the source", seed=5)
    close_day(moving, moving.source)
    moving.run(*fallback(BACK))
    assert again.procedure() == ("open", None)
    moving.run("move", "miscellaneous", AGAIN)
    assert check_promises(address=moving.target, promises=moving.folder / "promises at the source").kept
    assert planted.differing(again) == []
    assert proof.refusal(moving.target, WRITE, role=CLERK) is None
    assert watch.failure is None
    assert (State.OPEN, State.OPEN) not in watch.states


def test_a_way_back_that_is_taken_back(moving, again):
    """A way back that is only begun is taken back: nothing changes where the property lives, and it can begin anew."""
    name, before = name_of(AGAIN), states(moving)
    for _ in range(2):
        with connect(moving.control, name="test") as control:
            begin(control, move=again.move(), who="Ada", reason="back")
        assert f"slacktide move clean {name} --apply" in moving.run("move", "clean", AGAIN, "--apply", accept=(1,)).err
        assert moving.run("status", "--organization", PROPERTY).json["state"] == "open"
        moving.run("move", "clean", name, "--apply")
        assert states(moving) == before == (State.REFERENCE_ONLY, State.OPEN)
        assert moving.run("status", "--organization", PROPERTY).json["state"] == "open"


def test_clean(moving, again):
    """After an End of Day the last leg is cleaned, and takes along what those before it left in both databases."""
    assert "is not over" in moving.run("move", "clean", AGAIN, "--apply", accept=(1,)).err
    moving.run("hotel", "end-of-day", moving.target, "--property", PROPERTY)
    moving.run("move", "clean", AGAIN, "--apply")
    assert proof.left_behind(again) == []
    assert proof.not_refused(again, role=CLERK) == []
