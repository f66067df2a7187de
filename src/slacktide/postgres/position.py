"""Positions in the write-ahead log, and transaction ids and snapshots, as numbers.

A snapshot is PostgreSQL's `xmin:xmax:xip,...`. A transaction is visible in it when it is below xmin, or below xmax and
not among those in progress. The stream carries 32 bits of a transaction id: `widen` finds the 64-bit id nearest to a
known one, which is right as long as the two are less than 2^31 apart.
"""

from __future__ import annotations

import msgspec

_HALF, _WHOLE = 1 << 31, 1 << 32


def parse_lsn(text: str) -> int:
    """Read a position such as `16/B374D848`."""
    high, low = text.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def format_lsn(position: int) -> str:
    """Write a position as PostgreSQL does."""
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


def widen(xid: int, *, near: int) -> int:
    """Give the 64-bit transaction id with these low 32 bits that is nearest to `near`."""
    distance = (xid - near) % _WHOLE
    return near + (distance - _WHOLE if distance >= _HALF else distance)


class Snapshot(msgspec.Struct, frozen=True):
    """What one instant of a database sees of its transactions."""

    xmin: int
    xmax: int
    in_progress: frozenset[int]

    @classmethod
    def parse(cls, text: str) -> Snapshot:
        """Read the text form of pg_snapshot."""
        xmin, xmax, listed = text.split(":")
        return cls(int(xmin), int(xmax), frozenset(int(xid) for xid in listed.split(",") if xid))

    def sees(self, xid: int) -> bool:
        """Tell whether the transaction (its top-level 64-bit id) is visible."""
        return xid < self.xmin or (xid < self.xmax and xid not in self.in_progress)

    def sees_all_that(self, earlier: Snapshot) -> bool:
        """Tell whether everything visible in the other snapshot is visible in this one."""
        return self.xmax >= earlier.xmax and not any(earlier.sees(xid) for xid in self.in_progress)


def put_back(position: int, *, page_bytes: int, segment_bytes: int) -> int:
    """Put an insert position that stands directly behind a page's header back to where the last record ended.

    The header has 24 bytes, and 40 on the first page of a segment. No commit ends inside a header, so waiting for the
    position itself would wait until something else is written.
    """
    header = 40 if position % segment_bytes < page_bytes else 24
    return position - header if position % page_bytes == header else position
