from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from slacktide.downtime import Holders, state_of
from slacktide.downtime.recurrence import Recurrence
from slacktide.downtime.waiting import outcome
from tests.downtime.conftest import at, own, schedule, side, site

SERIES = own(2, None, recurrence=Recurrence(rule="FREQ=DAILY;COUNT=2", length=timedelta(hours=4)))


@pytest.mark.parametrize(
    ("hours", "started", "quiet", "open_"),
    [(1, "not yet", "not yet", "not yet"), (2, "reached", "not yet", "not yet"), (6, "never", "never", "reached")],
)
@pytest.mark.parametrize("left", [0, 1])
def test_one(hours, started, quiet, open_, left):
    """It starts at its start, is quiet when nobody is left in it, and open from its end on."""
    setting = own(2, 6)
    holders = Holders(leases=left)
    state = state_of(schedule=schedule(setting), now=at(hours), organization="HOTEL", holders=holders)
    found = [outcome(goal, setting=setting, state=state, now=at(hours)) for goal in ("started", "quiet", "open")]
    assert found == [started, "reached" if quiet == "not yet" and hours == 2 and not left else quiet, open_]


@pytest.mark.parametrize(
    ("setting", "others", "sides", "hours", "goal", "wanted"),
    [
        (own(2, 6), [site(5, 9)], (), 7, "open", "not yet"),  # another one keeps it down
        (own(2, 6), [site(5, 9)], (), 9, "open", "reached"),
        (own(2, 6), [own(8, 9, id="3")], (), 7, "open", "reached"),  # scheduled is open
        (own(2, 2), [], (), 1, "started", "never"),  # cancelled
        (own(2, 2), [], (), 1, "open", "reached"),
        (own(2, 6, value="N"), [], (), 1, "started", "never"),  # off
        (own(2, 6, "in"), [], (), 3, "quiet", "reached"),
        (own(2, 6), [], [side("source", "reference only", lives_at="new")], 3, "quiet", "never"),
        (own(2, 6), [], [side("source", "reference only", lives_at="new")], 7, "open", "never"),
        (SERIES, [], (), 1, "started", "not yet"),
        (SERIES, [], (), 3, "started", "reached"),
        (SERIES, [], (), 7, "started", "not yet"),
        (SERIES, [], (), 7, "open", "reached"),
        (SERIES, [], (), 1, "open", "not yet"),
        (SERIES, [], (), 50, "started", "never"),
    ],
)
def test_others(setting, others, sides, hours, goal, wanted):
    """Another downtime, a cancellation, users in, a move and recurrence are taken into account."""
    state = state_of(
        schedule=schedule(setting, *others, sides=sides), now=at(hours), organization="HOTEL", holders=Holders()
    )
    assert outcome(goal, setting=msgspec.structs.replace(setting), state=state, now=at(hours)) == wanted
