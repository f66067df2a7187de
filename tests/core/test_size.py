from __future__ import annotations

import pytest

from slacktide.core.configuration import source_log_limit
from slacktide.core.size import BadSize, format_size, parse_size


@pytest.mark.parametrize(
    ("text", "size"), [("0B", 0), ("1kB", 1024), ("512MB", 512 * 2**20), ("8 GB", 8 * 2**30), ("2TB", 2**41)]
)
def test_reads(text, size):
    """A whole number and a unit are read as PostgreSQL reads them."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "8", "8gb", "-1MB", "1.5GB", "8GB 1"])
def test_no_size(text):
    """Anything else is refused, and quoted."""
    with pytest.raises(BadSize, match=repr(text)):
        parse_size(text)


def test_writes():
    """A size is written in the largest unit that it fills."""
    assert [format_size(size) for size in (0, 1023, 1024, 5 * 2**30, 2**40)] == [
        "0 B",
        "1023 B",
        "1 kB",
        "5 GB",
        "1.0 TB",
    ]


def test_log_limit():
    """The limit of the log is what the environment says, else 8 GB."""
    assert source_log_limit({}) == 8 * 2**30
    assert source_log_limit({"SLACKTIDE_SOURCE_LOG_LIMIT": "3MB"}) == 3 * 2**20
