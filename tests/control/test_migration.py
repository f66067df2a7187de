from __future__ import annotations

import subprocess
import sys

import pytest

from slacktide.control.migration import ControlNewer, migrate
from slacktide.downtime.parameter import PARAMETERS
from slacktide.postgres.connection import connect

MIGRATE = "import sys; from slacktide.control.migration import migrate; print(migrate(address=sys.argv[1]))"
QUICK = MIGRATE + "; print('yoyo' in sys.modules)"


def run(code, database):
    return subprocess.Popen([sys.executable, "-c", code, database], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_migrates_once(database):
    """The first call applies every migration, the next one nothing, without importing the runner."""
    assert migrate(address=database)[0] == "0001-downtime"
    out, err = run(QUICK, database).communicate()
    assert (out, err) == (b"[]\nFalse\n", b"")


def test_all_tables_are_in_our_schema(database):
    """Nothing is made outside the schema slacktide, the runner's own tables neither."""
    migrate(address=database)
    with connect(database, name="test") as connection:
        rows = connection.execute(
            "select distinct schemaname from pg_tables where schemaname not in ('pg_catalog', 'information_schema')"
        )
        assert rows.fetchall() == [("slacktide",)]


def test_many_migrate_at_once(database):
    """Several processes that come at once do the work once, and none fails or prints anything."""
    processes = [run(MIGRATE, database) for _ in range(4)]
    answers = [process.communicate() for process in processes]
    assert all(process.returncode == 0 for process in processes), answers
    assert sorted(out for out, _ in answers)[1:] == [b"[]\n"] * 3
    assert all(err == b"" for _, err in answers)


def test_after_a_kill(database):
    """A lock row that a killed process left, and a migration that was applied but not noted, do not hurt."""
    migrate(address=database)
    with connect(database, name="test") as connection:
        connection.execute("insert into slacktide.yoyo_lock (locked, ctime, pid) values (1, now(), 1)")
        connection.execute("delete from slacktide._yoyo_migration")
    assert "0001-downtime" in migrate(address=database)
    assert migrate(address=database) == []


def test_newer_database_is_refused(database):
    """A database that a newer program made is refused by name."""
    migrate(address=database)
    with connect(database, name="test") as connection:
        connection.execute("insert into slacktide._yoyo_migration values ('x', '9999-later', now())")
    with pytest.raises(ControlNewer, match="9999-later"):
        migrate(address=database)


def test_levels_are_the_parameters_own(control):
    """The levels in the database are those of the table of parameters."""
    rows = control.execute("select parameter, level from slacktide.parameter_level").fetchall()
    assert set(rows) == {(name, level.value) for name, known in PARAMETERS.items() for level in known.levels}
