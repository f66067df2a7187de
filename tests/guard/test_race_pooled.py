"""The race of `bench.race`, small: eight ways into a database, through a pooler and in two phases too."""

from __future__ import annotations

import pytest
from psycopg.conninfo import conninfo_to_dict

from bench.pooler import ABSENT, PGBOUNCER
from bench.race import Race, ways
from slacktide.postgres.connection import connect

TRIALS = 16

pytestmark = pytest.mark.skipif(PGBOUNCER is None, reason=ABSENT)


def test_after_quiet_not_one_row_changes(server, database):
    """Whatever way eight writers come in, nothing changes after quiet, and nobody else waits a second for a lock."""
    name = conninfo_to_dict(database)["dbname"]
    with ways(server, name) as addresses, connect(database, name="race") as owner:
        race = Race(owner, addresses)
        assert race.run(trials=TRIALS) == 0
    assert all(writer.committed >= TRIALS for writer in race.writers)
    assert race.hindered == []
