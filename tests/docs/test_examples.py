"""The examples of the how-to pages run, against a real database."""

from __future__ import annotations

import ast
import importlib.util
import re
import time

import psycopg
import pytest

from slacktide.notice.webhook import sign
from slacktide.plan.check import check_plan
from slacktide.plan.draft import draft_plan
from slacktide.plan.load import load_plan_text
from tests.docs.documents import BLOCK, PAGES, ROOT, shown, text_of

HOW_TO = ROOT / "docs" / "how-to"


def blocks(page, kind):
    """Give the code blocks of one kind, one after the other."""
    return "\n".join(block for name, block in BLOCK.findall(text_of(HOW_TO / page)) if name == kind)


def test_guard(database, capsys):
    """The page that guards other tables runs from beginning to end, and its closing refuses a write."""
    text = blocks("guard.md", "python")
    refused = re.sub(r"^(closing\.reopen)", r"refused = write()\n\1", text, flags=re.MULTILINE)

    def write():
        with psycopg.connect(database) as clerk:
            try:
                clerk.execute("insert into shop.booking values (1, 'SOUTH')")
            except psycopg.Error as error:
                return error.sqlstate

    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(blocks("guard.md", "sql"))
        names = {"address": database, "write": write}
        exec(compile(refused, "guard.md", "exec"), names)  # noqa: S102 -- the page's own code
        left = owner.execute("select count(*) from pg_trigger where tgname like 'slacktide%'").fetchone()
    assert (names["refused"], left) == ("ST001", (0,))
    assert "quiet" in capsys.readouterr().out


def test_plan(database):
    """The plan that the page builds up has no error, and no warning, against the schema that it shows."""
    plan = load_plan_text(text=blocks("plan.md", "yaml"), file="shop.yaml")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(blocks("plan.md", "sql"))
        found = check_plan(plan=plan, source=connection, target=connection)
    assert (found.errors, found.warnings) == ((), ())


def test_plan_draft(database):
    """Of the schema that the page shows a plan is drafted that needs no hand, and has the page's own entities."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(blocks("plan.md", "sql"))
        found = draft_plan(connection=connection, property_column="site_code", file="shop.yaml", database="shop")
    assert (found.guesses, found.warnings) == ((), ())
    drafted = load_plan_text(text=found.text, file="shop.yaml")
    own = load_plan_text(text=blocks("plan.md", "yaml"), file="shop.yaml")
    assert {table.qualified for table in drafted.table.values()} == {table.qualified for table in own.table.values()}


def test_notice():
    """What the page verifies a webhook by accepts what the product signs, and nothing that was changed or is old."""
    names = {}
    exec(compile(blocks("notice.md", "python"), "notice.md", "exec"), names)  # noqa: S102 -- the page's own code
    secret, body, now = "whsec_c2xhY2t0aWRl", b'{"type": "test"}', int(time.time())

    def genuine(body=body, second=now, key="17"):
        signature = sign(secret=secret, key="17", second=second, body=b'{"type": "test"}')
        headers = {"webhook-id": key, "webhook-timestamp": str(second), "webhook-signature": f"v1,other {signature}"}
        return names["is_genuine"](headers, body, secret)

    assert genuine()
    assert [genuine(body=b"{}"), genuine(second=now - 3600), genuine(key="18")] == [False] * 3


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_imports(page):
    """What a page's Python imports is there."""
    for kind, block in BLOCK.findall(text_of(page)):
        if kind == "python":
            for node in ast.walk(ast.parse(block)):
                if isinstance(node, ast.ImportFrom):
                    module = importlib.import_module(node.module or "")
                    assert [each.name for each in node.names if not found(module, each.name)] == []


def found(module, name):
    """Tell whether a module has a name, as its own or as a module below it."""
    return hasattr(module, name) or importlib.util.find_spec(f"{module.__name__}.{name}") is not None
