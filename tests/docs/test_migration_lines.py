"""The lines of the migration specification: each with a test, or counted as open."""

from __future__ import annotations

import re

from tests.docs.documents import ROOT, text_of
from tests.docs.test_explanation import NODE

PAGE = ROOT / "docs" / "explanation" / "migration-lines.md"
SECTIONS = ["1. The tasks", "2. The four processes", "3. The down time", "4. The plan", "5. Bad input"]
OPEN = re.compile(r"open|open \(being built\)")
STILL_OPEN = 0  # only ever lowered


def lines():
    """Give the rows of each section: the line, and its tests."""
    parts = re.split(r"^## (.*)$", text_of(PAGE), flags=re.MULTILINE)[1:]
    return {
        name: [
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in text.splitlines()
            if line.startswith("| ") and not line.startswith("| line |")
        ]
        for name, text in zip(parts[::2], parts[1::2], strict=True)
    }


def test_sections():
    """Each section that promises something has its lines, each once."""
    found = lines()
    assert [*found] == SECTIONS
    for name, rows in found.items():
        assert len(rows) >= 10, name
        assert len({row[0] for row in rows}) == len(rows), name


def test_each_line_has_a_test_or_says_open():
    """Each line names tests (`test_explanation` finds them), or says that it is open."""
    rows = [row for section in lines().values() for row in section]
    assert [row for row in rows if not (len(row) == 2 and (NODE.search(row[1]) or OPEN.fullmatch(row[1])))] == []


def test_open_lines_only_fall():
    """There are exactly as many open lines as are known: who closes one lowers the number, and nobody raises it."""
    rows = [row for section in lines().values() for row in section]
    assert sum(bool(OPEN.fullmatch(row[1])) for row in rows) == STILL_OPEN
