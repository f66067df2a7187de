"""The command line, called in this process with a control database of the test's own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from slacktide.cli import run
from tests.migrated import migrate


@dataclass
class Said:
    """What a command ended with and said."""

    status: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def slacktide(server, database, monkeypatch, capsys):
    """Give a function that runs one command."""
    migrate(address=database)
    monkeypatch.setenv("SLACKTIDE_DATA", str(server.folder))
    monkeypatch.setenv("SLACKTIDE_DATABASE_URL", database)

    def call(*arguments):
        status = run(list(map(str, arguments)))
        return Said(int(status), *capsys.readouterr())

    return call


@pytest.fixture
def hotel(slacktide):
    """Give the command line with an organization HOTEL of Berlin."""
    assert slacktide("organization", "add", "HOTEL", "--zone", "Europe/Berlin").status == 0
    return slacktide


@pytest.fixture
def started(server, monkeypatch):
    """Give a function that starts the real command, which does not outlive the test."""
    monkeypatch.setenv("SLACKTIDE_DATA", str(server.folder))
    running = []

    def start(*arguments):
        command = [Path(sys.executable).with_name("slacktide"), *map(str, arguments)]
        # Whoever runs the tests in the background has them, and all that they start, ignore the keyboard's interrupt.
        heed = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731 -- for the next line alone
        facts = {"stdout": subprocess.PIPE, "env": os.environ, "text": True}
        running.append(subprocess.Popen(command, preexec_fn=heed, **facts))  # noqa: PLW1509 -- one signal, no lock
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.communicate()
