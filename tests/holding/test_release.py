"""The release: what is held goes on by itself, in order, once, and never while a downtime is in effect."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import psycopg
import pytest

from slacktide.control.organization import set_side
from slacktide.control.origin import confirm_schedule, doubt_schedule
from slacktide.control.setting import control_now, setting_of
from slacktide.core.interval import Period
from slacktide.guard import closing
from slacktide.guard.window import Window, set_windows
from slacktide.holding import attempt, passage, sample, store
from slacktide.holding.passage import open_place
from slacktide.holding.place import Place, set_place
from slacktide.holding.release import Releaser
from slacktide.postgres.connection import connect
from tests.clock import until_past
from tests.frozen import frozen
from tests.holding.conftest import release

WHO = {"who": "tester", "reason": "a test"}


def until(holds, *, seconds=10.0):
    """Wait until something holds; give how long that took."""
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() - begun < seconds
        time.sleep(0.01)
    return time.monotonic() - begun


@pytest.fixture
def running(site):
    """Give the site with a releaser that runs by itself."""
    ended = threading.Event()

    def run():
        with connect(site.address, name="release") as connection:
            Releaser(connection).run(ended=ended.is_set)

    thread = threading.Thread(target=run)
    thread.start()
    yield site
    ended.set()
    thread.join()


def test_open(site, releaser):
    """While nothing is down, work goes through in the order of its arrival, and its import follows."""
    site.arrive(3, 1, 2, imported=True)
    release(releaser)
    assert site.written() == ["3", "1", "2"]
    sample.run_importer(site.erp)
    time.sleep(0.25)
    release(releaser)
    assert (site.imported(), set(site.states())) == (["3", "1", "2"], {"done"})


@pytest.mark.parametrize("scope", ["SOUTH", None])
def test_held_and_continued(site, releaser, scope):
    """During a downtime nothing is written, and the item says why, until when, and when it is looked at next."""
    downtime = site.down(scope, end="now+PT1H")
    (item,) = site.arrive(1)
    release(releaser, times=2)
    queue = site.queue()
    assert (site.written(), site.item(item).state, queue.kind) == ([], "waiting", "hold")
    assert queue.because == f"downtime ({'site' if scope is None else 'organization SOUTH'})"
    assert queue.next_check < queue.until
    site.end(downtime)
    release(releaser)
    assert site.written() == ["1"]
    assert [what for _, what, _ in store.history_of(site.control, site.item(item))] == ["hold", "continue"]


def test_held_before_the_erp_is_asked(site, releaser):
    """Where the ERP refuses by itself, or is switched off, it is the downtime that holds, until its next check."""
    downtime = site.down(end="now+PT1H")
    site.arrive(1)
    set_windows(site.erp, organization="SOUTH", windows=[Window("SOUTH", Period(site.queue().next_check))])
    release(releaser)
    set_place(site.control, Place("erp", "host=/nowhere dbname=erp"), **WHO)
    store.check_now(site.control)
    release(releaser)
    queue = site.queue()
    assert (queue.kind, queue.because, queue.failures) == ("hold", "downtime (organization SOUTH)", 0)
    assert (queue.next_check - control_now(site.control)).total_seconds() > 200
    site.end(downtime)
    set_windows(site.erp, organization="SOUTH", windows=[])
    set_place(site.control, Place("erp", site.erp_address), **WHO)
    release(releaser)
    assert site.written() == ["1"]


def test_other_organizations_go_on(site, releaser):
    """What is held of one organization holds nothing of another."""
    site.down("SOUTH")
    site.arrive(1)
    site.arrive(1, organization="NORTH")
    release(releaser)
    release(releaser, "NORTH")
    assert (site.written("SOUTH"), site.written("NORTH")) == ([], ["1"])


def test_woken_within_a_second(running):
    """What is held goes on at once after an early end, and a scheduled end: it is not left to the next check."""
    downtime = running.down("SOUTH", end="now+PT1H")
    running.down("NORTH", end="now+PT4S")
    running.arrive(1)
    running.arrive(1, organization="NORTH")
    until(lambda: running.queue("SOUTH").kind == running.queue("NORTH").kind == "hold")
    running.end(downtime)
    until(lambda: running.written("SOUTH"))
    until(lambda: running.written("NORTH"))
    late = (
        "select extract(epoch from written_at - %s)::float8 from payables.invoice_header where organization = 'NORTH'"
    )
    (seconds,) = running.erp.execute(late, [_end(running)]).fetchone()
    assert 0 <= seconds < 3


def test_who_waits_longest_is_next(site, releaser):
    """When a site's downtime is ended early, an organization that was served once waits behind those that were not."""
    downtime = site.down(None)
    for code in ("NORTH", "SOUTH"):
        site.arrive(*range(200), organization=code)
        release(releaser, code)
    site.end(downtime)
    first = store.due(site.control)[0]
    assert releaser.release(first)
    assert len(site.written(first)) == 1
    assert store.due(site.control) == [*({"NORTH", "SOUTH"} - {first}), first]


def _end(site):
    (end,) = site.control.execute("select ends_at from slacktide.setting where organization = 'NORTH'").fetchone()
    return end


def test_extended_stays_held(running):
    """A downtime that is extended keeps its work held behind the old end."""
    downtime = running.down(end="now+PT3S")
    end = setting_of(running.control, id=downtime).end
    running.arrive(1)
    until(lambda: running.queue().kind == "hold")
    running.extend(downtime, "PT1H")
    until_past(running.control, end + timedelta(seconds=0.3))
    assert running.written() == []
    running.end(downtime)
    until(running.written)


def test_starts_between_look_and_commit(site, releaser, monkeypatch):
    """A write during which a downtime starts is given up: it is judged when it commits."""
    write = sample.InvoiceWork.write

    def slow(self, connection, *, item):
        write(self, connection, item=item)
        if not seen:
            seen.append(site.down())

    seen = []
    monkeypatch.setattr(sample.InvoiceWork, "write", slow)
    site.arrive(1)
    release(releaser)
    assert (site.written(), site.queue().kind, site.states()) == ([], "hold", ["waiting"])
    site.end(seen[0])
    release(releaser)
    assert site.written() == ["1"]


def test_the_closer_waits_for_who_has_looked(site, releaser, monkeypatch):
    """Whoever closes after the start gets quiet only when the writer that had looked before has ended."""
    write = sample.InvoiceWork.write

    def slow(self, connection, *, item):
        closing.begin_closing(site.erp, organization="SOUTH")
        quiet.append(closing.try_quiet(site.erp, organization="SOUTH", lock_timeout_ms=100))
        write(self, connection, item=item)

    quiet = []
    monkeypatch.setattr(sample.InvoiceWork, "write", slow)
    site.arrive(1)
    release(releaser)
    quiet.append(closing.try_quiet(site.erp, organization="SOUTH"))
    assert (quiet, site.written(), site.states()) == ([False, True], [], ["waiting"])


def test_the_database_closes_first(site, releaser):
    """What the database's own guard refuses is a hold: it uses up no retry, and goes on when the database opens."""
    (item,) = site.arrive(1)
    closing.begin_closing(site.erp, organization="SOUTH")
    release(releaser, times=5)
    assert (site.written(), site.item(item).attempts, site.queue().kind) == ([], 0, "hold")
    closing.reopen(site.erp, organization="SOUTH")
    set_windows(site.erp, organization="SOUTH", windows=[Window("SOUTH", Period(item.since))])
    store.check_now(site.control)
    release(releaser)
    assert site.written() == []
    set_windows(site.erp, organization="SOUTH", windows=[])
    store.check_now(site.control)
    release(releaser)
    assert site.written() == ["1"]


def test_a_failing_item_steps_aside(site, releaser):
    """A failing item is tried three times before anything behind it, then it is set aside, and can be tried again."""
    bad, good = (*site.arrive("bad", lines=("-1",)), *site.arrive("good"))
    release(releaser)
    assert (site.states(), site.queue().kind, site.written()) == (["waiting", "waiting"], "retry", [])
    for _ in range(2):
        time.sleep(1.05)
        release(releaser)
    assert (site.states(), site.item(bad).attempts, site.written()) == (["failed", "done"], 3, ["good"])
    assert "invoice_header_amount_check" in site.item(bad).because
    site.control.execute(
        "update slacktide.held_item set payload = payload || '{\"amount\": 1}' where id = %s", [bad.id]
    )
    store.try_again(site.control, site.item(bad), **WHO)
    release(releaser)
    assert (site.written(), good.state) == (["good", "bad"], "waiting")
    said = [what for _, what, _ in store.history_of(site.control, site.item(bad))]
    assert said == ["retry", "retry", "set aside", "again"]


def test_a_failing_erp_stops_the_release(site, releaser):
    """Failures of the ERP use up no retry; a run of them stops the release, visibly, until one attempt succeeds."""
    site.arrive(1)
    set_place(site.control, Place("erp", "host=/nowhere dbname=erp"), **WHO)
    for expected in ("retry", "retry", "stopped"):
        releaser.release("SOUTH")
        assert site.queue().kind == expected
        store.check_now(site.control)
    assert (site.item(store.list_items(site.control)[0]).attempts, site.queue().failures) == (0, 3)
    assert "the ERP itself fails: " in site.queue().because
    set_place(site.control, Place("erp", site.erp_address), **WHO)
    release(releaser)
    assert (site.written(), site.queue().kind, site.queue().failures) == (["1"], "open", 0)


def test_found_again(site, releaser):
    """An insert whose note was lost is found by its key, and not made again."""
    site.arrive(1)
    release(releaser)
    site.control.execute("update slacktide.held_item set state = 'running', ended_at = null")
    release(releaser)
    assert (site.written(), site.states()) == (["1"], ["done"])


def test_a_zombie(site, releaser, server):
    """A predecessor that is still writing the same item is waited for and found; the order stays."""
    site.arrive(1, 2)
    with psycopg.connect(site.erp_address) as zombie:
        zombie.execute("insert into payables.invoice_header (key, organization, number, amount) "
                       "values ('SOUTH/1', 'SOUTH', '1', 1)")  # fmt: skip
        release(releaser)
        assert site.states() == ["waiting", "waiting"]
        zombie.commit()
    time.sleep(0.25)
    release(releaser, times=2)
    assert (site.written(), site.states()) == (["1", "2"], ["done", "done"])


def test_only_one_releases_an_organization(site, releaser):
    """While one releaser has an organization, another one leaves it alone."""
    with connect(site.address, name="other") as other:
        assert store.try_own(other, organization="SOUTH")
        assert not releaser.release("SOUTH")
    until(lambda: releaser.release("SOUTH"))


def test_release_rate(site, releaser):
    """No more items a second are released than the rate of the organization allows."""
    site.control.execute("insert into slacktide.setting (parameter, level, organization, value, starts_at, created_by) "
                         "values ('hold_release_rate', 'organization', 'SOUTH', '20', now(), 'tester')")  # fmt: skip
    site.arrive(*range(12))
    begun = time.monotonic()
    while len(site.written()) < 12:
        releaser.release("SOUTH")
    assert 0.5 < time.monotonic() - begun < 3


def test_moved_away(site, releaser, server):
    """Held work of an organization that has moved goes to where it lives now, if that place takes it."""
    name = f"{site.erp_address.partition('?')[0].rpartition('/')[2]}_new"
    server.create_database(name)
    site.arrive(1)
    facts = WHO | {"organization": "SOUTH"}
    set_side(site.control, side="source", state="reference only", lives_at="the new place", **facts)
    set_side(site.control, side="target", state="open", database=server.address(name), **facts)
    release(releaser)
    assert (site.states(), site.written()) == (["refused"], [])
    with connect(server.address(name), name="new") as new:
        sample.create(new)
        (item,) = store.list_items(site.control)
        assert "has no place for this work" in item.because
        store.try_again(site.control, item, **WHO)
        release(releaser)
        assert new.execute("select number from payables.invoice_header").fetchall() == [("1",)]
    assert (site.states(), site.written()) == (["done"], [])


def test_moves_while_we_connect(site, releaser, server, monkeypatch):
    """An organization that moves between our connecting and our look is written at the new place only."""
    database = f"{site.erp_address.partition('?')[0].rpartition('/')[2]}_moved"
    server.create_database(database)
    facts, connected = WHO | {"organization": "SOUTH"}, []

    def moving(address, *, name):
        connected.append(address)
        if len(connected) == 1:
            set_side(site.control, side="source", state="reference only", lives_at="the new place", **facts)
            set_side(site.control, side="target", state="open", database=server.address(database), **facts)
        return open_place(address, name=name)

    with connect(server.address(database), name="new") as new:
        sample.create(new)
        set_side(site.control, side="source", state="open", **facts)
        site.arrive(1)
        monkeypatch.setattr(attempt, "open_place", moving)
        release(releaser)
        time.sleep(0.25)
        release(releaser)
        assert new.execute("select number from payables.invoice_header").fetchall() == [("1",)]
    assert (site.states(), site.written()) == (["done"], [])


def test_left(site, releaser):
    """Held work of an organization that lives where we cannot write is listed as refused, with that place."""
    site.arrive(1)
    facts = WHO | {"organization": "SOUTH"}
    set_side(site.control, side="source", state="reference only", lives_at="the new place", **facts)
    release(releaser)
    (item,) = store.list_items(site.control)
    assert (item.state, "the new place" in item.because) == ("refused", True)


def test_a_doubt_is_confirmed(running):
    """What a doubt of the schedule holds goes on at once when it is confirmed, and not at the next check."""
    doubt_schedule(running.control, why="a backup was put back", who="tester")
    running.arrive(1)
    until(lambda: running.queue().kind == "hold")
    confirm_schedule(running.control, **WHO)
    until(running.written)


def test_an_erp_that_answers_no_more(running, monkeypatch):
    """An ERP that answers no more is left after a while, so that it does not keep the releaser for ever."""
    monkeypatch.setattr(passage.Answering, "answer_seconds", 1.0, raising=False)
    running.arrive(1)
    until(lambda: running.written() == ["1"])
    with frozen(running.erp, name="slacktide held work"):
        running.arrive(2)
        until(lambda: running.written() == ["1", "2"], seconds=30.0)
