"""Positions in the log, transaction ids and snapshots, as arithmetic."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from slacktide.postgres.position import Snapshot, format_lsn, parse_lsn, put_back, widen

FULL_XIDS = st.integers(min_value=3, max_value=1 << 50)
LSNS = st.integers(min_value=0, max_value=(1 << 64) - 1)
PAGE, SEGMENT = 8192, 16 << 20


@given(LSNS)
def test_lsn(position):
    """A position is the same after it was written and read."""
    assert parse_lsn(format_lsn(position)) == position


@given(near=FULL_XIDS, distance=st.integers(min_value=-(1 << 31), max_value=(1 << 31) - 1))
@example(near=(1 << 32) + 5, distance=-10)  # the transaction began before the epoch turned, the snapshot is behind
@example(near=(1 << 32) - 5, distance=10)
def test_widen(near, distance):
    """The low 32 bits of an id lead back to it from any other one less than 2^31 away, across epochs."""
    xid = near + distance
    if xid >= 0:
        assert widen(xid & 0xFFFFFFFF, near=near) == xid


@st.composite
def snapshots(draw):
    """Make a snapshot as PostgreSQL would: those in progress lie from xmin on and below xmax."""
    xmin = draw(FULL_XIDS)
    xmax = xmin + draw(st.integers(min_value=0, max_value=50))
    running = draw(st.sets(st.integers(min_value=xmin, max_value=max(xmin, xmax - 1)))) if xmax > xmin else set()
    return Snapshot(xmin, xmax, frozenset(running))


@given(snapshots())
def test_snapshot_text(snapshot):
    """A snapshot is read from the text that PostgreSQL writes."""
    listed = ",".join(map(str, sorted(snapshot.in_progress)))
    assert Snapshot.parse(f"{snapshot.xmin}:{snapshot.xmax}:{listed}") == snapshot


@given(snapshots(), FULL_XIDS)
def test_sees(snapshot, xid):
    """What began at xmax or later, or was in progress, is not seen; everything else is."""
    assert snapshot.sees(xid) == (xid < snapshot.xmax and xid not in snapshot.in_progress)


@given(snapshots(), snapshots())
def test_sees_all_that(later, earlier):
    """A snapshot sees all that another one sees exactly if it sees each transaction that the other one does."""
    lowest = min(later.xmin, earlier.xmin) - 1
    highest = max(later.xmax, earlier.xmax) + 1
    if highest - lowest > 500:
        return
    each = all(later.sees(xid) for xid in range(lowest, highest) if earlier.sees(xid))
    if later.sees_all_that(earlier):
        assert each
    elif later.xmax >= earlier.xmax:
        assert not each


@given(page=st.integers(min_value=1, max_value=1 << 30), offset=st.integers(min_value=0, max_value=PAGE // 8 - 1))
def test_put_back(page, offset):
    """Only a position directly behind a page's header is put back, and to that page's start."""
    position = page * PAGE + offset * 8
    header = 40 if page % (SEGMENT // PAGE) == 0 else 24
    expected = page * PAGE if offset * 8 == header else position
    assert put_back(position, page_bytes=PAGE, segment_bytes=SEGMENT) == expected
