"""Trading: a hotel stays a hotel, every promise is kept, through closings and killed servers too."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import threading
import time
from pathlib import Path

import psycopg
import pytest

from slacktide.guard import closing
from slacktide.guard.install import install, make_schema
from slacktide.hotel import inventory
from slacktide.hotel.day import end_of_day
from slacktide.hotel.dice import Dice
from slacktide.hotel.inventory import UnknownProperty
from slacktide.hotel.loading import load
from slacktide.hotel.promise import last_promises
from slacktide.hotel.promise_check import check_promises
from slacktide.hotel.property_plan import PLAN_FILE
from slacktide.hotel.schema import create
from slacktide.hotel.trade import trade
from slacktide.hotel.trade_action import ACTIONS
from slacktide.hotel.trade_hotel import Numbers, read_facts
from slacktide.hotel.trade_work import NothingToDoError, Work
from slacktide.plan.load import load_plan
from slacktide.postgres.connection import connect
from slacktide.postgres.server import Server
from slacktide.transfer.prepare import guarded_tables

_GUESTS_WITHOUT_RESERVATION = """
select count(*) from hotel.profile p where profile_id = any (%s::bigint[])
and not exists (select from hotel.reservation r where r.profile_id = p.profile_id and r.property_code = 'RESORT')
"""


@pytest.fixture(scope="module")
def own_server():
    """Give a server of this module's own, which is durable and may be killed."""
    folder = Path(tempfile.mkdtemp(prefix="slacktide-trade-"))
    with Server(folder) as server:
        server.create_database("hotel")
        create(address=server.address("hotel"))
        load(address=server.address("hotel"), bookings_per_property=200)
        yield server
    shutil.rmtree(server.cluster, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


class Trading(threading.Thread):
    """A trader in a thread of its own; `report` is there after `join`."""

    def __init__(self, **facts):
        super().__init__(daemon=True)
        self.stop, self.facts, self.failure, self.report = threading.Event(), facts, None, None

    def run(self):
        try:
            self.report = trade(**({"property_code": "RESORT", "seed": 1, "stop": self.stop} | self.facts))
        except Exception as error:  # noqa: BLE001 -- the test shows it
            self.failure = error

    def until_promised(self, more):
        """Wait until so many more changes have been promised, or it has ended."""
        wanted = self._promised() + more
        _until(lambda: not self.is_alive() or self._promised() >= wanted, seconds=120)

    def _promised(self):
        path = self.facts["promises"]
        return path.read_bytes().count(b"\n") if path.exists() else 0

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.join(60)
        assert self.failure is None


def _money(connection):
    return connection.execute("select sum(amount) from hotel.posting").fetchone()[0]


def test_every_action(hotel, connection):
    """Each action finds something to do, changes something, and leaves constraints and inventory whole."""
    facts, numbers = read_facts(connection, property_code="RESORT"), Numbers(property_code="RESORT")
    numbers.keep(numbers.draw(connection))
    done = set()
    for turn, (name, action) in itertools.product(range(60), ACTIONS.items()):
        if name not in done:
            today = connection.execute("select business_date from hotel.property").fetchone()[0]
            work = Work(connection=connection, hotel=facts, numbers=numbers, dice=Dice(turn), today=today)
            try:
                with connection.transaction():
                    action(work)
                    work.finish()
            except (NothingToDoError, psycopg.errors.ForeignKeyViolation, psycopg.errors.UniqueViolation):
                continue
            assert work.changes, name
            assert work.transaction, name
            done.add(name)
    assert done == set(ACTIONS)
    assert inventory.check(address=hotel, property_code="RESORT") == []


def test_trading(hotel, connection, tmp_path):
    """Eight clerks leave a whole hotel: promises kept, inventory right, guests with reservations, City as it was."""
    city = """
        select md5(string_agg(r::text, '|' order by reservation_id)) from hotel.reservation r
        where property_code = 'CITY'
    """
    before = connection.execute(city).fetchone()
    with Trading(address=hotel, rate=0, seconds=None, seed=3, promises=tmp_path / "p", clerks=8) as trading:
        trading.until_promised(2000)
    report = trading.report
    assert report.ended == "stopped"
    assert report.changes > 300
    assert report.events["held_open"] >= 1
    assert report.events["rolled_back"] >= 1
    checked = check_promises(address=hotel, promises=tmp_path / "p", property_code="RESORT")
    assert checked.kept, checked
    assert checked.promised > 200
    assert inventory.check(address=hotel, property_code="RESORT") == []
    assert connection.execute(city).fetchone() == before
    guests = [
        k for (e, k), change in last_promises(path=tmp_path / "p").items() if e == "profile" and not change.deleted
    ]
    assert guests
    assert connection.execute(_GUESTS_WITHOUT_RESERVATION, [guests]).fetchone() == (0,)


def test_rate(hotel):
    """Trading keeps to its rate, all clerks together, and needs no promise file."""
    report = trade(address=hotel, property_code="RESORT", rate=40, seconds=4, seed=1, promises=None, clerks=4)
    assert report.ended == "time"
    assert 40 <= report.changes <= 40 * (report.seconds + 1) + 4  # a clerk who was late makes up for a second
    assert report.promises == 0


def test_stop(hotel):
    """Trading without an end ends soon after it is told to stop."""
    with Trading(address=hotel, rate=20, seconds=None, promises=None, clerks=2) as trading:
        time.sleep(1)
        trading.stop.set()
        trading.join(20)  # a transaction that is held open is at the most three seconds
        assert not trading.is_alive()
    assert trading.report.ended == "stopped"


def test_end_of_day(hotel, tmp_path):
    """The business date rolls while the clerks trade: promises are kept, and the inventory is right."""
    with Trading(address=hotel, rate=0, seconds=None, promises=tmp_path / "p", clerks=4) as trading:
        for _ in range(2):
            trading.until_promised(20)
            end_of_day(address=hotel, property_code="RESORT")
        trading.until_promised(20)
    assert check_promises(address=hotel, promises=tmp_path / "p").kept
    assert inventory.check(address=hotel, property_code="RESORT") == []


def test_unknown_property(hotel):
    """A property that is not there is named."""
    with pytest.raises(UnknownProperty, match="ATLANTIS"):
        trade(address=hotel, property_code="ATLANTIS", rate=1, seconds=1, seed=1, promises=None)


@pytest.mark.parametrize("state", ["closed", "reference only"])
def test_closing(hotel, connection, tmp_path, state):
    """A closing ends trading without an error; what was promised before is there, and nothing changes after quiet."""
    plan = load_plan(path=PLAN_FILE)
    make_schema(connection)
    install(connection, tables=guarded_tables(plan))
    closing.register(connection, organization="RESORT")
    with Trading(address=hotel, rate=0, seconds=60, promises=tmp_path / "p") as trading:
        trading.until_promised(100)
        closing.begin_closing(connection, organization="RESORT", reason="the test says so")
        while not closing.try_quiet(connection, organization="RESORT"):
            pass
        ranges = "select array_agg(last_number order by name) from hotel.number_range where property_code = 'RESORT'"
        quiet = _money(connection), connection.execute(ranges).fetchone()
        if state == "reference only":
            trading.join(60)
            closing.make_reference_only(connection, organization="RESORT", lives_at="postgresql:///elsewhere")
            again = trade(address=hotel, property_code="RESORT", rate=0, seconds=9, seed=7, promises=None)
            assert (again.ended, again.changes) == ("reference only", 0)
        trading.join(60)
    report = trading.report
    assert report.ended == "closed"
    assert "RESORT" in report.refusal
    assert (_money(connection), connection.execute(ranges).fetchone()) == quiet
    assert check_promises(address=hotel, promises=tmp_path / "p").kept


def test_killed_server(own_server, tmp_path):
    """A server killed with -9 twice in the middle loses no promise, and trading goes on when it is back."""
    address, path = own_server.address("hotel"), tmp_path / "p"
    with Trading(address=address, rate=0, seconds=None, promises=path) as trading:
        for _ in range(2):
            trading.until_promised(100)
            own_server.kill()
            time.sleep(0.2)
            own_server.restart()
        trading.until_promised(100)
    report = trading.report
    assert report.events["lost_connections"] >= 8
    checked = check_promises(address=address, promises=path)
    assert checked.kept, checked
    assert inventory.check(address=address, property_code="RESORT") == []


def test_outcome_committed(own_server, tmp_path):
    """A commit whose answer was lost is promised once the database says that it committed."""
    address, path = own_server.address("hotel"), tmp_path / "p"
    with (
        connect(address, name="test") as connection,
        Trading(address=address, rate=0, seconds=None, promises=path, clerks=1) as trading,
    ):
        _until(lambda: path.exists() and path.stat().st_size > 0)
        # A commit that waits for a standby is durable here; ended while it waits, it says nothing to its client.
        connection.execute("alter system set synchronous_standby_names = 'nobody'")
        connection.execute("select pg_reload_conf()")
        waiting = """
            select pg_terminate_backend(pid) from pg_stat_activity
            where wait_event = 'SyncRep' and application_name = 'slacktide trade clerk 1'
        """
        _until(lambda: connection.execute(waiting).fetchone())
        connection.execute("alter system reset synchronous_standby_names")
        connection.execute("select pg_reload_conf()")
        size = path.stat().st_size
        _until(lambda: path.stat().st_size > size)
    assert trading.report.events["found_committed"] == 1
    assert check_promises(address=address, promises=path).kept


def test_outcome_aborted(own_server, tmp_path):
    """A commit that was lost and came to nothing is not promised."""
    address, path = own_server.address("hotel"), tmp_path / "p"
    with connect(address, name="test") as connection:
        connection.execute("""
            create sequence public.lost;
            create function public.lose() returns trigger language plpgsql as $$
            begin
                if nextval('public.lost') = 20 then perform pg_terminate_backend(pg_backend_pid()); end if;
                return null;
            end $$;
            create constraint trigger lose after update on hotel.reservation deferrable initially deferred
            for each row execute function public.lose();
        """)
        with Trading(address=address, rate=0, seconds=None, seed=5, promises=path, clerks=2) as trading:
            _until(lambda: connection.execute("select last_value > 20 from public.lost").fetchone()[0], seconds=120)
        connection.execute("drop function public.lose() cascade; drop sequence public.lost")
    assert trading.report.events["found_aborted"] == 1
    assert check_promises(address=address, promises=path).kept


def _until(condition, seconds=20):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.02)
