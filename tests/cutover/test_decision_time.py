"""The latest decision time: from the hour to be open by, what opening takes, and a minute for people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from slacktide.cutover.decision_time import MARGIN, PROMISED, DecisionTime, for_hour
from slacktide.cutover.prediction import Measured, Rehearsed

BY = datetime(2027, 3, 16, 5, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_latest():
    """It is the hour without what opening takes, at least the five seconds that are promised, and without a minute."""
    for seconds, counted in ((0.1, PROMISED), (42.0, timedelta(seconds=42))):
        assert for_hour(BY, opening_seconds=seconds) == DecisionTime(BY, BY - counted - MARGIN)


def test_it_is_said_loudly():
    """Before it passes it is said how long is left; from that instant on it is said loudly."""
    found = DecisionTime(BY, BY - MARGIN)
    assert "in 1 min 30 s" in found.sentence(found.latest - 90 * SECOND)
    assert not found.passed(found.latest - SECOND)
    assert found.passed(found.latest)
    assert "HAS PASSED" in found.sentence(found.latest)


def test_prediction_grows_with_what_is_to_be_brought():
    """The final synchronization takes what it took, for each object more what was measured, and never less than 0."""
    measured = Measured({"quiet": 1.0, "final_synchronization": 2.0}, 0.5, 100, 0.01, 0.1, 3.0)
    rehearsal = Rehearsed(1, "ada", "shadow", "x", BY, BY, "done", None, measured, None)
    more, fewer = (measured.predict(rehearsal, objects=objects) for objects in (300, 0))
    assert (more.work_seconds, more.elapsed_seconds) == (5.0, 5.5)
    assert fewer.steps == {"quiet": 1.0, "final_synchronization": 1.0}
    assert measured.predict(rehearsal, objects=-1000).steps["final_synchronization"] == 0
