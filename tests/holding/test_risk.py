"""Due and discount dates of held work: which are at risk, and that a date goes with its item."""

from __future__ import annotations

from datetime import date

import pytest

from slacktide.control.organization import add_organization
from slacktide.control.schedule import schedule_of
from slacktide.control.setting import control_now
from slacktide.holding import store
from slacktide.holding.answer import sums_of, text_of
from slacktide.holding.listing import held_list
from slacktide.holding.sums import Risks, held_risks
from tests.holding.conftest import WHO

EARLY, END, LATE = date(2099, 3, 9), date(2099, 3, 10), date(2099, 3, 11)
UNTIL = "2099-03-10T16:00:00Z"  # of SOUTH; in Tokyo it is the next day


def risks_of(site):
    """Sum up what is at risk now."""
    return held_risks(site.control, schedule=schedule_of(site.control), now=control_now(site.control))


@pytest.mark.parametrize(
    ("due", "discount", "risks"),
    [
        (LATE, EARLY, ["discount"]),
        (END, LATE, ["due"]),  # imported on the day itself it may be too late
        (EARLY, EARLY, ["due", "discount"]),
        (LATE, LATE, []),
    ],
)
def test_until_an_end(site, due, discount, risks):
    """Held until a known end, those dates are at risk that come no later than its day where the organization is."""
    site.down(end=UNTIL)
    site.arrive(1, due_on=due, discount_until=discount)
    (listed,) = held_list(site.control)
    assert listed["at_risk"] == risks
    assert [listed["due_on"], listed["discount_until"]] == [day and day.isoformat() for day in (due, discount)]
    assert ("at risk" in text_of(listed)) == bool(risks)
    assert risks_of(site) == [Risks("SOUTH", int("due" in risks), int("discount" in risks))]


def test_without_dates(site):
    """What has no date says nothing of dates, and is no sum."""
    site.down()
    site.arrive(1)
    (listed,) = held_list(site.control)
    assert not {"due_on", "discount_until", "at_risk"} & listed.keys()
    assert "at risk" not in text_of(listed)
    assert risks_of(site) == []


def test_its_own_day(site):
    """The day is that of the organization's zone, in the list and in the sums."""
    add_organization(site.control, code="EAST", zone="Asia/Tokyo", **WHO)
    site.down("EAST", end=UNTIL)
    site.arrive(1, organization="EAST", due_on=LATE)
    assert [one["at_risk"] for one in held_list(site.control)] == [["due"]]
    assert risks_of(site) == [Risks("EAST", 1, 0)]


def test_without_an_end(site):
    """While nobody knows when it ends, each date is at risk; summed up by organization."""
    site.down()
    site.arrive(1, 2, due_on=date.max)
    site.arrive(3, discount_until=date.max)
    site.arrive("elsewhere", organization="NORTH", due_on=LATE)
    assert sums_of(held_list(site.control)) == [
        {"organization": "NORTH", "count": 1, "due_at_risk": 0, "discounts_at_risk": 0},
        {"organization": "SOUTH", "count": 3, "due_at_risk": 2, "discounts_at_risk": 1},
    ]
    assert risks_of(site) == [Risks("NORTH", 0, 0), Risks("SOUTH", 2, 1)]


def test_it_waits_for_its_turn(site):
    """What nothing holds goes on today: what is due today, or was before, is at risk all the same."""
    site.arrive(1, due_on=control_now(site.control).date(), discount_until=LATE)
    assert [one["at_risk"] for one in held_list(site.control)] == [["due"]]


def test_it_goes_with_its_item(site, releaser):
    """The import that follows has the dates of the invoice; the same key with another date is another write."""
    site.arrive(1, due_on=LATE, imported=True)
    with pytest.raises(store.KeyTaken):
        site.arrive(1, due_on=EARLY, imported=True)
    releaser.release("SOUTH")
    (follows,) = [one for one in store.list_items(site.control) if one.step == "import"]
    assert (follows.due_on, follows.discount_until) == (LATE, None)
