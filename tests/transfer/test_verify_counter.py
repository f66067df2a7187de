"""Number ranges are raised to the source's, never lowered."""

from __future__ import annotations

import pytest

from slacktide.transfer.counter import CounterMissing, raise_counters
from slacktide.transfer.sequence import Raised
from tests.transfer.verified import FULL_SCHEMA, PLAN

RANGES = "insert into bare.range values ('P', 'a', 10), ('P', 'b', 5), ('P', 'c', 7), ('Q', 'a', 99)"


@pytest.fixture
def both(two_databases):
    """Give a source with three ranges of P, and a target whose property is Z."""
    two_databases["source"].execute(FULL_SCHEMA + RANGES)
    two_databases["target"].execute(FULL_SCHEMA + "insert into bare.property (code) values ('Z')")
    return two_databases


def raised(both):
    """Raise the counters."""
    return raise_counters(**both, plan=PLAN, source_property="P", target_property="Z")


def test_raised_and_never_lowered(both):
    """The target's number becomes the larger of both; done again, nothing changes."""
    both["target"].execute(
        "insert into bare.range values ('Z', 'a', 3), ('Z', 'b', 8), ('Z', 'c', null), ('Q', 'a', 1)"
    )
    assert raised(both) == [
        Raised("range", "a", 10, 3, 10), Raised("range", "b", 5, 8, 8), Raised("range", "c", 7, None, 7),
    ]  # fmt: skip
    rows = both["target"].execute("select property, name, last from bare.range order by 1, 2").fetchall()
    assert rows == [("Q", "a", 1), ("Z", "a", 10), ("Z", "b", 8), ("Z", "c", 7)]
    assert [r.before == r.after for r in raised(both)] == [True] * 3


def test_missing(both):
    """A range that the target does not have is refused, and no other one is raised."""
    both["target"].execute("insert into bare.range values ('Z', 'a', 3)")
    with pytest.raises(CounterMissing, match="'b' of bare"):
        raised(both)
    assert both["target"].execute("select last from bare.range").fetchall() == [(3,)]
