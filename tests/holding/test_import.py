"""Imports: what was sent is read before it is sent again, and an unknown outcome costs nothing."""

from __future__ import annotations

import time

import psycopg
import pytest

from slacktide.control.organization import set_side
from slacktide.holding import sample, store
from slacktide.holding.place import Place, set_place
from slacktide.holding.release import Releaser
from slacktide.holding.work import NotAccepted
from slacktide.postgres.connection import connect
from tests.holding.conftest import WHO, release, run_until


@pytest.fixture
def inserted(site, releaser):
    """Give the site with an invoice in the interface whose import waits, held by a downtime; and that downtime."""
    release(releaser)
    site.arrive(1, imported=True)
    release(releaser)
    return site


def the_import(site):
    (row,) = site.control.execute("select id from slacktide.held_item where step = 'import'").fetchall()
    return store.item_of(site.control, id=str(row[0]))


def requests(site):
    return site.erp.execute("select count(*) from ledger.request").fetchone()[0]


def read_later(site, releaser):
    store.check_now(site.control)
    release(releaser)


def test_held_before_the_import(site, releaser):
    """The second wait point: what is in the interface already is not imported while a downtime is in effect."""
    write = site.arrive(1, imported=True)[0]
    store.happen(site.control, write, store.Event.TAKE)
    taken = site.item(write)
    store.finish(site.control, taken, follow=sample.InvoiceWork().follow(taken))
    site.down()
    release(releaser)
    assert (the_import(site).state, requests(site)) == ("waiting", 0)


def test_accepted_before_the_start(inserted, releaser):
    """What the ERP accepted before the start finishes within the downtime, and its result is read."""
    assert (the_import(inserted).state, requests(inserted)) == ("sent", 1)
    inserted.down()
    inserted.arrive(2)
    sample.run_importer(inserted.erp)
    read_later(inserted, releaser)
    assert (the_import(inserted).state, inserted.written()) == ("done", ["1"])


def test_sent_and_not_known(inserted, releaser, monkeypatch):
    """Whether it arrived is not known: nothing is sent until the result is read, and no retry is used up."""

    def unreadable(self, connection, *, key):
        raise psycopg.OperationalError

    inserted.erp.execute("truncate ledger.request cascade")
    inserted.control.execute("update slacktide.held_item set accepted = false")
    with monkeypatch.context() as patch:
        patch.setattr(sample.InvoiceWork, "result", unreadable)
        for _ in range(4):
            read_later(inserted, releaser)
        assert (the_import(inserted).state, requests(inserted), the_import(inserted).attempts) == ("sent", 0, 0)
        assert inserted.queue().kind == "stopped"
    read_later(inserted, releaser)
    read_later(inserted, releaser)
    assert (the_import(inserted).state, requests(inserted), the_import(inserted).attempts) == ("sent", 1, 0)
    assert [what for _, what, _ in store.history_of(inserted.control, the_import(inserted))][:3] == [
        "send", "stopped", "not accepted",
    ]  # fmt: skip


def test_never_arrived(site, releaser, monkeypatch):
    """An import that never arrived is sent again before anything that came later."""
    send, lost = sample.InvoiceWork.send, []

    def losing(self, connection, *, item):
        if not lost:
            lost.append(item.key)
            raise psycopg.OperationalError
        send(self, connection, item=item)

    monkeypatch.setattr(sample.InvoiceWork, "send", losing)
    site.arrive(1, 2, imported=True)
    for _ in range(4):
        read_later(site, releaser)
    sample.run_importer(site.erp)
    assert (lost, site.imported()) == (["SOUTH/1/import"], ["1", "2"])


def test_lost_on_the_way_back(site, releaser, monkeypatch):
    """The ERP got it, and the answer was lost: the result is read, and it is not sent again."""
    send, sent = sample.InvoiceWork.send, []

    def lost(self, connection, *, item):
        send(self, connection, item=item)
        sent.append(item.key)
        raise psycopg.OperationalError

    monkeypatch.setattr(sample.InvoiceWork, "send", lost)
    site.arrive(1, imported=True)
    for _ in range(3):
        read_later(site, releaser)
    sample.run_importer(site.erp)
    read_later(site, releaser)
    assert (sent, site.imported(), the_import(site).state) == (["SOUTH/1/import"], ["1"], "done")


def test_surely_not_accepted(site, releaser, monkeypatch):
    """What the ERP surely refused uses up a retry, and may be sent again."""

    def refuse(self, connection, *, item):
        raise NotAccepted(key=item.key, reason="the period is closed")

    site.arrive(1, imported=True)
    with monkeypatch.context() as patch:
        patch.setattr(sample.InvoiceWork, "send", refuse)
        release(releaser)
        assert (the_import(site).state, the_import(site).attempts) == ("waiting", 1)
    time.sleep(0.55)
    release(releaser)
    assert the_import(site).state == "sent"


def test_failed_in_the_erp(site, releaser):
    """A result that says failed uses up a retry; the reason is the ERP's own."""
    site.arrive(1, lines=("1", "2"), imported=True)
    release(releaser)
    site.erp.execute("update ledger.request set result = 'failed', note = 'no such supplier'")
    read_later(site, releaser)
    assert (the_import(site).state, the_import(site).attempts) == ("waiting", 1)
    assert "no such supplier" in site.queue().because


@pytest.fixture
def target(site, server):
    """Give the address of another database with an ERP, where SOUTH is moved to."""
    name = f"{site.erp_address.partition('?')[0].rpartition('/')[2]}_target"
    server.create_database(name)
    with connect(server.address(name), name="target") as connection:
        sample.create(connection)
    return server.address(name)


def move(site, address):
    """Let SOUTH live at the target."""
    facts = WHO | {"organization": "SOUTH"}
    set_side(site.control, side="source", state="reference only", lives_at="the new place", **facts)
    set_side(site.control, side="target", state="open", database=address, **facts)


def test_sent_at_the_target(site, target):
    """What was sent where the organization lives now is read there, by a releaser that was started anew too."""
    move(site, target)
    with connect(site.address, name="release") as connection:
        first = Releaser(connection)
        site.arrive(1, imported=True)
        release(first)
        first.close()
    sent = the_import(site)
    with connect(site.address, name="release") as connection:
        second = Releaser(connection)
        read_later(site, second)
        second.close()
    assert (sent.state, the_import(site).state) == ("sent", "sent")
    assert [what for _, what, _ in store.history_of(site.control, the_import(site))] == ["send"]


def test_sent_before_the_move(inserted, releaser, target):
    """What was sent before its organization moved is read where it was sent."""
    move(inserted, target)
    inserted.arrive(2)
    release(releaser)
    sample.run_importer(inserted.erp)
    read_later(inserted, releaser)
    assert (the_import(inserted).state, inserted.imported()) == ("done", ["1"])


def test_the_place_gets_another_address(inserted, releaser):
    """A place that gets another address is the same ERP: what was sent there is read by the new address."""
    for table, column in (("held_place", "address"), ("held_item", "sent_to")):
        inserted.control.execute(f"update slacktide.{table} set {column} = 'host=/nowhere dbname=erp'")
    sample.run_importer(inserted.erp)
    set_place(inserted.control, Place("erp", inserted.erp_address), **WHO)
    read_later(inserted, releaser)
    assert the_import(inserted).state == "done"


class Away(sample.InvoiceWork):
    """An ERP that loses the first sending, and cannot be asked for a result while it is away."""

    def __init__(self, *, loses=True):
        self.loses, self.away, self.sends = loses, True, []

    def send(self, connection, *, item):
        self.sends.append(item.key)
        if self.loses and len(self.sends) == 1:
            raise psycopg.OperationalError
        super().send(connection, item=item)

    def result(self, connection, *, key):
        if self.away:
            raise psycopg.OperationalError
        return super().result(connection, key=key)


def put_off(site):
    """Let the next reading of what was sent be an hour away, as after a long time."""
    site.control.execute(
        "update slacktide.held_item set next_check = clock_timestamp() + interval '1 hour' where state = 'sent'"
    )


def test_nothing_overtakes_what_is_not_known(site, releaser, work):
    """After a downtime, what was sent and may not have arrived is read before anything later is sent."""
    erp = work(Away())
    site.arrive(1, imported=True)
    release(releaser)
    downtime = site.down()
    site.arrive(2, imported=True)
    read_later(site, releaser)
    put_off(site)
    erp.away = False
    site.end(downtime)
    run_until(releaser, lambda: site.states().count("sent") == 2)
    assert erp.sends == ["SOUTH/1/import", "SOUTH/1/import", "SOUTH/2/import"]


def test_nothing_is_sent_while_it_is_not_known(site, releaser, work):
    """While it is not known whether one import arrived, nothing of its organization is written; of others it is."""
    erp = work(Away())
    site.arrive(1, imported=True)
    release(releaser)
    site.arrive(2)
    site.arrive(1, organization="NORTH")
    for _ in range(2):
        put_off(site)
        store.check_now(site.control, organization="NORTH")
        site.control.execute("update slacktide.held_queue set next_check = clock_timestamp()")
        release(releaser)
        release(releaser, "NORTH")
    assert (site.written(), site.written("NORTH"), erp.sends) == (["1"], ["1"], ["SOUTH/1/import"])


def test_what_was_accepted_keeps_nothing_back(site, releaser, work):
    """What the ERP has accepted keeps nothing back, though its result cannot be read; why is said with it."""
    erp = work(Away(loses=False))
    erp.away = False
    site.arrive(1, imported=True)
    release(releaser)
    erp.away = True
    site.arrive(2)
    read_later(site, releaser)
    assert (site.written(), site.queue().kind, "OperationalError" in the_import(site).because) == (
        ["1", "2"], "open", True,
    )  # fmt: skip


def test_off_in_its_downtime(site, releaser, work):
    """An ERP that is off during its downtime, with a result to be read, delays nothing behind the end."""
    erp = work(Away())
    site.arrive(1, imported=True)
    release(releaser)
    downtime = site.down()
    site.arrive(2)
    for _ in range(4):
        read_later(site, releaser)
    assert (site.queue().kind, site.queue().failures) == ("hold", 0)
    for _ in range(4):
        site.control.execute("update slacktide.held_item set next_check = clock_timestamp() where state = 'sent'")
        release(releaser)
    assert site.queue().kind == "hold"
    erp.away = False
    site.end(downtime)
    assert store.due(site.control) == ["SOUTH"]
    run_until(releaser, lambda: site.written() == ["1", "2"])
