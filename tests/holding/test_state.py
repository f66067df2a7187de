"""The states of held work: one table, and nothing outside it."""

from __future__ import annotations

import itertools

import pytest

from slacktide.holding import store
from slacktide.holding.state import TRANSITIONS, Event, IllegalHeldEvent, State, after, sentence


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)))
def test_every_event(state, event):
    """A legal event leads to a state and has a sentence; an illegal one raises and names those that are possible."""
    if (state, event) in TRANSITIONS:
        assert after(id=1, state=state, event=event) is TRANSITIONS[state, event][0]
        assert sentence(state=state, event=event).endswith(".")
    else:
        with pytest.raises(IllegalHeldEvent, match=f"Held item 1 is {state}, so it cannot {event}"):
            after(id=1, state=state, event=event)


def test_done_stays_done():
    """Nothing leads out of done, and a sent item is never simply taken again."""
    assert [event for state, event in TRANSITIONS if state is State.DONE] == []
    assert (State.SENT, Event.TAKE) not in TRANSITIONS
    assert (State.SENT, Event.SEND) not in TRANSITIONS


def test_an_illegal_event_changes_nothing(site):
    """An event that is illegal, or that comes too late, changes neither the item nor its history."""
    (item,) = site.arrive(1)
    with pytest.raises(IllegalHeldEvent):
        store.happen(site.control, item, Event.FINISH)
    (taken,) = store.take(site.control, organization="SOUTH", count=1)
    with pytest.raises(IllegalHeldEvent, match="is running"):
        store.happen(site.control, item, Event.REASSIGN, organization="NORTH")
    assert (site.item(item), store.history_of(site.control, taken)) == (taken, [])
