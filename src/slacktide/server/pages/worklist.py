"""The worklist: the tasks that a visitor may know of, and acts on many of them at once.

Of a closed organization's tasks it shows the number and until when, and nothing else: in the list, in a search, in the
counts and in the export, which are all made from the same rows.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from datetime import datetime
from typing import Literal

import msgspec
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from slacktide.control.lease import leases_of
from slacktide.control.session import SessionLimited, SessionOver
from slacktide.control.task import Task, UnknownTask, tasks_for
from slacktide.control.task_act import Act, TaskChanged, TaskFinished, act_on_task
from slacktide.control.user import UnknownUser
from slacktide.core.duration import format_instant
from slacktide.downtime.decision import Decision
from slacktide.downtime.table import Action
from slacktide.gates.ask import Ask
from slacktide.server.pages.gate import act, page, reads, to_log_in
from slacktide.server.pages.handover import follow_up
from slacktide.server.pages.house import Connection, connected, keeper_of
from slacktide.server.pages.visitor import Visitor, visitor_of

Standing = Literal["open", "open here", "closed", "reference only"]


class Row(msgspec.Struct, frozen=True):
    """A task as the list shows it; `title` and `user` are None where they must not be known."""

    id: str
    organization: str
    standing: Standing
    title: str | None
    user: str | None
    until: datetime | None = None
    zone: str = "UTC"


@page(reads, limited=True)
def worklist(request: HttpRequest) -> HttpResponse:
    """Show it; `q` searches."""
    rows = rows_of(request)
    counts = {standing: sum(row.standing == standing for row in rows) for standing in ("open here", "open", "closed")}
    return render(request, "worklist.html", {"rows": rows, "counts": counts, "q": request.GET.get("q", "")})


@page(reads, limited=True)
def export(request: HttpRequest) -> HttpResponse:
    """Give the same rows as CSV."""
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = 'attachment; filename="worklist.csv"'
    out = csv.writer(response)
    out.writerow(["task", "organization", "state", "title", "user", "until"])
    for row in rows_of(request):
        until = format_instant(row.until) if row.until else ""
        out.writerow([row.id, row.organization, row.standing, *map(_cell, (row.title, row.user)), until])
    return response


@act
def bulk(request: HttpRequest) -> HttpResponse:
    """Finish tasks, or give them to another user: each is judged by itself and has its own answer."""
    session = visitor_of(request).session
    if session is None:
        return to_log_in(request)
    wanted = Act(finish=True) if request.POST.get("do") == "finish" else Act(user=request.POST.get("user", ""))
    with connected(request) as connection:
        answers = [(task, _do(connection, session, task, wanted)) for task in request.POST.getlist("task")]
    if not answers:
        return redirect("/worklist")
    status = 200 if all(done for _, (done, _) in answers) else 207
    return render(request, "bulk.html", {"answers": answers}, status=status)


def rows_of(request: HttpRequest) -> list[Row]:
    """Give the tasks that the visitor may know of, as far as it may know of them now."""
    visitor, words = visitor_of(request), request.GET.get("q", "").lower().split()
    with connected(request) as connection:
        leased = (
            {lease.task for lease in leases_of(connection, user=visitor.user)} if visitor.role.has_leases else set()
        )
        tasks = tasks_for(connection, user=visitor.user, role=visitor.role)
    decisions = {code: _decision(request, visitor, code) for code in {task.organization for task in tasks}}
    rows = [_row(request, task, decisions[task.organization], leased=task.id in leased) for task in tasks]
    if visitor.limited:
        rows = [row for row in rows if row.standing == "open here"]
    return [row for row in rows if _fits(row, words)]


def _decision(request: HttpRequest, visitor: Visitor, organization: str) -> Decision:
    ask = Ask(action=Action.OPEN_TASK, organization=organization, user=visitor.user, admin=visitor.admin)
    return keeper_of(request).decide(ask)


def _row(request: HttpRequest, task: Task, decision: Decision, *, leased: bool) -> Row:
    moment = keeper_of(request).moment()
    known = moment.schedule.organizations.get(task.organization) if moment.schedule is not None else None
    zone = known.organization.zone if known is not None else "UTC"
    facts = (task.id, task.organization)
    if decision.code == "reference_only":
        return Row(*facts, "reference only", task.title, task.user, zone=zone)
    if leased:
        return Row(*facts, "open here", task.title, task.user, zone=zone)
    if not decision.allowed:
        return Row(*facts, "closed", None, None, decision.until, zone)
    return Row(*facts, "open", task.title, task.user, zone=zone)


def _fits(row: Row, words: Iterable[str]) -> bool:
    text = " ".join(filter(None, (row.id, row.organization, row.title, row.user))).lower()
    return all(word in text for word in words)


def _do(connection: Connection, session: str, task: str, wanted: Act) -> tuple[bool, str]:
    try:
        acted = act_on_task(connection, session=session, task=task, act=wanted, then=follow_up)
    except (UnknownTask, UnknownUser, TaskFinished, TaskChanged, SessionLimited, SessionOver) as error:
        return False, str(error)
    return acted.task is not None, "done" if acted.task is not None else acted.decision.message or ""


def _cell(text: str | None) -> str:
    """Write a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text and text[0] in "=+-@\t\r" else text or ""
