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
from slacktide.holding.risk import dates_at_risk, first_day
from slacktide.holding.state import State
from slacktide.holding.wording import because

_SENT = "sent, result to be read"
_TURN = "its turn has not come"


def answer_of(item: Item, *, queue: Queue | None, decision: Decision | None, zone: str) -> dict[str, Any]:
    """Give the JSON document of an item in `held list`; the decision is for one that waits, `zone` its organization's.

    What has a due or discount date says so, and which of them are at risk.
    """
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
    } | _dates(item, decision, zone)


def _dates(item: Item, decision: Decision | None, zone: str) -> dict[str, Any]:
    if item.due_on is None and item.discount_until is None:
        return {}
    return {
        "due_on": item.due_on and item.due_on.isoformat(),
        "discount_until": item.discount_until and item.discount_until.isoformat(),
        "at_risk": [] if decision is None else dates_at_risk(item, first=first_day(decision, zone=zone)),
    }


def full_answer(
    item: Item,
    *,
    queue: Queue | None,
    decision: Decision | None,
    zone: str,
    history: Iterable[tuple[datetime, str, str]],
) -> dict[str, Any]:
    """Give the JSON document of `held show`: with what happened to it and to all work of its organization."""
    return answer_of(item, queue=queue, decision=decision, zone=zone) | {
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
        return f"{_SENT}: {item.because}" if item.because else _SENT, None, item.next_check
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
    return f"{answer['state']}{reason}{risk_of(answer)}"


def risk_of(answer: Mapping[str, Any]) -> str:
    """Name the dates of an item that are at risk."""
    days = {"due": f"due {answer.get('due_on')}", "discount": f"discount until {answer.get('discount_until')}"}
    named = [days[name] for name in answer.get("at_risk", ())]
    return f"; at risk: {', '.join(named)}" if named else ""


def sums_of(answers: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Sum up what is listed by organization: how many items, and how many of their dates are at risk."""
    sums: dict[str, dict[str, Any]] = {}
    for one in answers:
        nothing = {"organization": one["organization"], "count": 0, "due_at_risk": 0, "discounts_at_risk": 0}
        found = sums.setdefault(one["organization"], nothing)
        found["count"] += 1
        found["due_at_risk"] += "due" in one.get("at_risk", ())
        found["discounts_at_risk"] += "discount" in one.get("at_risk", ())
    return [sums[code] for code in sorted(sums)]
