"""The control database's own clock is wrong and steps back: a real server under libfaketime; skipped without it."""

from __future__ import annotations

import ctypes.util
import os
import shutil
import subprocess
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from slacktide.control.migration import migrate
from slacktide.control.organization import add_organization
from slacktide.control.setting import control_now
from slacktide.gates.control_source import ControlSource
from slacktide.gates.keeper import Keeper
from slacktide.postgres import binaries
from slacktide.postgres.connection import connect
from slacktide.postgres.server import Server
from tests.gates.conftest import WHO
from tests.gates.test_keeper import OPEN, OTHER

PLACES = [*Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), Path(ctypes.util.find_library("faketime") or "absent")]
FAKETIME = next((path for path in PLACES if path.exists()), None)

pytestmark = pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed here (Debian libfaketime)")


class Clock:
    """The clock of a server, that the test puts ahead of the machine's own."""

    def __init__(self, folder):
        self.file = folder / "clock"
        self.put(0)

    def put(self, seconds):
        self.file.write_text(f"{seconds:+}\n")

    @property
    def environment(self):
        """Count the seconds as they are, and read the file at each look."""
        faked = {
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", "LD_PRELOAD": str(FAKETIME)} | faked


@pytest.fixture(scope="module")
def clock_and_server():
    """Give a server of its own, started anew under a clock that the test puts."""
    folder = Path(tempfile.mkdtemp(prefix="slacktide-test-"))
    folder.chmod(0o755)
    clock, server = Clock(folder), Server(folder, settings={"fsync": "off"})
    who = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    with server:
        facts = {"cwd": "/", "stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, **who}
        control = [binaries.folder() / "pg_ctl", "-D", server.cluster, "-s", "-w", "-l", server.log]
        subprocess.run([*control, "-m", "fast", "stop"], check=True, **facts)
        subprocess.run([*control, "-o", f"-k {server.socket}", "start"], check=True, env=clock.environment, **facts)
        yield clock, server
    shutil.rmtree(server.cluster, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def server_clock(clock_and_server):
    """Give the clock, which is right again afterwards."""
    yield clock_and_server[0]
    clock_and_server[0].put(0)


@pytest.fixture
def database(clock_and_server, request):
    """Give a database of that server."""
    name = request.node.name
    clock_and_server[1].create_database(name)
    return clock_and_server[1].address(name)


@pytest.fixture
def control(database, server_clock):
    """Give a connection to a control database with two organizations."""
    migrate(address=database)
    with connect(database, name="test") as connection:
        for code in ("HOTEL", "OTHER"):
            add_organization(connection, code=code, **WHO)
        yield connection


def ahead(control):
    """Give how many seconds the server's clock is ahead of this machine's."""
    return (control_now(control) - datetime.now(UTC)).total_seconds()


def test_a_server_90_seconds_ahead(control, database, server_clock, plan, site, gate_of, soon):
    """Gates beside the database and over HTTP decide by its clock though it is 90 s wrong, and report the offset."""
    server_clock.put(90)
    assert 89 < ahead(control) < 91
    plan("OTHER", start=(datetime.now(UTC) + timedelta(seconds=80)).isoformat())
    plan("HOTEL", start="now+PT30S")
    with Keeper(ControlSource(database)) as beside:
        for kept in (beside, gate_of()):
            assert soon(lambda kept=kept: kept.refusal(OTHER) is not None) < 5
            assert kept.refusal(OPEN) is None
            assert 89 < kept.report().offset_seconds < 91


def test_a_server_that_steps_back(control, database, server_clock, plan, site, gate_of, soon):
    """A downtime that has begun goes on at each gate though the server's clock steps back to before its start."""
    server_clock.put(90)
    with Keeper(ControlSource(database)) as beside:
        over_http = gate_of()
        plan("HOTEL", start="now+PT1S")
        for kept in (beside, over_http):
            soon(lambda kept=kept: kept.refusal(OPEN) is not None)
        passed = [kept.moment().now for kept in (beside, over_http)]
        server_clock.put(0)
        assert -1 < ahead(control) < 1
        soon(lambda: abs(beside.report().offset_seconds) < 1)
        plan("OTHER")
        for kept, before in zip((beside, over_http), passed, strict=True):
            soon(lambda kept=kept: kept.refusal(OTHER) is not None)  # it has fetched, and heard the earlier time
            assert kept.refusal(OPEN) is not None
            assert timedelta() <= kept.moment().now - before < timedelta(seconds=30)
