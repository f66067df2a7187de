"""What the site answers while the control database does not answer."""

from __future__ import annotations

import json

import pytest

from slacktide.postgres.connection import connect


@pytest.fixture
def silence(server, control):
    """Give a function that has the control database let nobody in, and ends whoever is."""
    name = control.info.dbname

    def silent():
        with connect(server.address(), name="silence") as other:
            other.execute(f'alter database "{name}" with allow_connections false')
            other.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])

    yield silent
    with connect(server.address(), name="silence") as other:
        other.execute(f'alter database "{name}" with allow_connections true')


def test_silent(browser, tasks, silence):
    """A page and a program are answered with 503 and when to come again; the style is there, and health."""
    grace = browser("grace")
    assert grace.post(f"/task/{tasks[0]}/open").status == 302
    silence()
    assert grace.get("/files/site.css").status == 200
    saved = grace.post(f"/task/{tasks[0]}/save", note="an hour of <typing>", version=1)
    assert (saved.status, saved.headers["cache-control"], saved.headers["retry-after"]) == (503, "no-store", "5")
    assert saved.says("The control database does not answer")
    assert "an hour of &lt;typing&gt;" in saved.text
    answer = grace.get("/api/status", authorization="Bearer x", accept="application/json")
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert json.loads(answer.text)["code"] == "DatabaseSilent"
    assert grace.get("/livez").status == 200
