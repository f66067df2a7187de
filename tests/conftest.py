"""What all tests share: one embedded server, and a fresh database for each test."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

from slacktide.postgres.server import Server
from tests.memory import drop, in_memory, memory
from tests.zone_data import zone_data as write_zone_data

# Their assertions are to be explained; here, because whichever tests come first may import them.
pytest.register_assert_rewrite("tests.transfer.line", "tests.transfer.checker")

settings.register_profile("slacktide", deadline=None)  # how long an example takes is the machine's affair
settings.load_profile("slacktide")

_number = itertools.count(1)


@pytest.fixture(scope="session")
def server():
    """Give the attached embedded server of this test session."""
    folder = Path(tempfile.mkdtemp(prefix="slacktide-test-", dir=memory()))
    server = Server(folder, settings={"fsync": "off"})
    with server:
        yield server
        if not in_memory(server.folder):
            _stop_at_once(server)
    shutil.rmtree(server.cluster, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def _stop_at_once(server):
    """Stop it without its last checkpoint, which takes half a minute on a disk: nobody reads its files any more."""
    postmaster = int((server.cluster / "postmaster.pid").read_text().split("\n", 1)[0])
    os.kill(postmaster, signal.SIGQUIT)


@pytest.fixture
def database(server):
    """Give the address of a database of this test's own, which goes with it."""
    name = f"test_{os.getpid()}_{next(_number)}"
    server.create_database(name)
    yield server.address(name)
    drop(server.address(name))


@pytest.fixture(scope="session", autouse=True)
def secret_key():
    """Give what runs in this process a secret key, so that none is made in a folder outside of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLACKTIDE_SECRET_KEY", "the tests' own, which opens nothing else")
        yield


@pytest.fixture
def zone_data(tmp_path):
    """Give a function that updates the zone data of the zone `tests.zone_data.ZONE`."""
    with write_zone_data(tmp_path / "zone data") as update:
        yield update
