"""What follows from a finished task: its invoice is handed in for the ERP, where held work takes it on.

It is the plain task's: a sample invoice, in the transaction of the finishing, so that one is never without the other.
Whether and when it is written is not this page's business: it waits while a downtime is in effect, and goes on by
itself.
"""

from __future__ import annotations

from slacktide.control.task import Task
from slacktide.holding.place import list_places
from slacktide.holding.sample import invoice
from slacktide.holding.store import arrive, item_of_key
from slacktide.notice.task import ask_assignee
from slacktide.server.pages.house import Connection


def hand_over(connection: Connection, task: Task) -> None:
    """Hand in what follows from a task that is finished; where no ERP is known nothing does."""
    places = list_places(connection)
    if task.state == "done" and any(place.organization in (None, task.organization) for place in places):
        arrive(connection, invoice(organization=task.organization, number=f"task-{task.id}", imported=True))


def follow_up(connection: Connection, task: Task) -> None:
    """Do what follows from an act on one of many: an invoice if it is finished, a mail if it was given to somebody."""
    hand_over(connection, task)
    if task.state == "open":
        ask_assignee(connection, task=task)


def handed_over(connection: Connection, task: Task) -> str | None:
    """Give the ID of the held item that a task was handed in as."""
    item = item_of_key(connection, key=f"{task.organization}/task-{task.id}")
    return None if item is None else str(item.id)
