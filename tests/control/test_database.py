from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from slacktide.control.database import open_control
from slacktide.postgres.server import Server


@pytest.fixture
def folder():
    """Give a data folder of this test's own."""
    folder = Path(tempfile.mkdtemp(prefix="slacktide-test-"))
    yield folder
    shutil.rmtree(Server(folder).cluster, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def test_embedded(folder):
    """Without an address the embedded server of the data folder is started, and stopped by the last one who leaves."""
    with open_control({"SLACKTIDE_DATA": str(folder)}) as control:
        assert control.server is not None
        with control.connect(name="test") as connection:
            assert connection.execute("select count(*) from slacktide.organization").fetchone() == (0,)
        assert control.server.pid() is not None
    assert Server(folder).pid() is None


def test_several_open_it_at_once(folder):
    """Several processes that open a control database that is not there yet all get it."""
    code = "from slacktide.control.database import open_control; open_control().close()"
    processes = [
        subprocess.Popen([sys.executable, "-c", code], env={"SLACKTIDE_DATA": str(folder)}, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    answers = [process.communicate() for process in processes]
    assert all(process.returncode == 0 for process in processes), answers
    assert Server(folder).pid() is None


def test_named_database(database):
    """With an address that database is used, and no server of ours is touched."""
    with open_control({"SLACKTIDE_DATABASE_URL": database}) as control:
        assert (control.address, control.server) == (database, None)
