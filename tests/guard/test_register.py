"""An organization is made known to the guard of a database by two at the same moment."""

from __future__ import annotations

import threading

from slacktide.guard import closing
from slacktide.postgres.connection import connect
from tests.clock import until_waits


def test_two_at_once(guarded):
    """The second one waits for the first one, and finds it made: a unique violation would end a command by night."""
    address, refused = guarded.info.dsn, []

    def second():
        with connect(address, name="second") as connection:
            try:
                closing.register(connection, organization="NEW")
            except Exception as error:  # noqa: BLE001 -- whatever it is, it is one too many
                refused.append(error)

    with connect(address, name="first", autocommit=False) as first:
        first.execute("select slacktide.guard_register('NEW')")
        other = threading.Thread(target=second)
        other.start()
        until_waits(guarded, name="slacktide second")
        first.commit()
        other.join()
    assert refused == []
    assert closing.state(guarded, organization="NEW").epoch == 0
