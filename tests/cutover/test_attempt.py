"""The table of an attempt's states: what excludes what."""

from __future__ import annotations

import pytest

from slacktide.cutover.attempt import TRANSITIONS, Event, IllegalAttemptEvent, State, after, follows, sentence


def happens(*events, state=State.RUNNING):
    for event in events:
        state = after(move="night", state=state, event=event)
    return state


@pytest.mark.parametrize("state", State)
def test_every_state_is_reached_and_explained(state):
    """Each state is reached by some event, and has a sentence for the operator."""
    assert sentence(state=state).endswith(".")


def test_the_first_one_wins():
    """Of handing over and abandoning the one that is first makes the other illegal, for good."""
    for first, second in ((Event.ABANDON, Event.HAND_OVER), (Event.HAND_OVER, Event.ABANDON)):
        with pytest.raises(IllegalAttemptEvent, match="cannot"):
            happens(first, second)
    with pytest.raises(IllegalAttemptEvent):
        happens(Event.HAND_OVER, Event.OPEN, Event.ABANDON)
    with pytest.raises(IllegalAttemptEvent):
        happens(Event.HAND_OVER, Event.FAIL, Event.ABANDON)
    with pytest.raises(IllegalAttemptEvent):
        happens(Event.HAND_OVER, Event.OPEN, Event.WITHDRAW, Event.KEEP, Event.ABANDON)


@pytest.mark.parametrize("event", sorted(set(Event) - {Event.ABANDON, Event.STICK, Event.CLEAR}))
def test_nothing_goes_on_after_abandoning(event):
    """Nothing that a procedure or an operator does leads back from abandoning."""
    for state in (State.ABANDONING, State.ABANDONED):
        assert (state, event) not in TRANSITIONS


def test_a_pause_comes_before_the_hand_over():
    """Who was told to pause does not hand over, and a go does not end a pause."""
    with pytest.raises(IllegalAttemptEvent):
        happens(Event.PAUSE, Event.HAND_OVER)
    with pytest.raises(IllegalAttemptEvent):
        happens(Event.PAUSE, Event.STOP, Event.GO)
    assert happens(Event.PAUSE, Event.STOP, Event.RESUME) is State.RUNNING


def test_every_state_has_a_command_that_goes_on():
    """Each state names the command that goes on; what is not legal is refused with it."""
    for state in State:
        assert follows(move="m", state=state).startswith("slacktide move ")
    with pytest.raises(IllegalAttemptEvent, match=r"Go on with `slacktide move downtime resume m`\.$"):
        after(move="m", state=State.PAUSED, event=Event.GO)
    assert follows(move="m", state=State.READY, role="it") == "slacktide move go m --role it --name NAME"
