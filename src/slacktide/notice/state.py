"""The states of a delivery, as one table: (state, event) gives state and the sentence that the operator reads.

A delivery is one notice to one user, or to the webhook. An illegal event raises and changes nothing.
"""

from __future__ import annotations

from enum import StrEnum

from slacktide.core.errors import InputError


class State(StrEnum):
    """What a delivery is."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    GIVEN_UP = "given up"
    SUPERSEDED = "superseded"
    WITHDRAWN = "withdrawn"
    NOT_CONFIGURED = "not configured"


class Event(StrEnum):
    """What may happen to it."""

    CLAIM = "claim"
    ARRIVE = "arrive"
    RETRY = "retry"
    PUT_BACK = "put back"
    HOLD = "hold"
    GIVE_UP = "give up"
    WITHDRAW = "withdraw"
    RECOVER = "recover"
    SUPERSEDE = "supersede"
    EXPIRE = "expire"


class IllegalDeliveryEvent(InputError):
    """Delivery {id} is {state}, so it cannot {event}: see `slacktide notice list`."""


RECOVERED = "its worker is gone: it may have arrived, and is sent again under the same ID"
SUPERSEDED = "a newer notice tells what is so now"
EXPIRED = "it could not be sent within a day"

TRANSITIONS: dict[tuple[State, Event], tuple[State, str]] = {
    (State.WAITING, Event.CLAIM): (State.SENDING, "It is its turn."),
    (State.SENDING, Event.ARRIVE): (State.SENT, "It was taken over by the mail server, or by the webhook."),
    (State.SENDING, Event.RETRY): (State.WAITING, "It failed, and is tried again later."),
    (State.SENDING, Event.PUT_BACK): (State.WAITING, "The server cannot be reached; that uses up no attempt."),
    (State.SENDING, Event.HOLD): (State.WAITING, "It asks to act on a task whose organization is down."),
    (State.SENDING, Event.GIVE_UP): (State.GIVEN_UP, "It was refused, or failed as often as it may."),
    (State.SENDING, Event.WITHDRAW): (State.WITHDRAWN, "The user is not concerned any more, or has no address."),
    (State.SENDING, Event.RECOVER): (State.WAITING, "Its worker is gone."),
    (State.WAITING, Event.SUPERSEDE): (State.SUPERSEDED, "A newer notice tells what is so now."),
    (State.WAITING, Event.EXPIRE): (State.GIVEN_UP, "It could not be sent within a day."),
}


def after(*, id: int, state: State, event: Event) -> State:  # noqa: A002 -- the word of the interface
    """Give the state after the event. Raises IllegalDeliveryEvent."""
    if (state, event) not in TRANSITIONS:
        raise IllegalDeliveryEvent(id=id, state=state, event=event)
    return TRANSITIONS[state, event][0]
