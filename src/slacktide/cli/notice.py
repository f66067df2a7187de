"""`slacktide notice`: what those concerned are told of downtimes, and a test of the ways to them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from slacktide.cli.output import SHOWN, Shown, table
from slacktide.control.database import open_control
from slacktide.core.configuration import mail_server, webhook
from slacktide.core.errors import ExitStatus, InputError
from slacktide.notice.listing import LAST, notice_list, try_mail, try_webhook

app = App(name="notice", help="Notices of downtimes, as mail and by a webhook.")

_States = Literal["waiting", "sending", "sent", "given up", "superseded", "withdrawn", "not configured"]


class NothingToTest(InputError):
    """Nothing is configured that could be tested: set SLACKTIDE_MAIL_URL and give --to ADDRESS, or set SLACKTIDE_WEBHOOK_URL."""  # noqa: E501 -- the message is one sentence


@app.command(name="list")
def list_(
    *,
    state: Annotated[_States | None, Parameter(help="Only those with a delivery in this state.")] = None,
    last: Annotated[int, Parameter(help="How many at most.")] = LAST,
    options: Shown = SHOWN,
) -> int:
    """List the last notices, newest first, with how many were sent and what was not."""
    with open_control() as control, control.connect(name="notice list") as connection:
        found = notice_list(connection, state=state, last=last)
    return options.say(found, lambda: _text(found))


@app.command(name="test")
def try_out(
    *,
    to: Annotated[str | None, Parameter(help="The address for a mail; left out: the webhook alone.")] = None,
    options: Shown = SHOWN,
) -> int:
    """Send a test mail and, where a webhook is configured, a signed document to it; say what happened."""
    server, hook = mail_server(), webhook()
    tried = [try_mail(server, to=to)] if server is not None and to is not None else []
    tried += [try_webhook(hook)] if hook is not None else []
    if not tried:
        raise NothingToTest
    options.say(tried, lambda: "\n".join(map(_result, tried)))
    return ExitStatus.DONE if all(each["sent"] for each in tried) else ExitStatus.REFUSED


def _text(found: dict[str, Any]) -> str:
    waits = [
        f"{each['channel']} waits until {each['next_try']}: {each['because']}"
        for each in found["channels"]
        if not each["works"]
    ]
    rows = [[one["id"], one["planned_at"], one["kind"], _counts(one["count"]), one["text"]] for one in found["notices"]]
    problems = [f"  {one['id']}: {_problem(each)}" for one in found["notices"] for each in one["deliveries"]]
    return "\n".join([*waits, table(rows, head=["id", "planned", "kind", "deliveries", "text"]), *problems])


def _counts(count: dict[str, int]) -> str:
    return ", ".join(f"{number} {state}" for state, number in count.items()) or "nobody"


def _problem(delivery: dict[str, Any]) -> str:
    whom = delivery["recipient"] or "all"
    because = f": {delivery['because']}" if delivery["because"] else ""
    return f"{delivery['channel']} to {whom}, {delivery['state']}{because}"


def _result(tried: dict[str, Any]) -> str:
    said = "it was taken over" if tried["sent"] else f"failed: {tried['because']}"
    return f"{tried['channel']} to {tried['to']}: {said}"
