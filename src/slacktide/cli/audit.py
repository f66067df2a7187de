"""`slacktide audit`: who changed what, when and why."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from slacktide.cli.output import SHOWN, Shown, table
from slacktide.control.audit import list_audit
from slacktide.control.database import open_control
from slacktide.control.setting import control_now
from slacktide.core.instant import parse_instant


def audit(
    *,
    since: Annotated[str | None, Parameter(help="From this instant on; left out: from the beginning.")] = None,
    zone: Annotated[str | None, Parameter(help="The IANA zone of a local --since.")] = None,
    options: Shown = SHOWN,
) -> int:
    """Show who changed what, when and why, oldest first."""
    with open_control() as control, control.connect(name="audit") as connection:
        start = parse_instant(since, now=control_now(connection), zone=zone) if since else None
        found = list_audit(connection, since=start)
    names = ["at", "who", "what", "object", "reason"]
    return options.say(found, lambda: table([[row[name] for name in names] for row in found], head=names))
