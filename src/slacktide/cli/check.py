"""`slacktide check`: may this action go on now, and if not, why, until when, and what to do meanwhile.

These are its options as the command line explains and checks them; `cli.check_quick` reads most calls without.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from slacktide.cli.check_quick import answer_lines, answer_one, request_of
from slacktide.cli.output import SHOWN, Flag, Shown
from slacktide.core.errors import UsageError

_Action = Literal[
    "login", "read", "open_task", "continue_task", "email_link", "change_setting", "import", "write_interface"
]


class ActionUnsaid(UsageError):
    """What is to be decided is not said: `slacktide check ACTION`, or `slacktide check --lines` with requests on standard input."""  # noqa: E501 -- the message is one sentence


def check(
    action: Annotated[_Action | None, Parameter(name="ACTION", help="What somebody is about to do.")] = None,
    /,
    *,
    lines: Annotated[Flag, Parameter(help="A JSON request a line on standard input, an answer a line.")] = False,
    organization: Annotated[str | None, Parameter(help="The organization's code.")] = None,
    user: Annotated[str | None, Parameter(help="Who acts; left out: a normal user.")] = None,
    task: Annotated[str | None, Parameter(help="The task; a known one says its organization.")] = None,
    via: Annotated[Literal["browser", "email", "api"], Parameter(help="By which way.")] = "browser",
    session: Annotated[Literal["none", "live"], Parameter(help="Whether there is a session.")] = "none",
    lease: Annotated[Flag, Parameter(help="The user has a live lease of that task.")] = False,
    writer: Annotated[Literal["own", "other"], Parameter(help="Whose writer it is.")] = "own",
    side: Annotated[Literal["source", "target"] | None, Parameter(help="Of one that moves: at which side.")] = None,
    at: Annotated[str | None, Parameter(help="At another instant; left out: now.")] = None,
    zone: Annotated[str | None, Parameter(help="The IANA zone of --at; left out: the organization's.")] = None,
    options: Shown = SHOWN,
) -> int:
    """Decide whether an action may go on."""
    if (action is None) != lines:
        raise ActionUnsaid
    if lines or action is None:
        return answer_lines(sys.stdin.buffer)
    facts: dict[str, Any] = {"action": action, "organization": organization, "side": side, "task": task, "via": via}
    facts |= {"session": session, "lease": lease, "writer": writer, "at": at, "zone": zone, "user": user}
    return answer_one(request_of(facts), as_json=options.json)
