from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from slacktide.cli.address import BadAddress, reachable
from slacktide.core.configuration import UnknownReference
from slacktide.postgres.connection import connect
from slacktide.postgres.server import Server

SLACKTIDE = Path(sys.executable).with_name("slacktide")


@pytest.fixture
def folder(monkeypatch):
    """Give a data folder of the test's own, whose server is not running."""
    folder = Path(tempfile.mkdtemp(prefix="slacktide-test-"))
    monkeypatch.setenv("SLACKTIDE_DATA", str(folder))
    yield folder
    shutil.rmtree(folder)


def test_the_embedded_server_runs_while_it_is_used(folder, monkeypatch):
    """An address on the embedded server is reachable, and the server stops with its last user."""
    with Server(folder) as server:
        address = server.address()
    assert server.pid() is None
    monkeypatch.setenv("PLACE", address)
    with reachable(None, "env:PLACE"), connect(address, name="test") as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    assert server.pid() is None


def test_another_address_starts_nothing(folder):
    """An address elsewhere is left to itself."""
    with reachable("postgresql://somebody@db.example/hotel"):
        assert list(folder.iterdir()) == []


def test_what_is_no_address_is_refused_without_showing_it(folder):
    """A mistyped address is refused, and a password in it is not shown."""
    with pytest.raises(BadAddress) as caught, reachable("postgresql//user:secret@host/hotel"):
        pass
    assert "secret" not in str(caught.value)
    with pytest.raises(UnknownReference), reachable("env:NOT_SET"):
        pass


def test_commands_start_the_server_each_for_itself(folder):
    """A database made by one command is used by the next, though no server runs between them."""

    def call(*arguments):
        environment = {"PATH": os.environ["PATH"], "SLACKTIDE_DATA": str(folder)}
        command = [SLACKTIDE, *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout

    url = call("database", "add", "hotel_source").strip()
    assert "password" not in url
    call("hotel", "create", url)
    assert "0 errors" in call("plan", "check", "hotel", "--source", url)
    assert Server(folder).pid() is None
