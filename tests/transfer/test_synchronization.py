"""What the stream says, event by event: how far everything is received."""

from __future__ import annotations

from slacktide.postgres.pgoutput import EPOCH, Begin, Commit
from slacktide.postgres.stream import Keepalive
from slacktide.transfer.synchronization import Collector
from tests.transfer.line import PLAN


def test_keepalive():
    """A keepalive between two commits says how far everything is received; what comes inside one says nothing."""
    collector = Collector(PLAN, drop_upto=0)
    reached = []
    for event in (
        Keepalive(100, reply=False),
        Begin(190, EPOCH, 7),
        Keepalive(300, reply=False),
        Commit(190, 200, EPOCH),
        Keepalive(250, reply=False),
        Keepalive(240, reply=False),
    ):
        collector.take(event)
        reached.append(collector.reached)
    assert reached == [100, 100, 100, 200, 250, 250]
