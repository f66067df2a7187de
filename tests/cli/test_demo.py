"""The demonstration of a downtime, as a whole."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


@pytest.mark.long
@pytest.mark.timeout(600)
def test_downtime(tmp_path):
    """Everything that it promises is seen, and it leaves nothing running."""
    command = [sys.executable, "-c", "from slacktide.cli import main; main()", "demo", "downtime", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    checks = json.loads(done.stdout)
    assert len(checks) == 17
    assert all(check["holds"] for check in checks)
