"""The schedule that one process keeps."""

from __future__ import annotations

from slacktide.control.keeper import Keeper
from slacktide.postgres.connection import connect

TELL = "select pg_notify('slacktide_schedule', '')"


def test_hears_what_was_committed_before(control, database):
    """A change that has been committed counts for whatever is asked afterwards, however soon."""
    with connect(database, name="keeper") as own:
        keeper = Keeper(own)
        for changes in range(1, 500):
            control.execute(TELL)
            keeper.hear()
            keeper.known()
            assert keeper.readings == changes + 1
