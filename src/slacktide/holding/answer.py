"""What is said of held work: a pure function of the item, its queue, and the decision of now.

Whoever waits is told why, until when, and when it is looked at next, whether or not a worker has looked already.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from slacktide.core.duration import format_instant
from slacktide.core.interval import Period
from slacktide.downtime.decision import Decision
from slacktide.holding.item import Item, Queue
from slacktide.holding.state import State
from slacktide.holding.wording import because

_SENT = "sent, result to be read"
_TURN = "its turn has not come"


def answer_of(item: Item, *, queue: Queue | None, decision: Decision | None) -> dict[str, Any]:
    """Give the JSON document of an item in `held list`; the decision is for those that wait."""
    reason, until, next_check = _standing(item, queue, decision)
    return {
        "id": str(item.id),
        "organization": item.organization,
        "step": item.step,
        "key": item.key,
        "since": format_instant(item.since),
        "because": reason,
        "until": until and format_instant(until),
        "next_check": next_check and format_instant(next_check),
        "state": item.state.value,
    }


def full_answer(
    item: Item,
    *,
    queue: Queue | None,
    decision: Decision | None,
    history: Iterable[tuple[datetime, str, str]],
) -> dict[str, Any]:
    """Give the JSON document of `held show`: with what happened to it and to all work of its organization."""
    return answer_of(item, queue=queue, decision=decision) | {
        "work": item.work,
        "payload": item.payload,
        "attempts": item.attempts,
        "ended_at": item.ended_at and format_instant(item.ended_at),
        "history": [{"at": format_instant(at), "what": what, "because": why} for at, what, why in history],
    }


def _standing(
    item: Item, queue: Queue | None, decision: Decision | None
) -> tuple[str | None, datetime | None, datetime | None]:
    """Give why it is not done, until when, and when it is looked at next."""
    if item.state is State.SENT:
        return _SENT, None, item.next_check
    if item.state not in (State.WAITING, State.RUNNING):
        return item.because or None, None, None
    if decision is not None and decision.decision == "hold":
        return because(decision), decision.until, _next_check(queue, decision)
    if queue is not None and not queue.is_due and queue.kind != "hold":
        return queue.because or _TURN, queue.until, queue.next_check
    return _TURN, None, queue.next_check if queue else None


def _next_check(queue: Queue | None, decision: Decision) -> datetime | None:
    """Give when a queue that is held is looked at: as it is written down, where that has not passed."""
    if queue is not None and queue.kind == "hold" and not Period(queue.next_check).contains(decision.now):
        return queue.next_check
    return decision.next_check


def text_of(answer: Mapping[str, Any]) -> str:
    """Say the state of an item in one line, as lists show it."""
    until = f" until {answer['until']}" if answer["until"] else ""
    check = f", next check at {answer['next_check']}" if answer["next_check"] else ""
    reason = f": {answer['because']}{until}{check}" if answer["because"] else ""
    return f"{answer['state']}{reason}"
