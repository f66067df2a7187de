"""The states of held work, as one table: (state, event) gives state and the sentence that the operator reads.

An illegal event raises and changes nothing. What is done stays done: nothing leads out of it.
"""

from __future__ import annotations

from enum import StrEnum

from slacktide.core.errors import InputError


class State(StrEnum):
    """What an item of held work is."""

    WAITING = "waiting"
    RUNNING = "running"
    SENT = "sent"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"


class Event(StrEnum):
    """What may happen to it."""

    TAKE = "take"
    PUT_BACK = "put back"
    RECOVER = "recover"
    SEND = "send"
    FINISH = "finish"
    RETRY = "retry"
    SET_ASIDE = "set aside"
    REFUSE = "refuse"
    NOT_YET = "not yet"
    UNKNOWN = "unknown"
    NOT_ACCEPTED = "not accepted"
    REASSIGN = "reassign"
    AGAIN = "again"


class IllegalHeldEvent(InputError):
    """Held item {id} is {state}, so it cannot {event}. From here it can: {possible}."""


_TURN = "It waits for its turn."
_RETRY = "It failed and is tried again before anything that came later."
_ASIDE = "It failed as often as it may, and is set aside: mend it, then `slacktide held check ID`."
_REFUSED = "Its organization has moved, and where it lives now does not take it."
_SENT = "It was sent; its result is to be read before anything of it is sent again."
_DONE = "It is done."

TRANSITIONS: dict[tuple[State, Event], tuple[State, str]] = {
    (State.WAITING, Event.TAKE): (State.RUNNING, "It is its turn: the downtimes are looked at, then it is written."),
    (State.RUNNING, Event.PUT_BACK): (State.WAITING, _TURN),
    (State.RUNNING, Event.RECOVER): (State.WAITING, "Its worker is gone; its key is looked for before it is written."),
    (State.RUNNING, Event.SEND): (State.SENT, _SENT),
    (State.RUNNING, Event.FINISH): (State.DONE, _DONE),
    (State.RUNNING, Event.RETRY): (State.WAITING, _RETRY),
    (State.RUNNING, Event.SET_ASIDE): (State.FAILED, _ASIDE),
    (State.RUNNING, Event.REFUSE): (State.REFUSED, _REFUSED),
    (State.SENT, Event.FINISH): (State.DONE, _DONE),
    (State.SENT, Event.NOT_YET): (State.SENT, "The ERP has accepted it; its result is to be read."),
    (State.SENT, Event.UNKNOWN): (State.SENT, _SENT),
    (State.SENT, Event.NOT_ACCEPTED): (State.WAITING, "It never arrived, so it may be sent again."),
    (State.SENT, Event.RETRY): (State.WAITING, _RETRY),
    (State.SENT, Event.SET_ASIDE): (State.FAILED, _ASIDE),
    (State.WAITING, Event.REASSIGN): (State.WAITING, "It belongs to another organization now, and is judged by that."),
    (State.FAILED, Event.REASSIGN): (State.WAITING, "It belongs to another organization now, and is judged by that."),
    (State.REFUSED, Event.REASSIGN): (State.WAITING, "It belongs to another organization now, and is judged by that."),
    (State.WAITING, Event.AGAIN): (State.WAITING, _TURN),
    (State.FAILED, Event.AGAIN): (State.WAITING, _TURN),
    (State.REFUSED, Event.AGAIN): (State.WAITING, _TURN),
}


def after(*, id: int, state: State, event: Event) -> State:  # noqa: A002 -- the word of the interface
    """Give the state after the event. Raises IllegalHeldEvent."""
    if (state, event) in TRANSITIONS:
        return TRANSITIONS[state, event][0]
    possible = ", ".join(sorted(e for s, e in TRANSITIONS if s is state)) or "nothing"
    raise IllegalHeldEvent(id=id, state=state, event=event, possible=possible)


def sentence(*, state: State, event: Event) -> str:
    """Give the sentence that the operator reads after a legal event."""
    return TRANSITIONS[state, event][1]
