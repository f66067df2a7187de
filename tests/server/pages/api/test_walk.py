"""The documents of the API: the how-to runs, and the reference has every operation."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

from slacktide.control.audit import list_audit
from slacktide.server.pages.api.operation import OPERATIONS
from tests.docs.documents import BLOCK, ROOT, rows, text_of


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not there")
def test_how_to(site, tasks, token, control, tmp_path):
    """The walk of the how-to runs from beginning to end, and does what its text says."""
    script = "\n".join(block for kind, block in BLOCK.findall(text_of(ROOT / "docs/how-to/api.md")) if kind == "sh")
    environment = {"PATH": os.environ["PATH"], "SITE": site, "TOKEN": token("api", "assert-admin", name="pipeline")}
    command = ["bash", "-euc", script.replace("\napi ", "\necho; api ")]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    said = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    assert [one.get("state") or one.get("code") or "answered" for one in said][-3:] == [
        "AlreadyOver", "answered", "done",
    ]  # fmt: skip
    assert (said[0]["state"], said[1]["id"], said[1]["effect"]["tasks"]) == ("open", None, 2)
    assert "\n409\n" in run.stdout
    trail = [(one["who"], one["what"]) for one in list_audit(control)][-4:]
    assert trail == [
        ("token pipeline", "downtime schedule"),
        ("token pipeline", "downtime change"),
        ("token pipeline", "downtime cancel"),
        ("grace by token pipeline", "task change"),
    ]


def test_reference():
    """The table of the reference has every operation, with what it takes and how it is judged."""
    said = {row[0].strip("`"): row for row in rows(ROOT / "docs/reference/http.md", head="operation")}
    assert said.keys() == {f"{one.method} {one.path}" for one in OPERATIONS}
    for one in OPERATIONS:
        _, title, takes, way = said[f"{one.method} {one.path}"]
        assert (title, way) == (one.title, one.way.name.lower())
        named = [*getattr(one.query, "__struct_fields__", ()), *getattr(one.body, "__struct_fields__", ())]
        assert takes == ", ".join(f"`{name}`" for name in named)
