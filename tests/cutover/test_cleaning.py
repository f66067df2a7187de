"""What cleaning says that it will do."""

from __future__ import annotations

from slacktide.cutover.cleaning import describe
from tests.cutover.test_task import MOVE


def test_each_line_is_said_once():
    """Of an open move no line is said twice, with all or without; what stays is said where it stays."""
    for everything in (False, True):
        lines = describe([MOVE], is_open=True, everything=everything)
        assert len(lines) == len({*lines})
        assert any(line.startswith("STAYS") for line in lines) is not everything
