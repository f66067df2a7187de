from __future__ import annotations

import os

import pytest

from slacktide.postgres.connection import connect


@pytest.fixture
def name():
    return f"made_by_command_{os.getpid()}"


def test_add(slacktide, name, request):
    """A database is made once; its URL works and names a file instead of the password."""
    made = slacktide("database", "add", name, "--json")
    url = made.json["url"]
    assert (made.status, made.json) == (0, {"name": name, "url": url})
    assert "passfile=" in url
    connect(url, name="test").close()
    again = slacktide("database", "add", name)
    assert (again.status, again.out) == (1, "")
    assert "`slacktide database list`" in again.err
    assert made.json in slacktide("database", "list", "--json").json
    (row,) = slacktide("audit", "--json").json
    assert (row["what"], row["object"]) == ("database add", f"database {name}")


@pytest.mark.parametrize("bad", ["", "9lives", "a b", "x" * 64, 'a"b'])
def test_bad_name(slacktide, bad):
    """A name that would need quoting is wrong usage."""
    said = slacktide("database", "add", bad, "--json")
    assert (said.status, said.json["error"]) == (2, "BadDatabaseName")
