"""Eight writers and random transactions: after every batch the target equals the source as of its snapshot."""

from __future__ import annotations

import os
import time

from tests.transfer.writers import Writers

SEED = int(os.environ.get("SLACKTIDE_TEST_SEED", "1"))
SECONDS = 12.0
ENOUGH = 500  # transactions, however slow the machine is


def test_eight_writers(started):
    """While eight writers trade, from before the pass on, every batch leaves the target as the source was."""
    ends = time.monotonic() + SECONDS
    with Writers(started.addresses[0], seed=SEED) as writers:
        while time.monotonic() < ends or writers.total("committed") <= ENOUGH:
            started.step()
            assert time.monotonic() < ends + 120
        writers.stop()
    started.drain()
    assert started.problems() == []
    started.check()
    started.clean()
