"""`slacktide task`: plain tasks, each of one organization."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from slacktide.cli.output import ACTING, SHOWN, Acting, Shown, table
from slacktide.control.database import open_control
from slacktide.control.link import Link, sign_link
from slacktide.control.task import Task, add_task, list_tasks, task_of
from slacktide.control.user import user_of
from slacktide.core.configuration import base_url, secret_key
from slacktide.notice.task import ask_assignee

_HERE = "http://127.0.0.1:8000"  # where `slacktide up` listens, unless it is told otherwise

app = App(name="task", help="Tasks, each of one organization.")


@app.command
def add(
    *,
    organization: Annotated[str, Parameter(help="The organization's code.")],
    title: Annotated[str, Parameter(help="What is to be done.")] = "",
    user: Annotated[str | None, Parameter(help="Whom it is assigned to.")] = None,
    options: Acting = ACTING,
) -> int:
    """Add a plain task; whom it is given to is asked by mail to act on it."""
    facts = {"organization": organization, "title": title, "who": options.who, "reason": options.reason or ""}
    with open_control() as control, control.connect(name="task add") as connection, connection.transaction():
        task = add_task(connection, user=user, **facts)
        ask_assignee(connection, task=task)
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


@app.command
def link(
    id_: Annotated[str, Parameter(name="ID", help="The task's ID.")],
    /,
    *,
    user: Annotated[str, Parameter(help="Whose link it is.")],
    options: Shown = SHOWN,
) -> int:
    """Say the address of the task for a mail to a user: it names both, signed, and is good for nobody else."""
    with open_control() as control, control.connect(name="task link") as connection:
        task = task_of(connection, id=id_)
        user_of(connection, name=user)
    path = f"/task/link/{sign_link(Link(task.id, user), secret=secret_key())}"
    url = f"{base_url() or _HERE}{path}"
    return options.say({"task": task.id, "user": user, "path": path, "url": url}, url)


def _table(found: list[Task]) -> str:
    rows = [[task.id, task.organization, task.state, task.user or "", task.title] for task in found]
    return table(rows, head=["id", "organization", "state", "user", "title"])
