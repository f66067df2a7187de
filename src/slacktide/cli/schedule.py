"""`slacktide schedule`: what to do when the control database was restored from a backup."""

from __future__ import annotations

from typing import Any

from cyclopts import App

from slacktide.cli.output import ACTING, Acting
from slacktide.control.database import open_control
from slacktide.control.origin import confirm_schedule, doubt_schedule
from slacktide.core.duration import format_instant
from slacktide.downtime.doubt import Doubt

app = App(name="schedule", help="The schedule after a restore: everything is closed until it is confirmed.")


@app.command
def confirm(*, options: Acting = ACTING) -> int:
    """Say that the schedule of a restored control database is right as it stands; what was closed opens by it."""
    with open_control() as control, control.connect(name="schedule confirm") as connection:
        ended = confirm_schedule(connection, who=options.who, reason=options.reason or "")
    return options.say(_answer(ended, in_doubt=False), f"confirmed; it was in doubt because {ended.why}")


@app.command
def doubt(*, options: Acting = ACTING) -> int:
    """Close everything until the schedule is confirmed, as after a restore that nobody can notice."""
    with open_control() as control, control.connect(name="schedule doubt") as connection:
        found = doubt_schedule(connection, why=options.reason or "", who=options.who)
    text = f"closed everywhere: {found.why}\nopen it by: slacktide schedule confirm --reason TEXT"
    return options.say(_answer(found, in_doubt=True), text)


def _answer(doubt: Doubt, *, in_doubt: bool) -> dict[str, Any]:
    return {"in_doubt": in_doubt, "since": format_instant(doubt.since), "why": doubt.why}
