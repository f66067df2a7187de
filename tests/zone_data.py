"""An update of the zone data, as it comes: other files where programs look for them, of a zone of the tests' own."""

from __future__ import annotations

import struct
import zoneinfo
from contextlib import contextmanager
from zoneinfo import ZoneInfo

ZONE = "Test/Shore"
_HOUR = 3600
_NAMES = b"WIN\0SUM\0"


@contextmanager
def zone_data(folder):
    """Give a function that writes the zone anew: an hour ahead of UTC, and two in the periods (start, end) given."""
    before = zoneinfo.TZPATH
    path = folder / ZONE
    path.parent.mkdir(parents=True)

    def update(*summers):
        path.write_bytes(
            _file([(int(at.timestamp()), kind) for summer in summers for kind, at in zip((1, 0), summer, strict=True)])
        )
        ZoneInfo.clear_cache()

    zoneinfo.reset_tzpath([str(folder), *before])
    try:
        yield update
    finally:
        zoneinfo.reset_tzpath(before)
        ZoneInfo.clear_cache()


def _file(changes):
    """Give a file of RFC 9636, version 2: the first block is there for old readers, and has no change."""
    instants = b"".join(struct.pack(">q", at) for at, _ in changes)
    kinds = bytes(kind for _, kind in changes)
    return _block(b"", b"") + _block(instants, kinds) + b"\nWIN-1\n"


def _block(instants, kinds):
    head = struct.pack(">4sc15x6l", b"TZif", b"2", 0, 0, 0, len(kinds), 2, len(_NAMES))
    offsets = struct.pack(">lbB", _HOUR, 0, 0) + struct.pack(">lbB", 2 * _HOUR, 1, 4)
    return head + instants + kinds + offsets + _NAMES
