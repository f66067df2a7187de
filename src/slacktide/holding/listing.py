"""Lists of held work, and looking again now, as the commands ask for them."""

from __future__ import annotations

from typing import Any

import psycopg

from slacktide.control.audit import record_audit
from slacktide.control.schedule import schedule_of
from slacktide.control.setting import control_now
from slacktide.downtime.decision import Decision, decide
from slacktide.downtime.schedule import Schedule
from slacktide.holding import store
from slacktide.holding.answer import answer_of, full_answer
from slacktide.holding.item import Item
from slacktide.holding.look import ACTIONS
from slacktide.holding.state import State

_Connection = psycopg.Connection[Any]


def held_list(connection: _Connection) -> list[dict[str, Any]]:
    """Give all held work that is not done, in the order of its arrival, as `held list` prints it."""
    items = store.list_items(connection)  # before the schedule, which then knows the organization of each
    schedule, queues = schedule_of(connection), store.queues(connection)
    return [
        answer_of(
            item,
            queue=queues.get(item.organization),
            decision=_decision(connection, schedule, item),
            zone=_zone(schedule, item),
        )
        for item in items
    ]


def held_show(connection: _Connection, *, id: str) -> dict[str, Any]:  # noqa: A002 -- the word of the interface
    """Give one item with its history, as `held show` prints it. Raises UnknownItem."""
    item, schedule = store.item_of(connection, id=id), schedule_of(connection)
    return full_answer(
        item,
        queue=store.queue_of(connection, organization=item.organization),
        decision=_decision(connection, schedule, item),
        zone=_zone(schedule, item),
        history=store.history_of(connection, item),
    )


def held_check(connection: _Connection, *, id: str | None, who: str, reason: str) -> list[dict[str, Any]]:  # noqa: A002 -- the word of the interface
    """Let held work be looked at now: all of it, or that of one item's organization.

    An item that was set aside or refused waits again. No downtime is passed by that. Raises UnknownItem.
    """
    with connection.transaction():
        item = None if id is None else store.item_of(connection, id=id)
        if item is not None and item.state in (State.FAILED, State.REFUSED):
            store.try_again(connection, item, who=who, reason=reason)
        else:
            subject = "held work" if item is None else f"held {item.id}"
            record_audit(connection, who=who, what="held check", object=subject, reason=reason)
        store.check_now(connection, organization=item.organization if item else None)
    return [answer for answer in held_list(connection) if id is None or answer["id"] == id]


def _decision(connection: _Connection, schedule: Schedule, item: Item) -> Decision | None:
    if item.state not in (State.WAITING, State.RUNNING):
        return None
    now = control_now(connection)
    return decide(action=ACTIONS[item.step], schedule=schedule, now=now, organization=item.organization)


def _zone(schedule: Schedule, item: Item) -> str:
    return schedule.organizations[item.organization].organization.zone
