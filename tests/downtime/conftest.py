"""Settings and schedules as the tests of the rules write them: hours from one Monday morning."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from slacktide.downtime import Organization, Setting, Side, compile_schedule
from slacktide.downtime.parameter import ORGANIZATION_DOWNTIME, SITE_DOWNTIME, Level

MORNING = datetime(2026, 6, 1, 8, tzinfo=UTC)
HOTEL = Organization(code="HOTEL", name="Hotel", zone="Europe/Berlin")
OTHER = Organization(code="OTHER", name="Other", zone="UTC")


def at(hours: float) -> datetime:
    """Give the instant so many hours after the morning."""
    return MORNING + timedelta(hours=hours)


def setting(parameter, value, start, end, *, id="1", organization=None, **more):  # noqa: A002 -- the word of the interface
    """Give a setting of the site, or of an organization, between two hours."""
    level = Level.ORGANIZATION if organization else Level.SITE
    return Setting(
        id=id,
        parameter=parameter,
        level=level,
        organization=organization,
        value=value,
        start=at(start),
        end=None if end is None else at(end),
        **more,
    )


def site(start, end, users="out", *, id="1", value="Y", **more):  # noqa: A002 -- the word of the interface
    """Give a downtime of the site."""
    return setting(SITE_DOWNTIME, value, start, end, id=id, users=users, **more)


def own(start, end, users="out", *, id="2", value="Y", organization="HOTEL", **more):  # noqa: A002 -- the word of the interface
    """Give a downtime of the hotel."""
    return setting(ORGANIZATION_DOWNTIME, value, start, end, id=id, users=users, organization=organization, **more)


def side(name, state, since=0, lives_at=None):
    """Give a side of the hotel."""
    return Side(organization="HOTEL", side=name, state=state, since=at(since), lives_at=lives_at)


def schedule(*settings, sides=(), before=None):
    """Compile a schedule of the hotel and another organization."""
    return compile_schedule(settings=settings, organizations=[HOTEL, OTHER], sides=sides, around=MORNING, before=before)


@pytest.fixture(scope="session")
def example():
    """Give the makers of settings and schedules: at, setting, site, own, side, schedule."""
    return SimpleNamespace(at=at, setting=setting, site=site, own=own, side=side, schedule=schedule)
