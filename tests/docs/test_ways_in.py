"""The table of ways in: groups, rows, and tests that are there."""

from __future__ import annotations

import re

from tests.docs.documents import ROOT, text_of
from tests.docs.test_explanation import NODE

PAGE = ROOT / "docs" / "explanation" / "ways-in.md"
GROUPS = [
    "Addresses",
    "Requests",
    "Sessions and log-in",
    "Tasks and leases",
    "Links",
    "Gates in other applications",
    "Held work",
    "Guarded databases",
    "The clock and the schedule",
]
AT_LEAST = 60


def groups():
    """Give the rows of each group."""
    parts = re.split(r"^## (.*)$", text_of(PAGE), flags=re.MULTILINE)[1:]
    return {
        name: [
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in text.splitlines()
            if line.startswith("| ") and not line.startswith("| way in |")
        ]
        for name, text in zip(parts[::2], parts[1::2], strict=True)
    }


def test_groups():
    """Each group has rows, and there are as many as were promised."""
    found = groups()
    assert [*found] == GROUPS
    assert min(len(rows) for rows in found.values()) >= 5
    assert sum(len(rows) for rows in found.values()) >= AT_LEAST


def test_rows():
    """Each row names a way in once, what stands against it, and tests of its own (`test_explanation` finds them)."""
    rows = [row for group in groups().values() for row in group]
    assert [row for row in rows if not (len(row) == 3 and row[0] and row[1] and NODE.search(row[2]))] == []
    assert len({row[0] for row in rows}) == len(rows)


def test_tests_of_ways_in():
    """A test that is there to try ways in stands in the table."""
    said = {
        f"{file}::{test}"
        for row in (row for g in groups().values() for row in g)
        for file, test in NODE.findall(row[2])
    }
    files = [*(ROOT / "tests").rglob("test_way_in.py")]
    tests = {
        f"{path.relative_to(ROOT)}::{name}"
        for path in files
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert files
    assert sorted(tests - said) == []
