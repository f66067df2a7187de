"""What the tests of the plan share: a small shop's schema and its plan, and one edit away from them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from slacktide.plan.load import load_plan_text
from slacktide.postgres.connection import connect

_HERE = Path(__file__).parent
FILE = "shop.yaml"


def _edited(text, edits):
    for old, new in edits:
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times"
        text = text.replace(old, new)
    return text


@pytest.fixture(scope="session")
def shop_text():
    """Give a function that gives the shop's plan as a text, with edits of the form (old, new)."""
    text = (_HERE / FILE).read_text(encoding="utf-8")
    return lambda *edits: _edited(text, edits)


@pytest.fixture(scope="session")
def shop_plan(shop_text):
    """Give a function that loads the shop's plan with edits."""
    return lambda *edits: load_plan_text(text=shop_text(*edits), file=FILE)


@pytest.fixture(scope="session")
def shop_session(server):
    """Give the one connection to a database with the shop's schema."""
    name = f"shop_{os.getpid()}"
    server.create_database(name)
    with connect(server.address(name), name="test") as connection:
        connection.execute((_HERE / "shop.sql").read_text(encoding="utf-8"))
        yield connection


@pytest.fixture
def shop_database(shop_session):
    """Give a connection to the shop's database; whatever a test does there is rolled back."""
    with shop_session.transaction(force_rollback=True):
        yield shop_session
