"""The states of an organization in a guarded database, as one table: (state, event) gives state and sentence.

An event that is already done is legal where a resumed procedure asks for it again; it changes nothing but the
epoch. An illegal event raises and changes nothing.
"""

from __future__ import annotations

from enum import StrEnum

from slacktide.core.errors import InputError


class State(StrEnum):
    """What an organization is in this database."""

    OPEN = "open"
    CLOSING = "closing"
    QUIET = "quiet"
    VERIFYING = "verifying"
    REFERENCE_ONLY = "reference only"
    PREPARED = "prepared"


class Event(StrEnum):
    """What may happen to it."""

    CLOSE = "close"
    QUIET = "quiet"
    REOPEN = "reopen"
    MAKE_REFERENCE_ONLY = "make reference only"
    PREPARE = "prepare"
    VERIFY = "verify"
    OPEN = "open"
    RELEASE = "release"


class IllegalEvent(InputError):
    """{organization} is {state} in this database, so it cannot {event}. From here it can: {possible}."""


_CLOSED = "It is closed: no new write passes; those that passed are waited for."
_QUIET = "It is quiet: nobody writes it, and no writer is uncommitted."
_OPEN = "It is open: everybody may write it."
_TARGET = "It is prepared: only the mover writes it."
_VERIFYING = "It is verifying: testers and the mover write it, all others are refused."
_REFERENCE = "It is reference only: it can be read here, and it lives elsewhere."

TRANSITIONS: dict[tuple[State, Event], tuple[State, str]] = {
    (State.OPEN, Event.CLOSE): (State.CLOSING, _CLOSED),
    (State.CLOSING, Event.CLOSE): (State.CLOSING, _CLOSED),
    (State.QUIET, Event.CLOSE): (State.CLOSING, _CLOSED),
    (State.VERIFYING, Event.CLOSE): (State.CLOSING, _CLOSED),
    (State.CLOSING, Event.QUIET): (State.QUIET, _QUIET),
    (State.QUIET, Event.QUIET): (State.QUIET, _QUIET),
    (State.CLOSING, Event.REOPEN): (State.OPEN, _OPEN),
    (State.QUIET, Event.REOPEN): (State.OPEN, _OPEN),
    (State.OPEN, Event.REOPEN): (State.OPEN, _OPEN),
    (State.QUIET, Event.MAKE_REFERENCE_ONLY): (State.REFERENCE_ONLY, _REFERENCE),
    (State.REFERENCE_ONLY, Event.MAKE_REFERENCE_ONLY): (State.REFERENCE_ONLY, _REFERENCE),
    (State.PREPARED, Event.MAKE_REFERENCE_ONLY): (State.REFERENCE_ONLY, _REFERENCE),
    (State.VERIFYING, Event.MAKE_REFERENCE_ONLY): (State.REFERENCE_ONLY, _REFERENCE),
    (State.OPEN, Event.PREPARE): (State.PREPARED, _TARGET),
    (State.PREPARED, Event.PREPARE): (State.PREPARED, _TARGET),
    (State.VERIFYING, Event.PREPARE): (State.PREPARED, _TARGET),
    (State.REFERENCE_ONLY, Event.PREPARE): (State.PREPARED, _TARGET),
    (State.PREPARED, Event.VERIFY): (State.VERIFYING, _VERIFYING),
    (State.QUIET, Event.VERIFY): (State.VERIFYING, _VERIFYING),
    (State.VERIFYING, Event.VERIFY): (State.VERIFYING, _VERIFYING),
    (State.PREPARED, Event.OPEN): (State.OPEN, _OPEN),
    (State.VERIFYING, Event.OPEN): (State.OPEN, _OPEN),
    (State.OPEN, Event.OPEN): (State.OPEN, _OPEN),
    (State.PREPARED, Event.RELEASE): (State.OPEN, _OPEN),
    (State.VERIFYING, Event.RELEASE): (State.OPEN, _OPEN),
    (State.REFERENCE_ONLY, Event.RELEASE): (State.OPEN, _OPEN),
    (State.OPEN, Event.RELEASE): (State.OPEN, _OPEN),
}


def after(*, organization: str, state: State, event: Event) -> State:
    """Give the state after the event. Raises IllegalEvent."""
    if (state, event) in TRANSITIONS:
        return TRANSITIONS[state, event][0]
    possible = ", ".join(sorted(e for s, e in TRANSITIONS if s is state))
    raise IllegalEvent(organization=organization or "the site", state=state, event=event, possible=possible)


def sentence(*, state: State, event: Event) -> str:
    """Give the sentence that the operator reads after a legal event."""
    return TRANSITIONS[state, event][1]
