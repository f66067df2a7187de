"""What a rehearsal's measures predict, as arithmetic; that they are measured is in test_rehearsal."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from slacktide.cutover.prediction import GROWING, Measured, Rehearsed, Truth

AT = datetime(2016, 8, 15, 3, tzinfo=UTC)
STEPS = {"closing": 0.5, "quiet": 0.25, GROWING: 2.0, "counters": 0.125, "verify": 0.125, "hand_over": 1.0}
MEASURED = Measured(
    steps=STEPS, take_up_seconds=0.5, objects=1000, object_seconds=0.001, source_open_seconds=0.1, whole_seconds=8.0
)
REHEARSED = Rehearsed(1, "ada", "shadow", "checksum", AT, AT, "done", None, MEASURED, None)


@pytest.mark.parametrize(("objects", "grows"), [(1000, 2.0), (3000, 4.0), (0, 1.0)])
def test_only_the_final_synchronization_grows(objects, grows):
    """Each object more takes what was measured of one; every other step takes what it took."""
    found = MEASURED.predict(REHEARSED, objects=objects)
    assert found.steps == STEPS | {GROWING: grows}
    assert found.work_seconds == sum(STEPS.values()) - 2.0 + grows
    assert found.elapsed_seconds == found.work_seconds + 0.5


def test_testers_come_on_top():
    """Their round compares everything, and does again what is behind the barrier, with nothing to bring."""
    found = MEASURED.predict(REHEARSED, objects=3000)
    assert found.round_seconds == 8.0 + 1.0 + 0.125 + 0.125


@pytest.mark.parametrize(("tested", "error"), [(True, "+0 % (+0.00 s)"), (False, "+154 % (+9.25 s)")])
def test_the_truth_is_held_against_what_happened(tested, error):
    """A down time with testers is held against its prediction with testers, any other against that without."""
    found = MEASURED.predict(REHEARSED, objects=3000)
    truth = Truth("down time 1", AT, found, found.work_seconds + found.round_seconds, 30.0, STEPS, tested)
    assert truth.error == f"{error} at down time 1"
