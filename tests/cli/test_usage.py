from __future__ import annotations

import subprocess
import sys

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


def test_alone(capsys):
    """Without a command every command is listed, each with a sentence."""
    assert run([]) == 0
    assert "Tell what is open" in capsys.readouterr().out


def test_quick():
    """Help imports no command, and so neither psycopg nor a plan."""
    code = "import sys; from slacktide.cli import run; run([]); sys.exit(bool({'psycopg', 'yaml'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
