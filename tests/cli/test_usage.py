from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from slacktide.cli import run
from slacktide.core.errors import ExitStatus


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["nonsense"], "slacktide --help"),
        (["downtime", "nonsense"], "slacktide downtime --help"),
        (["status", "--nonsense"], "slacktide status --help"),
        (["database", "add"], "slacktide database add --help"),
        (["organization", "list", "too", "many"], "slacktide organization list --help"),
    ],
)
def test_wrong_usage(capsys, arguments, wanted):
    """What is not understood ends with 2 and with the command that explains itself, as JSON too."""
    assert run(arguments) == 2
    assert wanted in capsys.readouterr().err
    assert run([*arguments, "--json"]) == 2
    assert '"error": "Usage"' in capsys.readouterr().out


def test_what_is_no_text(capsys):
    """An argument that is not UTF-8 is refused, whatever the command would do with it."""
    for arguments in (["check", "login", "--user", "\udcff"], ["organization", "add", "A", "--name", "a\udcffb"]):
        assert run(arguments) == ExitStatus.USAGE
        assert "is not text in UTF-8" in capsys.readouterr().err


def test_where_it_is_written(slacktide, server, database):
    """What an encoding has no sign for is escaped, in JSON as JSON does; where nothing can be written that is said."""
    assert slacktide("organization", "add", "A", "--name", "Zoë \N{UMBRELLA}\N{GRINNING FACE}").status == 0
    command = [Path(sys.executable).with_name("slacktide"), "organization", "list"]
    latin = os.environ | {"PYTHONIOENCODING": "latin-1"}
    said = subprocess.run(command, capture_output=True, check=True, env=latin)
    assert "Zoë \\u2602\\U0001f600" in said.stdout.decode("latin-1")
    said = subprocess.run([*command, "--json"], capture_output=True, check=True, env=latin)
    assert json.loads(said.stdout.decode("ascii"))[0]["name"] == "Zoë \N{UMBRELLA}\N{GRINNING FACE}"
    with Path("/dev/full").open("w") as full:
        refused = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False, text=True)
    assert "The result could not be written: No space left on device" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_alone(capsys):
    """Without a command every command is listed, each with a sentence."""
    assert run([]) == 0
    assert "Tell what is open" in capsys.readouterr().out


def test_quick():
    """Help imports no command, and so neither psycopg nor a plan."""
    code = "import sys; from slacktide.cli import run; run([]); sys.exit(bool({'psycopg', 'yaml'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
