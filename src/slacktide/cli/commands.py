"""All commands by name; each group lives in a module of its own and is imported when it is called."""

from __future__ import annotations

from importlib.metadata import version

from cyclopts import App

app = App(
    name="slacktide",
    help="Planned downtime for systems that many organizations share.",
    version=lambda: version("slacktide"),
    help_on_error=False,
)
_STATUS = """Tell what is open, scheduled, closing or down, and why.

Ends with 0 if it is open or scheduled, 75 if it is down in any form, 77 if it is for reference only; with --all, 75 if
anything is down, else 0.
"""
_CHECK = """Decide whether an action may go on.

Ends with 0 if it is allowed, 75 if it is held, 77 if it is denied or needs a log-in first.
"""
_GUARD = """Run a command only while no downtime is in effect.

Ends with the command's own status, or with 75 if it was not started because of a downtime.
"""

for _name, (_where, _help) in {
    "up": ("slacktide.cli.up:up", "Start the control database, the site and a worker, in the foreground."),
    "worker": ("slacktide.cli.up:worker", "Start one more worker."),
    "demo": ("slacktide.cli.demo:app", "Show a move from beginning to end."),
    "database": ("slacktide.cli.database:app", "Databases on the embedded server."),
    "organization": ("slacktide.cli.organization:app", "Organizations: who is closed and moved."),
    "user": ("slacktide.cli.user:app", "Users: who works with the system, and who administers it."),
    "task": ("slacktide.cli.task:app", "Tasks, each of one organization."),
    "downtime": ("slacktide.cli.downtime:app", "Downtimes of the site and of organizations."),
    "schedule": (
        "slacktide.cli.schedule:app",
        "The schedule after a restore: everything is closed until it is confirmed.",
    ),
    "setting": ("slacktide.cli.setting:app", "Parameters, set for the site, an organization or a user."),
    "status": ("slacktide.cli.status:status", _STATUS),
    "check": ("slacktide.cli.check:check", _CHECK),
    "holders": (
        "slacktide.cli.holders:holders",
        "List who holds a closing up, of an organization or of all: leases, sessions and transactions.",
    ),
    "lease": ("slacktide.cli.holders:lease", "End a task lease, or all."),
    "session": ("slacktide.cli.holders:session", "End a session, or all of normal users."),
    "transaction": ("slacktide.cli.holders:transaction", "End a transaction that holds a closing up, or all."),
    "held": ("slacktide.cli.held:app", "Held work: what waits for a downtime to end."),
    "notice": ("slacktide.cli.notice:app", "Notices of downtimes, as mail and by a webhook."),
    "guard": ("slacktide.cli.guard:guard", _GUARD),
    "token": ("slacktide.cli.token:app", "Tokens, by which gates, proxies and scripts are admitted."),
    "gate": ("slacktide.cli.token:gate", "Gates in applications and proxies."),
    "hotel": ("slacktide.cli.hotel:app", "The hotel: load a property and let it trade."),
    "plan": ("slacktide.cli.plan:app", "Check a transfer plan; draft one; write its XSD."),
    "move": ("slacktide.cli.move:app", "Move an organization to another database."),
    "wave": ("slacktide.cli.wave:app", "Waves: moves that go down together, each in its own window."),
    "audit": ("slacktide.cli.audit:audit", "Show who changed what, when and why, oldest first."),
}.items():
    app.command(_where, name=_name, help=_help)
