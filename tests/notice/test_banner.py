"""What a page shows a user: the downtimes that concern the user, from the largest lead time to the end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from slacktide.control.setting import control_now
from slacktide.notice.banner import banner


@pytest.fixture
def shown(site):
    """Give a function that gives the banners of a user, some time after now, each as scope and state."""

    def call(user, after=timedelta()):
        found = banner(site.connection, user=user, at=control_now(site.connection) + after)
        return [(each.organization, each.state) for each in found]

    site.user("ada", "SOUTH")
    site.user("root", admin=True)
    return call


def test_who_sees_what(site, shown):
    """A user sees the site's and those of the own organizations, an administrator all, others the site's alone."""
    site.down(start="now+P1D")
    site.down("NORTH", start="now+P2D")
    site.down(None, start="now+P3D")
    assert shown("ada") == [("SOUTH", "upcoming"), (None, "upcoming")]
    assert shown("root") == [("SOUTH", "upcoming"), ("NORTH", "upcoming"), (None, "upcoming")]
    assert shown(None) == shown("nobody") == [(None, "upcoming")]
    site.change_user("ada", disabled=True)
    assert shown("ada") == [(None, "upcoming")]


def test_from_when_to_when(site, shown):
    """A downtime is shown from its largest lead time on, as active while it lasts, and no more from its end on."""
    site.down(start="now+P10D", duration="PT1H")
    hour = timedelta(hours=1)
    assert shown("ada", timedelta(days=2)) == []
    assert shown("ada", timedelta(days=3)) == [("SOUTH", "upcoming")]
    assert shown("ada", timedelta(days=10)) == [("SOUTH", "active")]
    assert shown("ada", timedelta(days=10) + hour) == []


def test_each_occurrence(site, shown):
    """Of a series the occurrences within the lead time are shown; one that is cancelled or switched off is not."""
    key = site.down(start="now+PT1H", duration="PT30M", rrule="FREQ=DAILY;COUNT=20")
    assert len(shown("ada")) == 7
    site.cancel(key)
    assert shown("ada") == []


def test_text(site):
    """A banner says what is so from when to when with the zone, and what that means; an own text stands beside it."""
    site.down(
        None, start="2031-03-01T22:00:00Z", duration="PT2H", users="in", message="Bring coffee.", contact="the desk"
    )
    (found,) = banner(site.connection, user=None, at=datetime(2031, 3, 1, 12, tzinfo=UTC))
    assert found.text == (
        "The system will be in a downtime with its users in from 2031-03-01 22:00 +00:00 until 2031-03-02 00:00 +00:00 "
        "(UTC). Users may work on meanwhile; what goes into the ERP waits, and goes on by itself afterwards."
    )
    assert (found.message, found.contact, found.users) == ("Bring coffee.", "the desk", "in")
