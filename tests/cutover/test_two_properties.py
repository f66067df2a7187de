"""Two properties of one source move to the same target, one after the other, and share guests. One story, in order."""

from __future__ import annotations

import pytest

from slacktide.hotel import day
from tests.cutover.house import a_move
from tests.cutover.moving import Moving

SHARE = """
with member as (select profile_id, row_number() over (order by profile_id) n from (
    select distinct p.profile_id from hotel.profile p join hotel.reservation using (profile_id)
    where property_code = 'RESORT' and membership_no is not null and departure > '2016-08-15' limit 5) p),
stay as (select reservation_id, row_number() over (order by reservation_id) n from hotel.reservation
    where property_code = 'CITY' and departure > '2016-08-15')
update hotel.reservation r set profile_id = m.profile_id from member m join stay s using (n)
where s.reservation_id = r.reservation_id returning r.profile_id
"""
STAYS = """
select p.membership_no, string_agg(distinct r.property_code, ' ' order by r.property_code), count(distinct p.profile_id)
from hotel.profile p join hotel.reservation r using (profile_id) where membership_no = any (%s) group by 1
"""
OWN = """
select p.profile_id, membership_no from hotel.profile p join hotel.reservation r using (profile_id)
where membership_no is not null and p.profile_id <> all (%s) group by 1, 2 having min(property_code) = 'CITY' limit 1
"""
CHAIN = "insert into hotel.profile (kind, last_name, membership_no) values ('guest', 'known to the chain', %s)"
KEPT = """
select g.key::bigint from slacktide.message g join slacktide.move m using (move_id)
where m.name = 'city' and g.entity = 'profile' and g.state = 'warning' and g.reason like '%%stays as it is there'
"""


@pytest.fixture(scope="module")
def resort(server):
    """Give the move of RESORT, whose guests stay at CITY too."""
    with a_move(server, name="two", bookings=60) as moving:
        day.cashiers_close(address=moving.source, property_code="CITY")
        moving.worker()
        yield moving


@pytest.fixture(scope="module")
def city(resort):
    """Give the move of CITY between the same databases."""
    return Moving(resort.control, resort.source, resort.target, resort.folder, name="city", property_code="CITY")


@pytest.fixture(scope="module")
def members(resort):
    """Give the membership numbers of the guests of both: by their keys at the source."""
    keys = [key for (key,) in resort.ask("source", SHARE)]
    assert keys
    rows = "select profile_id, membership_no from hotel.profile where profile_id = any (%s)"
    return dict(resort.ask("source", rows, keys))


@pytest.fixture(scope="module")
def chain(resort, members):
    """Give the membership number of a guest of CITY's whom the hotels of the target know."""
    [(_, number)] = resort.ask("source", OWN, [*members])
    resort.ask("target", CHAIN, number)
    return number


def go_down(moving, *, go=True):
    """Let a move go through its down time; give what it ended with."""
    moving.run("move", "processes", "start", moving.name)
    moving.until_steady()
    while not moving.stopped_steady():
        pass
    moving.schedule()
    return moving.run(*moving.start_arguments(go=go), accept=(0, 75)).json


def test_the_second_one_is_steady(resort, city, members, chain):
    """While the first one still moves, the guests that it brought are the second one's too, and named."""
    for moving in (resort, city):
        moving.create()
        moving.run("move", "processes", "start", moving.name)
        moving.until_steady()
    assert resort.ask("control", "select count(*) from slacktide.message where state in ('failed', 'waiting')") == [
        (0,)
    ]
    assert {key for (key,) in resort.ask("control", KEPT)} >= members.keys()


def test_given_up(resort, city, chain):
    """What the target had before stays there when the move is given up, though nothing refers to it any more."""
    assert go_down(city, go=False)["result"] == "ready"
    city.run("move", "downtime", "abandon", city.name, "--yes", "CITY", "--reason", "we go back")
    assert resort.ask("target", "select 1 from hotel.reservation where property_code = 'CITY'") == []
    assert resort.ask("target", "select last_name from hotel.profile where membership_no = %s", chain) == [
        ("known to the chain",)
    ]


def test_both_open(resort, city, members, chain):
    """Both open without a difference, and each guest is at the target once."""
    for moving in (resort, city):
        said = go_down(moving)
        assert (said["result"], said["differences"]) == ("open", 0)
    found = resort.ask("target", STAYS, [*members.values(), chain])
    both = [(number, "CITY RESORT", 1) for number in members.values()]
    assert sorted(found) == sorted([*both, (chain, "CITY", 1)])
