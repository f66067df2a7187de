"""The journal has one owner for each process, as long as that one's connection lives."""

from __future__ import annotations

import pytest

from slacktide.postgres.connection import connect
from slacktide.transfer.journal import Journal, OwnedElsewhere


def test_one_owner(bare_line, databases):
    """A process is owned by one connection until that is cut; another process of the move is not concerned."""
    line = bare_line
    address = databases.server.address(line.control.info.dbname)
    with connect(address, name="first") as first, connect(address, name="second") as second:
        Journal(first, move_id=line.move_id, process="process").own()
        late = Journal(second, move_id=line.move_id, process="process")
        with pytest.raises(OwnedElsewhere):
            late.own()
        Journal(second, move_id=line.move_id, process="transfer").own()
        line.control.execute("select pg_terminate_backend(%s, 10000)", [first.info.backend_pid])
        late.own()
