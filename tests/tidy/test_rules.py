"""The table of rules (`bench/rules/*.yaml`) is of this source: what is taken out is there, and so is each test."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

from bench.rules import ROOT, TABLES, rules

RULES = rules()


def names_in(path):
    """Give the names of a file's tests."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_rule(rule):
    """What is taken out stands once in its file, something else is put there, and the test exists."""
    text = (ROOT / "src" / "slacktide" / rule.file).read_text(encoding="utf-8")
    assert text.count(rule.take) == 1
    assert rule.put != rule.take
    file, _, test = rule.test.partition("::")
    assert test in names_in(ROOT / "tests" / file)


def test_names():
    """Each rule has a name of its own."""
    assert [name for name, count in Counter(rule.name for rule in RULES).items() if count > 1] == []


def test_moments():
    """Each test of a dangerous moment is named by a rule, or by a page that says what it holds."""
    named = {rule.test for rule in RULES}
    pages = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "explanation").glob("*.md"))
    moments = {
        f"{path.relative_to(ROOT / 'tests')}::{test}"
        for path in Path(ROOT / "tests" / "transfer").glob("test_moment_*.py")
        for test in names_in(path)
        if test.startswith("test_")
    }
    assert sorted(moment for moment in moments - named if moment not in pages) == []


def test_tables():
    """The tables are there: none was renamed away from the program that reads them."""
    assert TABLES
