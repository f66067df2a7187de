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

for _name, (_where, _help) in {
    "up": ("slacktide.cli.up:up", "Start the control database, the site and a worker, in the foreground."),
    "worker": ("slacktide.cli.up:worker", "Start one more worker."),
    "demo": ("slacktide.cli.demo:app", "Show a move from beginning to end."),
    "database": ("slacktide.cli.database:app", "Databases on the embedded server."),
    "organization": ("slacktide.cli.organization:app", "Organizations: who is closed and moved."),
    "downtime": ("slacktide.cli.downtime:app", "Downtimes of the site and of organizations."),
    "status": ("slacktide.cli.status:status", _STATUS),
    "holders": (
        "slacktide.cli.status:holders",
        "List the transactions that a closing waits for, of an organization or of all.",
    ),
    "transaction": ("slacktide.cli.status:transaction", "End a transaction that holds a closing up."),
    "token": ("slacktide.cli.token:app", "Tokens, by which gates, proxies and scripts are admitted."),
    "gate": ("slacktide.cli.token:gate", "Gates in applications and proxies."),
    "hotel": ("slacktide.cli.hotel:app", "The hotel: load a property and let it trade."),
    "plan": ("slacktide.cli.plan:app", "Check a transfer plan; write its XSD."),
    "move": ("slacktide.cli.move:app", "Move an organization to another database."),
    "audit": ("slacktide.cli.audit:audit", "Show who changed what, when and why, oldest first."),
}.items():
    app.command(_where, name=_name, help=_help)
