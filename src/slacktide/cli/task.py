"""`slacktide task`: plain tasks, each of one organization."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from slacktide.cli.output import ACTING, SHOWN, Acting, Shown, table
from slacktide.control.database import open_control
from slacktide.control.task import Task, add_task, list_tasks

app = App(name="task", help="Tasks, each of one organization.")


@app.command
def add(
    *,
    organization: Annotated[str, Parameter(help="The organization's code.")],
    title: Annotated[str, Parameter(help="What is to be done.")] = "",
    user: Annotated[str | None, Parameter(help="Whom it is assigned to.")] = None,
    options: Acting = ACTING,
) -> int:
    """Add a plain task."""
    facts = {"organization": organization, "title": title, "who": options.who, "reason": options.reason or ""}
    with open_control() as control, control.connect(name="task add") as connection:
        task = add_task(connection, user=user, **facts)
    return options.say(task, lambda: _table([task]))


@app.command(name="list")
def list_(
    *,
    organization: Annotated[str | None, Parameter(help="Only of the organization of this code.")] = None,
    options: Shown = SHOWN,
) -> int:
    """List all tasks, oldest first."""
    with open_control() as control, control.connect(name="task list") as connection:
        found = list_tasks(connection, organization=organization)
    return options.say(found, lambda: _table(found))


def _table(found: list[Task]) -> str:
    rows = [[task.id, task.organization, task.state, task.user or "", task.title] for task in found]
    return table(rows, head=["id", "organization", "state", "user", "title"])
