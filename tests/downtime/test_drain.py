"""When a drain is to be carried out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from slacktide.downtime.drain import Drain, deadline_of, due_for
from slacktide.downtime.parameter import ORGANIZATION_DOWNTIME, Level
from slacktide.downtime.recurrence import Recurrence
from slacktide.downtime.setting import Setting

START = datetime(2026, 3, 2, 20, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
DRAIN = Drain(after=30 * MINUTE, then="wait")


def downtime(**facts):
    """Give a downtime of two hours."""
    known = {"id": "1", "parameter": ORGANIZATION_DOWNTIME, "level": Level.ORGANIZATION, "organization": "HOTEL"}
    return Setting(**(known | {"value": "Y", "start": START, "end": START + 120 * MINUTE} | facts))


@pytest.mark.parametrize(
    ("minutes", "due"), [(-1, False), (0, False), (29, False), (30, True), (119, True), (120, False)]
)
def test_due(minutes, due):
    """It is due from its deadline on, as long as the downtime is in effect, and once for its start."""
    now = START + minutes * MINUTE
    assert due_for(downtime(), DRAIN, now=now) == (START if due else None)
    assert due_for(downtime(), msgspec.structs.replace(DRAIN, done_for=START), now=now) is None
    assert due_for(downtime(value="N"), DRAIN, now=now) is None
    assert due_for(downtime(testers=("ada",)), DRAIN, now=now) is None
    assert due_for(downtime(end=START + 20 * MINUTE), DRAIN, now=now) is None


def test_each_occurrence():
    """Of a series it is due in each occurrence anew."""
    daily = downtime(end=None, recurrence=Recurrence(rule="FREQ=DAILY;COUNT=3", length=120 * MINUTE))
    drain = msgspec.structs.replace(DRAIN, done_for=START)
    assert [due_for(daily, drain, now=START + n * DAY + 40 * MINUTE) for n in range(4)] == [
        None, START + DAY, START + 2 * DAY, None,
    ]  # fmt: skip


def test_deadline():
    """The deadline is that of the downtime in effect, else of the next one, else there is none."""
    daily = downtime(end=None, recurrence=Recurrence(rule="FREQ=DAILY;COUNT=2", length=120 * MINUTE))
    at = [START - DAY, START + 10 * MINUTE, START + 180 * MINUTE, START + 2 * DAY]
    first, second = START + 30 * MINUTE, START + DAY + 30 * MINUTE
    assert [deadline_of(daily, DRAIN, now=now) for now in at] == [first, first, second, None]
    assert [deadline_of(downtime(), DRAIN, now=now) for now in at] == [first, first, None, None]
