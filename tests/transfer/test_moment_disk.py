"""A disk that is full: nothing of a batch stays half written, and it is made when there is room again."""

from __future__ import annotations

import resource
from contextlib import contextmanager

import pytest

from slacktide.transfer.spool import NotWritable

CHANGE = """
update bare.booking b set note = (select string_agg(md5(b.booking_id || '-' || n), '') from generate_series(1, 100) n)
where booking_id = any (%s)
"""
ROOM_BYTES = 4096


@contextmanager
def little_room(size):
    """Let this process write no file beyond a size: the system refuses, as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("step", ["generate", "transfer"])
def test_no_room_in_a_spool(own_line, step):
    """Where a spool has no room for a batch nothing of it is left there and nothing is lost; it comes later."""
    line = own_line
    line.sql(CHANGE, [*range(1, 30)])
    line.catch_up()
    if step == "transfer":
        assert line.generate() is not None
    before = [sorted(path.name for path in spool.folder.iterdir()) for spool in line.spools]
    spool = line.spools[step == "transfer"]
    with little_room(ROOM_BYTES), pytest.raises(NotWritable, match=f"{spool.folder} .*(File too large|No space left)"):
        getattr(line, step)()
    assert [sorted(path.name for path in spool.folder.iterdir()) for spool in line.spools] == before
    line.transfer()
    line.process()
    line.drain()
