"""The state machine is one table, and the guard's SQL knows the same states and codes."""

from __future__ import annotations

import itertools
import re

import pytest

from slacktide.core.errors import SQLSTATE_CLOSED, SQLSTATE_REFERENCE_ONLY
from slacktide.guard.state import TRANSITIONS, Event, IllegalEvent, State, after, sentence
from slacktide.postgres.sql import script

ALL = list(itertools.product(State, Event))


@pytest.mark.parametrize(("state", "event"), ALL)
def test_every_event_is_legal_by_the_table_or_raises(state, event):
    """An event that the table does not name raises and says what is possible; one that it names has a sentence."""
    if (state, event) in TRANSITIONS:
        assert after(organization="RESORT", state=state, event=event) in State
        assert sentence(state=state, event=event).endswith(".")
    else:
        with pytest.raises(IllegalEvent, match="From here it can: "):
            after(organization="RESORT", state=state, event=event)


def test_the_script_knows_the_same_words():
    """States and refusal codes stand in guard.sql as in Python."""
    text = script("slacktide.guard", "guard.sql")
    states = re.search(r"state in \(([^)]*)\)", text).group(1)
    assert set(re.findall(r"'([^']+)'", states)) == set(State)
    assert set(re.findall(r"errcode = '(ST\d+)'", text)) == {SQLSTATE_CLOSED, SQLSTATE_REFERENCE_ONLY}
