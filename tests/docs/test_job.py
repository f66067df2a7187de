"""The recipes for jobs: what a page tells others to run is run, open and held."""

from __future__ import annotations

import ast
import asyncio
import os
import subprocess
import sys
from pathlib import Path

import celery
import procrastinate
import pytest
import yaml

from slacktide.control.downtime import Wish, end_downtime, schedule_downtime
from slacktide.control.organization import add_organization
from slacktide.holding.look import HeldBack
from slacktide.postgres.connection import connect
from tests.docs.documents import BLOCK, ROOT, text_of
from tests.migrated import migrate

PAGE = ROOT / "docs" / "how-to" / "job.md"
WHO = {"who": "tester", "reason": "a test"}


def block(kind):
    """Give the page's code of one kind."""
    return "\n".join(code for name, code in BLOCK.findall(text_of(PAGE)) if name == kind)


@pytest.fixture
def control(server, database, monkeypatch):
    """Give a control database with the organization SOUTH, named in the environment."""
    monkeypatch.setenv("SLACKTIDE_DATABASE_URL", database)
    monkeypatch.setenv("SLACKTIDE_DATA", str(server.folder))
    migrate(address=database)
    with connect(database, name="test") as connection:
        add_organization(connection, code="SOUTH", **WHO)
        yield connection


@pytest.fixture
def shell(control, tmp_path):
    """Give a function that runs a command beside an `export-invoices`; it gives the status, and whether that ran."""
    exporting, written = tmp_path / "export-invoices", tmp_path / "written"
    exporting.write_text(f'#!/bin/sh\necho "$@" > {written}\n', encoding="utf-8")
    exporting.chmod(0o755)
    path = f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}"

    def run(*command, **environment):
        written.unlink(missing_ok=True)
        done = subprocess.run(
            command, env=os.environ | {"PATH": path} | environment, timeout=60, check=False, capture_output=True
        )
        return done.returncode, written.exists() and written.read_text(encoding="utf-8").strip()

    return run


@pytest.fixture
def down(control):
    """Give a function that starts a downtime of SOUTH; gives its ID."""
    wish = Wish(until_ended=True)
    return lambda: schedule_downtime(control, wish=wish, organizations=["SOUTH"], **WHO).downtimes[0]["id"]


LOST = {"SLACKTIDE_DATABASE_URL": "postgresql://nobody@/nowhere?host=/nowhere"}


def test_cron(shell, down, control):
    """The line of cron exports while SOUTH is open, is quiet while it is not, and exports nothing if nobody knows."""
    (line,) = block("crontab").splitlines()
    command = ("/bin/sh", "-c", line.split(maxsplit=5)[5])
    assert shell(*command) == (0, "SOUTH")
    downtime = down()
    assert shell(*command) == (75, False)
    status, ran = shell(*command, **LOST)
    assert (status not in {0, 75}, ran) == (True, False)
    end_downtime(control, id=downtime, **WHO)
    assert shell(*command) == (0, "SOUTH")


def test_airflow(shell, down):
    """The sensor says 75 while SOUTH is held, which it is told to take for "not yet"; the task runs under the lock."""
    given = {}
    for call in ast.walk(ast.parse(block("py"))):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
            facts = {each.arg: each.value.value for each in call.keywords if isinstance(each.value, ast.Constant)}
            given |= {call.func.id: facts} if "bash_command" in facts else {}
    is_open, export = given["BashSensor"], given["BashOperator"]
    assert shell("/bin/bash", "-c", is_open["bash_command"]) == (0, False)
    assert shell("/bin/bash", "-c", export["bash_command"]) == (0, "SOUTH")
    down()
    assert shell("/bin/bash", "-c", is_open["bash_command"]) == (is_open["retry_exit_code"], False)
    assert shell("/bin/bash", "-c", export["bash_command"].replace("PT10M", "PT0.5S")) == (75, False)
    assert shell("/bin/bash", "-c", is_open["bash_command"], **LOST)[0] not in {0, is_open["retry_exit_code"]}


def test_kubernetes(shell, down):
    """The container exports while SOUTH is open, ends well without while it is held, and fails if nobody knows."""
    job = yaml.safe_load(block("yaml"))["spec"]["jobTemplate"]["spec"]
    (container,) = job["template"]["spec"]["containers"]
    command = (*container["command"], *container["args"])
    assert shell(*command) == (0, "SOUTH")
    down()
    assert shell(*command) == (0, False)
    assert shell(*command, **LOST) == (1, False)
    guard = next(line for line in command[-1].splitlines() if "guard" in line).partition("exec ")[2].rstrip(" ;")
    (rule,) = job["podFailurePolicy"]["rules"]
    assert (rule["action"], rule["onExitCodes"]["values"]) == ("Ignore", [shell("/bin/sh", "-c", guard)[0]])


def test_tasks(control, down):
    """The tasks of Celery and Procrastinate that the page shows run while SOUTH is open, and wait while it is not."""
    written = []
    app = celery.Celery("page", broker="memory://")
    queue = procrastinate.App(connector=procrastinate.PsycopgConnector())
    names = {"app": app, "queue": queue, "write": lambda *facts: written.append(facts)}
    exec(compile(block("python"), "job.md", "exec"), names)  # noqa: S102 -- the page's own code
    names["export"](1, "SOUTH")
    asyncio.run(names["post"](2, "SOUTH"))
    down()
    with pytest.raises(HeldBack):
        names["export"](3, "SOUTH")
    with pytest.raises(HeldBack):
        asyncio.run(names["post"](4, "SOUTH"))
    assert written == [(1, "SOUTH"), (2, "SOUTH")]
