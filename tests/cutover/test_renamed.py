"""A property that has another code at its target moves there, trades, and comes back under its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from slacktide.cutover.fallback import name_of
from slacktide.hotel.promise_check import check_promises
from tests.cutover import planted
from tests.cutover.house import a_move
from tests.cutover.moving import BUSINESS_DATE, NAME, PROPERTY, WAIVED, Trading

pytestmark = pytest.mark.long

THERE = "BEACH"
CODES = "select distinct property_code from hotel.reservation order by 1"


@pytest.fixture(scope="module")
def moving(server):
    """Give a move under another code, open at its target."""
    with a_move(server, name="renamed", bookings=20) as moving:
        moving.run("move", "create", NAME, "--plan", "hotel", "--property", PROPERTY, "--target-property", THERE,
                   "--source", moving.source, "--target", moving.target)  # fmt: skip
        moving.worker()
        moving.run("move", "processes", "start", NAME)
        moving.until_steady()
        moving.run("move", "processes", "stop", NAME)
        moving.schedule()
        moving.run(*moving.start_arguments())
        yield moving


def test_out(moving):
    """At the target there is the new code only; at the source the old one beside the other property's."""
    assert moving.procedure() == ("open", None)
    assert moving.ask("target", CODES) == [(THERE,)]
    assert moving.ask("source", CODES) == [("CITY",), (PROPERTY,)]


def test_back(moving):
    """What was traded under the new code is there under the old one, every promise of it and every object."""
    promises = moving.folder / "promises"
    with Trading(moving.target, property_code=THERE, promises=promises, rate=40) as trader:
        trader.until_promised(40)
        trader.stop()
    others = planted.others(moving.source)
    moving.run("hotel", "cashiers", "close", moving.target, "--property", THERE)
    moving.schedule()
    moving.run("move", "downtime", "fallback", NAME, "--business-date", BUSINESS_DATE, "--go", "operations=Ada Night",
               *WAIVED, "--reason", "back")  # fmt: skip
    back = replace(moving, source=moving.target, target=moving.source, running=moving.running, name=name_of(NAME))
    assert back.procedure() == ("open", None)
    assert moving.ask("source", CODES) == [("CITY",), (PROPERTY,)]
    assert planted.differing(back, code_there=THERE) == []
    assert planted.others(moving.source) == others
    report = check_promises(address=moving.source, promises=promises)
    assert report.promised > 0
    assert report.kept
