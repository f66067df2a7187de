"""The states of one attempt at a down time, as one table: (state, event) gives state and sentence.

Whoever lets an event happen does so with the attempt's row locked (`record`), so of two events that come at once one
is first, and the table says what becomes of the other. In particular:

1. *hand over* is decided before the target opens, and *abandon* before the source does: the one that is first makes
   the other illegal. There is no second place where this is decided.
2. *pause* comes while a step runs: the attempt is `pausing` until the procedure has stopped, and resumed as if it had.
3. *withdraw* asks whether an open target can be closed again: then it is abandoned, else *keep* leaves it open.
4. An event that is already done is legal where somebody may ask for it again; it changes nothing.
"""

from __future__ import annotations

from enum import StrEnum

from slacktide.core.errors import InputError


class State(StrEnum):
    """How an attempt stands."""

    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    READY = "ready"
    FAILED = "failed"
    OPENING = "opening"
    OPEN = "open"
    WITHDRAWING = "withdrawing"
    ABANDONING = "abandoning"
    ABANDONED = "abandoned"


class Event(StrEnum):
    """What may happen to it."""

    PAUSE = "pause"
    STOP = "stop"
    RESUME = "resume"
    WAIT = "wait for a go"
    GO = "go on by a go"
    FAIL = "fail"
    HAND_OVER = "hand over"
    OPEN = "open"
    WITHDRAW = "withdraw"
    KEEP = "keep"
    ABANDON = "abandon"
    STICK = "stick"
    CLEAR = "clear"


class IllegalAttemptEvent(InputError):
    """The down time of {move} is {state}, so it cannot {event}. From here it can: {possible}. Go on with `{follows}`."""  # noqa: E501 -- the message is one text


_RUNNING = "The procedure goes on: a worker does its steps."
_PAUSING = "The procedure stops after the step in hand, or inside it at its next safe point."
_PAUSED = "The procedure stands still, and BOTH SIDES STAY CLOSED until it is resumed or abandoned."
_READY = "Everything is proven; a go is missing."
_FAILED = "A step found an error; both sides stay closed."
_OPENING = "The property is handed over: the target opens, and nothing can be abandoned before it is open."
_OPEN = "The property lives at the target."
_WITHDRAWING = "It is open at the target; it is given up if no user has written there."
_ABANDONING = "It is given up: the source opens at once, then the target is cleared."
_ABANDONED = "It is given up: the source is open, and the target holds no row of the property."

_S, _E = State, Event

TRANSITIONS: dict[tuple[State, Event], tuple[State, str]] = {
    (_S.RUNNING, _E.PAUSE): (_S.PAUSING, _PAUSING),
    (_S.PAUSING, _E.PAUSE): (_S.PAUSING, _PAUSING),
    (_S.READY, _E.PAUSE): (_S.PAUSED, _PAUSED),
    (_S.PAUSED, _E.PAUSE): (_S.PAUSED, _PAUSED),
    (_S.PAUSING, _E.STOP): (_S.PAUSED, _PAUSED),
    (_S.RUNNING, _E.RESUME): (_S.RUNNING, _RUNNING),
    (_S.PAUSING, _E.RESUME): (_S.RUNNING, _RUNNING),
    (_S.PAUSED, _E.RESUME): (_S.RUNNING, _RUNNING),
    (_S.READY, _E.RESUME): (_S.RUNNING, _RUNNING),
    (_S.FAILED, _E.RESUME): (_S.RUNNING, _RUNNING),
    (_S.OPENING, _E.RESUME): (_S.OPENING, _OPENING),
    (_S.RUNNING, _E.WAIT): (_S.READY, _READY),
    (_S.PAUSING, _E.WAIT): (_S.PAUSED, _PAUSED),
    (_S.READY, _E.GO): (_S.RUNNING, _RUNNING),
    (_S.RUNNING, _E.GO): (_S.RUNNING, _RUNNING),
    (_S.RUNNING, _E.FAIL): (_S.FAILED, _FAILED),
    (_S.PAUSING, _E.FAIL): (_S.FAILED, _FAILED),
    (_S.OPENING, _E.FAIL): (_S.OPENING, _OPENING),
    (_S.RUNNING, _E.HAND_OVER): (_S.OPENING, _OPENING),
    (_S.OPENING, _E.HAND_OVER): (_S.OPENING, _OPENING),
    (_S.OPENING, _E.OPEN): (_S.OPEN, _OPEN),
    (_S.OPEN, _E.WITHDRAW): (_S.WITHDRAWING, _WITHDRAWING),
    (_S.WITHDRAWING, _E.WITHDRAW): (_S.WITHDRAWING, _WITHDRAWING),
    (_S.WITHDRAWING, _E.KEEP): (_S.OPEN, _OPEN),
    (_S.WITHDRAWING, _E.ABANDON): (_S.ABANDONING, _ABANDONING),
    (_S.RUNNING, _E.ABANDON): (_S.ABANDONING, _ABANDONING),
    (_S.PAUSING, _E.ABANDON): (_S.ABANDONING, _ABANDONING),
    (_S.PAUSED, _E.ABANDON): (_S.ABANDONING, _ABANDONING),
    (_S.READY, _E.ABANDON): (_S.ABANDONING, _ABANDONING),
    (_S.FAILED, _E.ABANDON): (_S.ABANDONING, _ABANDONING),
    (_S.ABANDONING, _E.ABANDON): (_S.ABANDONING, _ABANDONING),
    (_S.ABANDONED, _E.ABANDON): (_S.ABANDONED, _ABANDONED),
    (_S.ABANDONING, _E.STICK): (_S.ABANDONING, _ABANDONING),
    (_S.ABANDONING, _E.CLEAR): (_S.ABANDONED, _ABANDONED),
}

STEPPING = frozenset({State.RUNNING, State.OPENING})
"""The states in which the procedure does its next step."""

WORKING = STEPPING | {State.PAUSING, State.ABANDONING}
"""The states in which a worker has something to do, unless an error is noted."""

TAKES_GOS = STEPPING - {State.OPENING} | {State.PAUSING, State.PAUSED, State.READY, State.FAILED}
"""The states in which a go is taken: from Start until the property is handed over."""

OVER = frozenset({State.ABANDONED})
"""The states after which another attempt may begin."""


_WATCHED = "slacktide move status {move} --watch"
FOLLOWS: dict[State, str] = {
    _S.RUNNING: _WATCHED,
    _S.PAUSING: _WATCHED,
    _S.PAUSED: "slacktide move downtime resume {move}",
    _S.READY: "slacktide move go {move} --role {role} --name NAME",
    _S.FAILED: "slacktide move downtime resume {move}",
    _S.OPENING: _WATCHED,
    _S.OPEN: "slacktide move status {move}",
    _S.WITHDRAWING: _WATCHED,
    _S.ABANDONING: _WATCHED,
    _S.ABANDONED: "slacktide move processes start {move}",
}
"""The command that goes on in each state, or shows how it goes on by itself."""


def follows(*, move: str, state: str, role: str = "ROLE") -> str:
    """Give the command that goes on; `role` is one whose go is missing."""
    return FOLLOWS[State(state)].format(move=move, role=role)


def after(*, move: str, state: State, event: Event) -> State:
    """Give the state after the event. Raises IllegalAttemptEvent."""
    if (state, event) in TRANSITIONS:
        return TRANSITIONS[state, event][0]
    possible = ", ".join(sorted(e for s, e in TRANSITIONS if s is state)) or "nothing"
    raise IllegalAttemptEvent(
        move=move, state=state, event=event, possible=possible, follows=follows(move=move, state=state)
    )


def sentence(*, state: State) -> str:
    """Give the sentence that the operator reads of a state."""
    return next(text for reached, text in TRANSITIONS.values() if reached is state)
