"""How held work arrives: in order, once, and for an organization that is there."""

from __future__ import annotations

import threading

import pytest

from slacktide.downtime.schedule import UnknownOrganization
from slacktide.holding import sample, store
from slacktide.holding.place import NoPlace, Place, PlaceHasPassword, address_of, set_place
from slacktide.holding.state import IllegalHeldEvent
from slacktide.postgres.connection import connect
from slacktide.postgres.sql import load

WHO = {"who": "tester", "reason": "a test"}


def test_the_same_write_again(site):
    """The same write handed in twice is one item; its key for another write is refused."""
    first, again = site.arrive(1, 1)
    assert (first.id, len(store.list_items(site.control))) == (again.id, 1)
    with pytest.raises(store.KeyTaken):
        site.arrive(1, lines=("2",))
    with pytest.raises(UnknownOrganization):
        site.arrive(1, organization="NOWHERE")


def test_arrivals_come_one_after_the_other(site):
    """Who has a lower number in its organization has committed before, whoever was slow; others are not held up."""
    site.arrive("first")
    with connect(site.address, name="slow") as slow, slow.transaction():
        store.arrive(slow, sample.invoice(organization="SOUTH", number="slow"))
        thread = threading.Thread(target=_arrive, args=[site.address])
        thread.start()
        site.arrive("elsewhere", organization="NORTH")
        thread.join(0.3)
        assert [item.key for item in store.list_items(site.control)] == ["SOUTH/first", "NORTH/elsewhere"]
    thread.join()
    own = store.list_items(site.control, organization="SOUTH")
    assert [item.key for item in own] == ["SOUTH/first", "SOUTH/slow", "SOUTH/quick"]


def _arrive(address):
    with connect(address, name="quick") as connection:
        store.arrive(connection, sample.invoice(organization="SOUTH", number="quick"))


def test_reassign(site, releaser):
    """An item that gets another organization is judged by that one's downtimes; one that was taken keeps its own."""
    site.down("SOUTH")
    (item,) = site.arrive(1)
    releaser.release("SOUTH")
    store.reassign(site.control, site.item(item), organization="NORTH", **WHO)
    releaser.release("NORTH")
    assert (site.written("NORTH"), site.item(item).state) == (["1"], "done")
    with pytest.raises(IllegalHeldEvent):
        store.reassign(site.control, site.item(item), organization="SOUTH", **WHO)


def test_places(site):
    """An organization's own place comes before the one of all, and no address contains a password."""
    own = Place("own", "env:SOUTH_ERP", "SOUTH")
    set_place(site.control, own, **WHO)
    places = [Place("all", "env:ERP"), own]
    assert address_of(places, organization="SOUTH", home=None) == "env:SOUTH_ERP"
    assert address_of(places, organization="NORTH", home=None) == "env:ERP"
    with pytest.raises(NoPlace):
        address_of([own], organization="NORTH", home=None)
    with pytest.raises(PlaceHasPassword):
        set_place(site.control, Place("bad", "postgresql://user:secret@host/erp"), **WHO)


def pages(connection, statement):
    """Give how many pages a statement of the release reads, at its second time."""
    for _ in range(2):
        with connection.transaction(force_rollback=True):
            facts = {"organization": "SOUTH", "count": 16}
            ((plan,),) = connection.execute(f"explain (analyze, buffers, format json) {statement}", facts).fetchall()
    return plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"]


@pytest.mark.parametrize("name", ["due", "pause_seconds", "take", "put_back"])
def test_what_is_done_or_waits_behind_costs_nothing(site, name):
    """What the release asks between items reads neither what is done nor all that waits, however much that is."""
    site.control.execute(
        "insert into slacktide.held_queue (organization) values ('NORTH'), ('SOUTH');"
        "insert into slacktide.held_item (organization, step, work, key) select case when n % 2 = 0 then 'SOUTH' else"
        " 'NORTH' end, 'insert', 'invoice', n::text from generate_series(1, 40000) n;"
        "analyze slacktide.held_item;"
        "update slacktide.held_item set state = 'done' where id <= 20000"
    )
    site.control.execute("vacuum slacktide.held_item")
    assert pages(site.control, load("slacktide.holding", "held.sql")[name]) < 400
