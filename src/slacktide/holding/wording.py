"""The words for why work waits, the same in lists, histories and refusals."""

from __future__ import annotations

from datetime import datetime

from slacktide.core.duration import format_instant
from slacktide.downtime.decision import Decision
from slacktide.downtime.parameter import Level


def because(decision: Decision) -> str:
    """Say why a step is held, in the words of lists and histories."""
    if decision.reason is None or decision.code == "schedule_unknown":
        return "the schedule is not known"
    if decision.code == "reference_only":
        return f"{decision.organization} lives at {decision.reason.lives_at}"
    return f"downtime ({'site' if decision.scope is Level.SITE else f'organization {decision.organization}'})"


def waiting(decision: Decision, *, next_check: datetime) -> str:
    """Say the state of held work in full: why, until when, and when it is looked at next."""
    until = f"until {format_instant(decision.until)}" if decision.until else "without a known end"
    return f"waiting: {because(decision)} {until}, next check at {format_instant(next_check)}"


def storable(text: str) -> str:
    """Give a text of others as one line that a database takes: without what has no place in UTF-8, or in a text."""
    return " ".join(text.replace("\0", " ").encode(errors="replace").decode().split())
