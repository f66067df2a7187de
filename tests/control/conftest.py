"""A migrated control database for each test, and a connection to it."""

from __future__ import annotations

import pytest

from slacktide.control.organization import add_organization
from slacktide.postgres.connection import connect
from tests.migrated import migrate

WHO = {"who": "tester", "reason": "a test"}


@pytest.fixture
def who():
    """Give who acts, and why."""
    return dict(WHO)


@pytest.fixture
def control(database):
    """Give a connection to a control database with the organizations HOTEL (Berlin) and OTHER (UTC)."""
    migrate(address=database)
    with connect(database, name="test") as connection:
        add_organization(connection, code="HOTEL", name="Hotel", zone="Europe/Berlin", **WHO)
        add_organization(connection, code="OTHER", **WHO)
        yield connection
