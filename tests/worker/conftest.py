"""A very small hotel that can be moved."""

from __future__ import annotations

import pytest

from tests.cutover.house import a_move


@pytest.fixture(scope="module")
def small_move(server):
    """Give a move of a hotel with 20 bookings each, nothing of it written down yet."""
    with a_move(server, name="worker", bookings=20) as moving:
        yield moving
