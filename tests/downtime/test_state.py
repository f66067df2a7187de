from __future__ import annotations

import pytest

from slacktide.core.errors import ExitStatus
from slacktide.downtime import Holders, state_of
from slacktide.downtime.state import EXIT_STATUS

BUSY, NOBODY, WRITING = Holders(leases=1), Holders(), Holders(transactions=2)


@pytest.mark.parametrize(
    ("word", "hours", "downtimes", "facts"),
    [
        ("open", 4, [], {}),
        ("open", 9, [("own", 0, 8, "out")], {}),
        ("scheduled", -1, [("own", 0, 8, "out")], {}),
        ("scheduled", -1, [("site", 0, 8, "out")], {}),
        ("closing", 4, [("own", 0, 8, "out")], {}),
        ("closing", 4, [("own", 0, 8, "out")], {"holders": BUSY}),
        ("quiet", 4, [("own", 0, 8, "out")], {"holders": NOBODY}),
        ("quiet", 4, [("site", 0, 8, "out")], {"holders": NOBODY}),
        ("down, users in", 4, [("own", 0, 8, "in")], {"holders": BUSY}),
        ("closing", 4, [("own", 0, 8, "in")], {"holders": WRITING}),
        ("quiet", 4, [("own", 0, 8, "in"), ("site", 0, 8, "out")], {"holders": NOBODY}),
        ("verifying", 4, [("own", 0, 8, "out")], {"holders": NOBODY, "verifying": True}),
    ],
)
def test_word(example, word, hours, downtimes, facts):
    """The state word follows from the schedule, the instant and what was measured."""
    made = [getattr(example, kind)(*rest) for kind, *rest in downtimes]
    state = state_of(schedule=example.schedule(*made), now=example.at(hours), organization="HOTEL", **facts)
    assert state.state == word
    assert state.exit_status is EXIT_STATUS[word]


def test_reference_only(example):
    """A left organization is reference only, in a downtime too, and says where it lives."""
    sides = [example.side("source", "reference only", lives_at="https://new.example")]
    schedule = example.schedule(example.own(0, 8), sides=sides)
    state = state_of(schedule=schedule, now=example.at(4), organization="HOTEL")
    assert (state.state, state.lives_at) == ("reference only", "https://new.example")
    assert state.exit_status is ExitStatus.DENIED


def test_answer(example):
    """The JSON document has exactly the fields that the interface names."""
    schedule = example.schedule(example.site(0, 3, id="1"), example.own(2, 6, id="2"), example.own(9, 10, id="3"))
    answer = state_of(schedule=schedule, now=example.at(2), organization="HOTEL", holders=BUSY).answer()
    assert answer == {
        "scope": "organization",
        "organization": "HOTEL",
        "state": "closing",
        "because": [
            {
                "id": "1",
                "scope": "site",
                "start": "2026-06-01T08:00:00Z",
                "end": "2026-06-01T11:00:00Z",
                "reason": "",
            },
            {
                "id": "2",
                "scope": "organization",
                "start": "2026-06-01T10:00:00Z",
                "end": "2026-06-01T14:00:00Z",
                "reason": "",
            },
        ],
        "until": "2026-06-01T14:00:00Z",
        "next_start": "2026-06-01T17:00:00Z",
        "holders": {"leases": 1, "sessions": 0, "transactions": 0},
        "held": 0,
        "lives_at": None,
    }
