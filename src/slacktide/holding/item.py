"""An item of held work, and what is handed in to become one."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

import msgspec

from slacktide.holding.state import State

Step = Literal["insert", "import"]


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """A write to an ERP that is handed in.

    `work` names the program that does it (an entry point of the group `slacktide.work`), `key` is its idempotency
    key, and `payload` what the program needs: mostly a reference to what is to be written. `due_on` is the day on which
    a payment is due, `discount_until` the last day of its discount (see `risk`).
    """

    organization: str
    step: Step
    work: str
    key: str
    payload: dict[str, Any] = {}
    due_on: date | None = None
    discount_until: date | None = None


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """Held work as it is kept. `since` is its arrival, `next_check` when its result is read next.

    `sent_to` is the address that it was sent to last, by reference; `accepted` is whether the ERP said that it has it.
    """

    id: int
    organization: str
    step: Step
    work: str
    key: str
    payload: dict[str, Any]
    state: State
    since: datetime
    because: str
    attempts: int
    next_check: datetime | None
    sent_at: datetime | None
    ended_at: datetime | None
    due_on: date | None
    discount_until: date | None
    sent_to: str | None
    accepted: bool


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """All work of one organization: when it is looked at next, and why not now (`kind`)."""

    organization: str
    kind: Literal["open", "hold", "retry", "stopped"]
    because: str
    until: datetime | None
    next_check: datetime
    failures: int
    is_due: bool
